"""Where a training run is recorded: Weights & Biases, a local MLflow, or nowhere.

A tracker gets settings, numbers, plots and the model folder, never a text. It is a guest of the
run: when it fails, in whatever way, training goes on without it.
"""

import logging
import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

from ai_detect.errors import MissingExtraError, UsageError

KINDS = ("wandb", "mlflow", "none")
_PROJECT = "ai_detect"

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """A place that keeps the record of one training run: start, log as often as wanted, finish."""

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a run with its settings."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record numbers by name."""

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        """Record files and folders under a name. PNG files are plots."""

    def finish(self, *, failed: bool = False) -> None:
        """End the run and write out what is pending."""


def open_tracker(kind: str, directory: Path) -> Tracker:
    """Return a tracker that cannot stop a run, not started yet.

    Args:
        kind: `wandb`, `mlflow` or `none`.
        directory: The data folder; local records go below it.

    Raises:
        UsageError: The kind is none of these.
        MissingExtraError: MLflow is asked for and not installed.
    """
    if kind == "wandb":
        return SafeTracking(WandbTracking(directory))
    if kind == "mlflow":
        return SafeTracking(MlflowTracking(directory))
    if kind == "none":
        return NoTracking()
    raise UsageError(f"--tracking takes one of {', '.join(KINDS)}, and got {kind!r}.")


class NoTracking:
    """The tracker that records nothing."""

    def start(self, config: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        """Do nothing."""

    def finish(self, *, failed: bool = False) -> None:
        """Do nothing."""


class SafeTracking:
    """Another tracker whose first failure is a warning, and which is left alone from then on."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._failed = False

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a run."""
        self._attempt(lambda: self._tracker.start(config))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record numbers by name."""
        self._attempt(lambda: self._tracker.log_metrics(metrics))

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        """Record files and folders under a name."""
        self._attempt(lambda: self._tracker.log_files(paths, name))

    def finish(self, *, failed: bool = False) -> None:
        """End the run."""
        self._attempt(lambda: self._tracker.finish(failed=failed))

    def _attempt(self, act: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            act()
        # Networks, disks, servers and two large packages can fail here in ways that nobody can
        # list, and none is worth an hour of training: here every exception means the same.
        except Exception as error:
            self._failed = True
            reason = str(error).partition("\n")[0]
            logger.warning(
                "Tracking stops (%s: %s); training goes on without it.",
                type(error).__name__,
                reason,
            )
            logger.debug("Why tracking stopped", exc_info=True)


class WandbTracking:
    """Weights & Biases: online with a key or a login, otherwise offline below the data folder.

    `wandb sync data/wandb/offline-run-*` uploads an offline run later.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._run: Any = None

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a run; without a network an online one is given up after 30 seconds."""
        folder = self._directory / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        # Copies of artifacts belong beside the run, not into the user's home folder.
        os.environ.setdefault("WANDB_DATA_DIR", str(folder.resolve()))
        os.environ.setdefault("WANDB_CACHE_DIR", str(folder.resolve()))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")  # the setting below leaves artifacts talking
        import wandb

        self._run = wandb.init(
            project=_PROJECT,
            dir=str(self._directory),
            config=dict(config),
            settings=wandb.Settings(
                mode=wandb_mode(os.environ),
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                init_timeout=30,
                finish_timeout=120,
            ),
        )

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record numbers; each also stands in the summary of the run."""
        self._run.log(dict(metrics))

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        """Show plots in the run; keep everything else as one artifact."""
        import wandb

        plots = [path for path in paths if path.suffix == ".png"]
        if plots:
            self._run.log({f"{name}/{path.stem}": wandb.Image(str(path)) for path in plots})
        others = [path for path in paths if path not in plots]
        if others:
            artifact = wandb.Artifact(name, type=name)
            for path in others:
                if path.is_dir():
                    artifact.add_dir(str(path))
                else:
                    artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def finish(self, *, failed: bool = False) -> None:
        """End the run, waiting two minutes at most for an upload."""
        self._run.finish(exit_code=1 if failed else 0)


def wandb_mode(environ: Mapping[str, str]) -> Any:
    """Return the W&B mode: what WANDB_MODE says, else online for whoever has a key or a login."""
    if environ.get("WANDB_MODE"):
        return environ["WANDB_MODE"]
    return "online" if environ.get("WANDB_API_KEY") or _has_login(environ) else "offline"


def _has_login(environ: Mapping[str, str]) -> bool:
    """Whether `wandb login` has left a key in the netrc file."""
    host = urlparse(environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = environ.get("NETRC") or str(Path(environ.get("HOME", "~")).expanduser() / ".netrc")
    with suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return host in netrc.netrc(path).hosts
    return False


class MlflowTracking:
    """MLflow: a database and files below the data folder, or what MLFLOW_TRACKING_URI names."""

    def __init__(self, directory: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingExtraError("mlflow", "mlflow") from error
        self._client_type = MlflowClient
        self._directory = directory
        self._client: Any = None
        self._run_id = ""

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin a run in the experiment `ai_detect`."""
        remote = os.environ.get("MLFLOW_TRACKING_URI")
        self._directory.mkdir(parents=True, exist_ok=True)
        folder = self._directory.resolve()
        self._client = self._client_type(remote or f"sqlite:///{folder / 'mlflow.db'}")
        experiment = self._client.get_experiment_by_name(_PROJECT)
        experiment_id = (
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(
                _PROJECT, artifact_location=None if remote else (folder / "mlruns").as_uri()
            )
        )
        self._run_id = self._client.create_run(experiment_id).info.run_id
        for name, value in config.items():
            self._client.log_param(self._run_id, name, value)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Record numbers by name."""
        for name, value in metrics.items():
            self._client.log_metric(self._run_id, name, value)

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        """Keep files, and the contents of folders, as artifacts below the name."""
        for path in paths:
            keep = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            keep(self._run_id, str(path), name)

    def finish(self, *, failed: bool = False) -> None:
        """End the run."""
        self._client.set_terminated(self._run_id, "FAILED" if failed else "FINISHED")
