"""What a second worker brings, 100 tables on object storage, and training on a cluster beside training without.

    python -m benchmarks.cluster speed [--data=../shared/data] [--megabytes=320] [--tables=16] [--repeats=5]
    python -m benchmarks.cluster storage [--data=../shared/data] [--tables=100] [--megabytes=100]
    python -m benchmarks.cluster train [--dataset=../shared/data/train]

The tables are essays of the test corpora, repeated to the size asked for. Every worker is a process with one thread,
bound to a core of its own, so that one worker has one core's worth of work and two have two; runs of one and of two
workers alternate, after one of each that is not counted. The object storage is moto's S3 server on the same machine,
which is Python and takes its share of the cores.
"""

import hashlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from distributed import Client

from ai_detect import artifacts, cluster_training
from ai_detect.cluster_prediction import predict
from ai_detect.config import TrainConfig
from ai_detect.data import read_batches, read_corpus
from ai_detect.features import HashedTfidf
from ai_detect.labels import encode_labels
from ai_detect.logistic import DualLogisticRegression
from ai_detect.prediction import Question, Tally
from ai_detect.predictor import Predictor

MODEL = "ai_detect/default_model"
S3 = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def running(n_workers: int) -> Iterator[str]:
    """Start a scheduler and workers of one thread, each on a core of its own; return the address."""
    cores = sorted(os.sched_getaffinity(0))
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = os.environ | {"PYTHONPATH": str(Path.cwd())}

        def start(core: int | None, *command: str) -> None:
            bound = ["taskset", "--cpu-list", str(core)] if core is not None else []
            process = subprocess.Popen(
                [*bound, *dask, *command, *local], env=environment, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)

        file = folder / "scheduler.json"
        start(None, "scheduler", "--port", "0", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text()):
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        one = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
        for number in range(n_workers):
            start(cores[number % len(cores)], "worker", address, *one)
        yield address


def write_tables(data: str, folder: Path, *, megabytes: float, tables: int) -> list[Path]:
    """Write essays of the test corpora as CSV, again and again until they have the size."""
    parts = [
        pyarrow.parquet.read_table(path, columns=["text"])
        for path in sorted(Path(data).glob("test/*.parquet"))
    ]
    essays = pa.concat_tables(parts)
    n_bytes = pa.compute.sum(pa.compute.binary_length(essays["text"])).as_py()
    n_rows = round(len(essays) * megabytes * 1e6 / n_bytes / tables)
    order = np.random.default_rng(0)
    paths = [folder / f"part-{number:03}.csv" for number in range(tables)]
    for path in paths:
        rows = order.integers(0, len(essays), n_rows)
        ids = pa.array([f"{path.stem}-{i}" for i in range(n_rows)])
        table = pa.table({"id": ids, "text": essays["text"].take(rows)})
        pyarrow.csv.write_csv(table, path)
    return paths


def score(dataset: str, output: str, scheduler: str) -> tuple[float, Tally]:
    """Score a dataset on a cluster; return the seconds and what was counted."""
    predictor = Predictor.from_files(artifacts.load(Path(MODEL)))
    started = time.perf_counter()
    tally = predict(
        dataset,
        output,
        predictor,
        Question(predictor.profile(), 0.01, details=True),
        read_batches,
        format="",
        scheduler=scheduler,
        n_workers=1,
    )
    return time.perf_counter() - started, tally


def processor_seconds(scheduler: str) -> dict[str, float]:
    """Return what each worker has used of its core so far; other programs on a core do not count here."""
    with Client(scheduler, set_as_default=False) as client:
        found: dict[str, float] = client.run(time.process_time)
    return found


