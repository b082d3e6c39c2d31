"""Trackers: which one, where it writes, and that none of them can stop a run."""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ai_detect import tracking
from ai_detect.errors import MissingExtraError, UsageError

# The smallest valid PNG: one grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


class Broken:
    """A tracker whose service is down."""

    def __init__(self, fails_at: str) -> None:
        self.fails_at = fails_at
        self.calls: list[str] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails_at:
            raise ConnectionError("no network\nand more")

    def start(self, config: Mapping[str, Any]) -> None:
        self._call("start")

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self._call("log_metrics")

    def log_files(self, paths: Sequence[Path], name: str) -> None:
        self._call("log_files")

    def finish(self, *, failed: bool = False) -> None:
        self._call("finish")


def record_run(tracker: tracking.Tracker) -> None:
    tracker.start({"epochs": 3})
    tracker.log_metrics({"auc": 0.9})
    tracker.log_files([Path("model")], "model")
    tracker.finish()


@pytest.mark.parametrize("step", ["start", "log_metrics", "log_files", "finish"])
def test_a_failing_tracker_is_one_warning_and_left_alone(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(step)
    record_run(tracking.SafeTracking(broken))
    assert broken.calls[-1] == step
    assert caplog.messages == [
        "Tracking stops (ConnectionError: no network); training goes on without it."
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_working_tracker_gets_everything() -> None:
    working = Broken("never")
    record_run(tracking.SafeTracking(working))
    assert working.calls == ["start", "log_metrics", "log_files", "finish"]


def test_control_c_is_not_a_failure_of_the_tracker() -> None:
    class Interrupted(Broken):
        def start(self, config: Mapping[str, Any]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracking.SafeTracking(Interrupted("never")).start({})


def test_no_tracking_leaves_nothing(tmp_path: Path) -> None:
    record_run(tracking.open_tracker("none", tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["", "wandbb", "None"])
def test_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tracking takes one of wandb, mlflow, none"):
        tracking.open_tracker(kind, tmp_path)


def test_mlflow_that_is_not_installed_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"ai_detect\[mlflow\]"):
        tracking.open_tracker("mlflow", tmp_path)


def test_wandb_that_is_not_installed_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ["WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_ERROR_REPORTING"]:
        monkeypatch.setenv(name, "x")
    monkeypatch.setitem(sys.modules, "wandb", None)
    record_run(tracking.open_tracker("wandb", tmp_path))
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("environ", "login", "mode"),
    [
        ({}, "", "offline"),
        ({"WANDB_API_KEY": "k"}, "", "online"),
        ({"WANDB_API_KEY": "k", "WANDB_MODE": "disabled"}, "", "disabled"),
        ({"WANDB_MODE": "online"}, "", "online"),
        ({}, "machine api.wandb.ai login user password k\n", "online"),
        ({}, "machine example.org login user password k\n", "offline"),
        ({}, "machine machine machine", "offline"),
        (
            {"WANDB_BASE_URL": "https://wandb.example.org:8080"},
            "machine wandb.example.org login user password k\n",
            "online",
        ),
    ],
)
def test_wandb_is_offline_without_a_key(
    environ: dict[str, str], login: str, mode: str, tmp_path: Path
) -> None:
    if login:
        (tmp_path / ".netrc").write_text(login)
        (tmp_path / ".netrc").chmod(0o600)
    assert tracking.wandb_mode({"HOME": str(tmp_path), **environ}) == mode


RUN = """
import sys
from pathlib import Path
from ai_detect import tracking
for outcome in sys.argv[2:]:
    tracker = getattr(tracking, sys.argv[1])(Path("data"))
    tracker.start({"epochs": 3, "char_ngrams": None})
    tracker.log_metrics({"auc": 0.9})
    tracker.log_files([Path("roc.png"), Path("model"), Path("card.md")], "model")
    tracker.finish(failed=outcome == "failed")
"""


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Return a folder with something to record."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "manifest.json").write_text("{}")
    (tmp_path / "card.md").write_text("# Model\n")
    (tmp_path / "roc.png").write_bytes(PNG)
    return tmp_path


def record_really(tracker: str, *outcomes: str, folder: Path) -> None:
    """Record runs in a process of its own: both packages leave threads and settings behind."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WANDB_", "MLFLOW_"))
    }
    package = str(Path(tracking.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", RUN, tracker, *outcomes],
        cwd=folder,
        env={**environ, "PYTHONPATH": package, "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.slow
def test_wandb_offline_keeps_the_run_below_the_data_folder(run_folder: Path) -> None:
    record_really("WandbTracking", "done", folder=run_folder)
    folder = run_folder / "data" / "wandb"
    [run] = folder.glob("offline-run-*")
    assert list(run.glob("run-*.wandb"))
    assert list(run.glob("files/media/images/**/roc*.png"))
    staged = [path for path in folder.glob("artifacts/staging/*") if path.is_file()]
    assert sorted(path.read_text() for path in staged) == ["# Model\n", "{}"]
    assert not list((run_folder / "home").rglob("*.png"))


@pytest.mark.slow
def test_mlflow_keeps_the_runs_in_a_database(run_folder: Path) -> None:
    for package in ["mlflow", "sqlalchemy", "alembic"]:
        if find_spec(package) is None:
            pytest.skip(f"the extra [mlflow] is not installed: no {package}")
    record_really("MlflowTracking", "done", "failed", folder=run_folder)

    with closing(sqlite3.connect(run_folder / "data" / "mlflow.db")) as database:
        runs = dict(database.execute("select status, run_uuid from runs").fetchall())
        metrics = database.execute("select run_uuid, key, value from metrics").fetchall()
        params = database.execute("select run_uuid, key, value from params").fetchall()
    assert set(runs) == {"FINISHED", "FAILED"}
    for run in runs.values():
        assert [figure for owner, *figure in metrics if owner == run] == [["auc", 0.9]]
        assert sorted(setting for owner, *setting in params if owner == run) == [
            ["char_ngrams", "None"],
            ["epochs", "3"],
        ]
        artifacts = run_folder / "data" / "mlruns" / run / "artifacts" / "model"
        names = sorted(path.name for path in artifacts.iterdir())
        assert names == ["card.md", "manifest.json", "roc.png"]
