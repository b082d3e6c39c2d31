"""Counts and times for Prometheus: of this process or, with several workers, of all of them.

With PROMETHEUS_MULTIPROC_DIR set, which `serve --workers=2` does, the workers keep their counts in files there and any
of them answers for all.
"""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from ai_detect.drift_report import LEVELS, DriftReport
from ai_detect.predictor import Predictions
from ai_detect.server.models import ServedModel

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SCORES = tuple(range(-10, 11))


class Telemetry:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
        self._registry = registry = CollectorRegistry()
        self._process = psutil.Process()
        self._cpu_seconds = 0.0
        self._requests = Counter(
            "ai_detect_requests",
            "Requests answered, by route and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "ai_detect_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_flight = _gauge(
            "ai_detect_requests_in_flight", "Requests at work.", registry, mode="livesum"
        )
        self._batch_size = Histogram(
            "ai_detect_batch_texts", "Texts of one request.", buckets=_SIZES, registry=registry
        )
        self._verdicts = Counter(
            "ai_detect_verdicts", "Texts by verdict.", ("verdict",), registry=registry
        )
        self._scores = Histogram(
            "ai_detect_score", "Scores of texts, as log-odds.", buckets=_SCORES, registry=registry
        )
        # Looking a series up takes longer than counting with it.
        self._answered = cache(self._requests.labels)
        self._took = cache(self._seconds.labels)
        self._called = cache(self._verdicts.labels)
        self._jobs = _gauge("ai_detect_jobs", "Files by status.", registry, "status")
        self._drift = _gauge(
            "ai_detect_drift_level", "Drift of recent texts: 0 none, 1 moderate, 2 major.", registry
        )
        self._drift_psi = _gauge(
            "ai_detect_drift_psi", "Population stability index.", registry, "feature"
        )
        self._model = _gauge("ai_detect_model_info", "1 for the model in use.", registry, "version")
        self._model_created = _gauge(
            "ai_detect_model_created_timestamp_seconds", "When the model was made.", registry
        )
        self._model_age = _gauge(
            "ai_detect_model_age_seconds", "Seconds since the model was made.", registry
        )
        self._refused_models = Counter(
            "ai_detect_models_refused", "Published models that were damaged.", registry=registry
        )
        # The names that the Prometheus clients of all languages give to these.
        self._memory = _gauge(
            "process_resident_memory_bytes", "Memory in use.", registry, mode="livesum"
        )
        self._cpu = Counter("process_cpu_seconds", "Processor seconds used.", registry=registry)
        self._files = _gauge("process_open_fds", "Files open.", registry, mode="livesum")
        self._threads = _gauge("process_threads", "Threads.", registry, mode="livesum")
        self._free_memory = _gauge(
            "system_memory_available_bytes", "Memory that the machine has left.", registry
        )
        self._load = _gauge("system_load1", "Processes that want to run, over 1 minute.", registry)
        self._free_disk = _gauge(
            "ai_detect_data_free_bytes", "Room that is left in the data folder.", registry
        )

    def begin(self) -> None:
        """Count a request that has come in."""
        self._in_flight.inc()

    def end(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._in_flight.dec()
        self._answered(route, method, status).inc()
        self._took(route).observe(seconds)

    def scored(self, predictions: Predictions, called: Sequence[str]) -> None:
        """Count the texts of one request, by verdict or class."""
        self._batch_size.observe(len(called))
        for verdict in called:
            self._called(verdict).inc()
        for score in predictions.scores[:, 0].tolist():
            self._scores.observe(score)

    def swapped(self, model: ServedModel) -> None:
        """Show another model as the one in use."""
        self._model.clear()
        self._model.labels(model.version).set(1)
        self._created = _timestamp(model.created)
        self._model_created.set(self._created)

    def refused_model(self) -> None:
        """Count a model that was published and not taken."""
        self._refused_models.inc()

    def show_drift(self, report: DriftReport) -> None:
        """Show how far recent texts are from those of training."""
        self._drift.set(LEVELS.index(report.level))
        for feature in report.features:
            self._drift_psi.labels(feature.name).set(feature.psi)

    def show_jobs(self, counts: Mapping[str, int]) -> None:
        """Show how many files have each status."""
        for status, count in counts.items():
            self._jobs.labels(status).set(count)

    def look_around(self, data_dir: Path) -> None:
        """Take the figures of this process and of the machine."""
        with self._process.oneshot():
            times = self._process.cpu_times()
            self._memory.set(self._process.memory_info().rss)
            self._files.set(self._process.num_fds())
            self._threads.set(self._process.num_threads())
        spent = times.user + times.system
        self._cpu.inc(spent - self._cpu_seconds)
        self._cpu_seconds = spent
        self._free_memory.set(psutil.virtual_memory().available)
        self._load.set(os.getloadavg()[0])
        if data_dir.exists():
            self._free_disk.set(psutil.disk_usage(str(data_dir)).free)
        self._model_age.set(time.time() - self._created)

    def exposition(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def forget_dead_workers() -> None:
    """Remove what ended processes said of themselves; what they have counted stays."""
    for file in (
        Path(os.environ.get(SHARED, "")).glob("gauge_live*_*.db") if SHARED in os.environ else ()
    ):
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            file.unlink(missing_ok=True)


def _gauge(
    name: str, text: str, registry: CollectorRegistry, *labels: str, mode: str = "livemax"
) -> Gauge:
    return Gauge(name, text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]


def _timestamp(created: str) -> float:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return 0.0