def digest(folder: Path) -> str:
    """Return what tells the results in a folder from any others."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        found.update(path.read_bytes())
    return found.hexdigest()


def shown(seconds: list[float], megabytes: float) -> str:
    """Median and range of seconds, and the throughput."""
    median = statistics.median(seconds)
    return f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {megabytes / median:.0f}"


def speed(
    data: str = "../shared/data", megabytes: float = 320, tables: int = 16, repeats: int = 5
) -> str:
    """Compare two workers with one; return the table as Markdown."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "in").mkdir()
        paths = write_tables(data, folder / "in", megabytes=megabytes, tables=tables)
        size = sum(path.stat().st_size for path in paths) / 1e6
        clusters = {n: stack.enter_context(running(n)) for n in (1, 2)}
        seconds: dict[int, list[float]] = {1: [], 2: []}
        busy: dict[int, list[float]] = {1: [], 2: []}
        digests = set()
        for repeat in range(repeats + 1):
            for n, address in clusters.items():
                before = processor_seconds(address)
                taken, _ = score(str(folder / "in"), str(folder / f"out-{n}"), address)
                after = processor_seconds(address)
                digests.add(digest(folder / f"out-{n}"))
                if repeat:  # the first run loads packages and compiled kernels
                    seconds[n].append(taken)
                    busy[n].append(max(after[one] - before[one] for one in after))
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    lines = [
        f"{tables} tables, {size:.0f} MB of CSV; results {'equal' if len(digests) == 1 else 'DIFFERENT'}",
        "",
        "| workers | seconds, median (range) | MB/s | processor seconds of the busiest worker |",
        "|---|---|---|---|",
        *(
            f"| {n} | {shown(taken, size)} | {statistics.median(busy[n]):.2f} |"
            for n, taken in seconds.items()
        ),
        "",
        f"two workers over one: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    ]
    return "\n".join(lines)


def storage(data: str = "../shared/data", megabytes: float = 100, tables: int = 100) -> str:
    """Read tables from a local S3 server and write the results there; say how long, and whether they are right."""
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= S3 | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    files = s3fs.S3FileSystem()
    files.mkdir("essays")
    with tempfile.TemporaryDirectory() as name, running(2) as address:
        folder = Path(name)
        (folder / "in").mkdir()
        paths = write_tables(data, folder / "in", megabytes=megabytes, tables=tables)
        for path in paths:
            files.put_file(str(path), f"essays/in/{path.name}")
        local, _ = score(str(folder / "in"), str(folder / "out"), address)
        remote, tally = score("s3://essays/in/*.csv", "s3://essays/out", address)
        equal = [
            files.cat_file(f"essays/out/{path.name}") == (folder / "out" / path.name).read_bytes()
            for path in paths
        ]
        n_written = len(files.glob("essays/out/*.csv"))
    server.stop()
    return (
        f"{len(paths)} tables, {tally.n_rows} rows read from s3:// and {n_written} written there in {remote:.1f} s; "
        f"{sum(equal)} equal those from and to the disk, which took {local:.1f} s"
    )


def train(dataset: str = "../shared/data/train") -> str:
    """Train on two workers, and in this process the same logistic regression; say how far they are apart."""
    config = TrainConfig()
    read: Any = partial(read_batches, labelled=True)
    with running(2) as address:
        started = time.perf_counter()
        model = cluster_training.run(
            read,
            config,
            dataset=dataset,
            format="",
            scheduler=address,
            package_version="benchmark",
            n_jobs=1,
        )
        seconds = time.perf_counter() - started
    corpus = read_corpus(dataset)
    _, y = encode_labels(corpus.labels)
    tfidf = HashedTfidf(n_jobs=2)
    X = tfidf.fit_transform(corpus.texts)
    member = DualLogisticRegression(C=config.C, tolerance=1e-3)
    member.fit(X, y, sample_weight=0.5 * len(y) / np.bincount(y)[y])
    buckets = np.flatnonzero(tfidf.idf_)
    local, ours = member.coef_[0, buckets], model.arrays["coef"][:, 0].astype(float)
    # Calibration stretches the scores of a model, and nothing else of it.
    slope = float(local @ ours / (local @ local))
    odds, expected = X[:, buckets] @ (ours / slope), X[:, buckets] @ local
    auc = model.manifest["metrics"]["out_of_fold"]["roc_auc"]["value"]
    return (
        f"{len(y)} texts in {model.manifest['data']['tables']} tables, {seconds:.0f} s on two workers, out-of-fold ROC "
        f"AUC {auc:.4f}; beside the logistic regression of one process the largest difference is "
        f"{np.abs(ours / slope - local).max() / np.abs(local).max():.1e} of the largest coefficient and "
        f"{np.abs(odds - expected).max() / np.abs(expected).max():.1e} of the largest log-odds"
    )


if __name__ == "__main__":
    fire.Fire({"speed": speed, "storage": storage, "train": train})
