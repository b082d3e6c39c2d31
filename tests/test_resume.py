"""A run of predict that is killed goes on where it ended, and nobody can tell from the finished file."""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ai_detect import My_TextClassifier_Model, model, streaming
from ai_detect.data import read_batches
from ai_detect.errors import AiDetectError, DataError, UsageError
from ai_detect.result_files import ContinuedFile
from ai_detect.results import ResultsWriter
from tests.command_support import typed, wait_until

ROOT = Path(__file__).parents[1]
DATASET = ROOT / "data" / "sample" / "train.csv"
BATCH_BYTES = 20_000  # some twenty batches

# Predict in batches of that size, and kill this process at the n-th of some moments.
KILLED = """
import json, os, signal, sys
from functools import partial
from ai_detect import model, result_files
moment, n, batch_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
place, name = {
    "rows written": (result_files.ContinuedFile, "checkpoint"),
    "progress half written": (json, "dump"),
    "progress written": (result_files.Path, "replace"),
    "all written": (result_files.ResultFile, "commit"),
}[moment]
real, calls = getattr(place, name), []
def or_die(*args):
    calls.append(args)
    if len(calls) < n:
        return real(*args)
    if name == "dump":
        args[1].write('{"origin":')
        args[1].flush()
    if name == "replace":
        real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, or_die)
model.read_batches = partial(model.read_batches, batch_bytes=batch_bytes)
model.My_TextClassifier_Model(data_dir=sys.argv[4]).predict(**json.loads(sys.argv[5]), resume=True)
"""


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A folder with a model and a dataset of its own."""
    shutil.copytree(trained / "data" / "model", tmp_path / "data" / "model")
    shutil.copy(DATASET, tmp_path / "essays.csv")
    return tmp_path


Predict = Callable[..., Any]


@pytest.fixture
def predict(place: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    monkeypatch.setattr(model, "read_batches", partial(read_batches, batch_bytes=BATCH_BYTES))
    classifier = My_TextClassifier_Model(data_dir=str(place / "data"))
    return partial(classifier.predict, dataset=str(place / "essays.csv"))


def kill(place: Path, moment: str, n: int, **options: Any) -> None:
    """Run predict --resume and kill it with -9."""
    options = {"dataset": str(place / "essays.csv")} | options
    numbers = [str(n), str(BATCH_BYTES)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, *numbers, str(place / "data"), json.dumps(options)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "model")


def n_scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Texts of every batch scored from now on."""
    found: list[int] = []

    def counted(predictor: Any, batches: Any, *more: Any) -> Any:
        for batch, predictions in streaming.scored(predictor, batches, *more):
            found.append(len(batch.ids))
            yield batch, predictions

    monkeypatch.setattr("ai_detect.prediction.scored", counted)
    return found


@pytest.mark.parametrize(
    ("moment", "n", "ending"),
    [
        ("rows written", 1, "csv"),
        ("rows written", 5, "jsonl"),
        ("progress half written", 4, "csv"),
        ("progress written", 1, "jsonl"),
        ("progress written", 7, "csv"),
        ("all written", 1, "csv"),
    ],
)
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    moment: str, n: int, ending: str, place: Path, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, whole = place / f"results.{ending}", place / f"whole.{ending}"
    expected = predict(output=str(whole), details=True)
    output.write_text("old")
    kill(place, moment, n, output=str(output), details=True)
    assert output.read_text() == "old"
    scored = n_scored(monkeypatch)
    report = predict(output=str(output), details=True, resume=True)
    assert output.read_bytes() == whole.read_bytes()
    assert not [name for name in names(place) if name.startswith(".")]
    assert (report.n_rows, report.counts) == (expected.n_rows, expected.counts)
    kept = {"rows written": n - 1, "progress half written": n - 1, "progress written": n}
    is_last = moment == "all written"
    assert sum(scored) == 0 if is_last else 0 < sum(scored) <= expected.n_rows - kept[moment]
    assert is_last or (sum(scored) == expected.n_rows) == (kept[moment] == 0)


def test_a_run_killed_again_and_again(place: Path, predict: Predict) -> None:
    output = place / "results.csv"
    for n in (2, 4):
        kill(place, "rows written", n, output=str(output))
    predict(output=str(output), resume=True)
    predict(output=str(place / "whole.csv"))
    assert output.read_bytes() == (place / "whole.csv").read_bytes()


def test_the_command_itself_killed_from_outside(place: Path) -> None:
    with (place / "big.csv").open("w", encoding="utf-8") as file:
        file.write("text\n")
        file.writelines(f'"{row}. {"An essay, of many words. " * 80}"\n' for row in range(5_000))
    argv = [sys.executable, str(ROOT / "model.py"), "predict", "--dataset=big.csv"]
    running = subprocess.Popen([*argv, "--resume"], cwd=place, stderr=subprocess.DEVNULL)
    progress = place / "data" / ".results.csv.progress"
    wait_until(lambda: progress.exists() or running.poll() is not None, pause=0.001)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert not (place / "data" / "results.csv").exists()
    for more in ("--resume", "--output=whole.csv"):
        assert typed(place, *argv[2:], more).returncode == 0
    whole = (place / "whole.csv").read_bytes()
    assert whole.count(b"\n") == 5_001
    assert (place / "data" / "results.csv").read_bytes() == whole


class Interrupted(KeyboardInterrupt):
    pass


@pytest.fixture
def begun(place: Path, predict: Predict, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same place, after a run of `predict --resume` that was interrupted after three batches."""
    real, calls = ContinuedFile.checkpoint, []

    def interrupted(self: ContinuedFile, state: Any) -> None:
        real(self, state)
        calls.append(state)
        if len(calls) == 3:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(ContinuedFile, "checkpoint", interrupted)
        with pytest.raises(Interrupted):
            predict(resume=True)
    return place


LEFT = [".results.csv.part", ".results.csv.progress"]


def test_an_interrupted_run_says_what_is_kept(
    begun: Path, predict: Predict, caplog: pytest.LogCaptureFixture
) -> None:
    assert names(begun / "data") == LEFT
    with caplog.at_level("INFO", logger="ai_detect"):
        predict(resume=True)
    assert "going on after" in caplog.text
    assert names(begun / "data") == ["results.csv"]


def test_without_resume_nothing_is_continued_and_nothing_left(
    begun: Path, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = n_scored(monkeypatch)
    report = predict()
    assert sum(scored) == report.n_rows
    assert names(begun / "data") == [*LEFT, "results.csv"]


def change_model(place: Path) -> None:
    other = My_TextClassifier_Model(model_dir=str(place / "m"), data_dir=str(place / "data"))
    other.train(dataset=str(DATASET), n_bits=10, tracking="none")


def change_dataset(place: Path) -> None:
    with (place / "essays.csv").open("a") as file:
        file.write('x,"One more text."\n')


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"details": True}, None, "the options changed"),
        ({"fpr": 0.05}, None, "the options changed"),
        ({"text_column": "text"}, None, "the options changed"),
        ({"dataset": str(DATASET)}, None, "the dataset changed"),
        ({}, change_dataset, "the dataset changed"),
        ({}, change_model, "the model and the profile changed"),
        ({}, lambda place: (place / "data" / LEFT[0]).write_bytes(b"i"), "shorter than it was"),
        ({}, lambda place: (place / "data" / LEFT[1]).write_bytes(b"{}"), "is damaged"),
    ],
)
def test_another_run_is_refused_and_nothing_is_lost(
    options: dict[str, Any],
    change: Callable[[Path], Any] | None,
    message: str,
    begun: Path,
    predict: Predict,
) -> None:
    if change:
        change(begun)
    before = [(begun / "data" / name).read_bytes() for name in LEFT]
    with pytest.raises(DataError, match=message) as error:
        predict(resume=True, **options)
    assert f"delete {begun / 'data' / LEFT[0]}" in str(error.value)
    assert before == [(begun / "data" / name).read_bytes() for name in LEFT]
    (begun / "data" / LEFT[0]).unlink()
    assert predict(resume=True, **options).n_rows


def test_two_runs_at_once_are_refused(begun: Path, predict: Predict) -> None:
    with (begun / "data" / LEFT[0]).open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="Another run with --resume"):
            predict(resume=True)
    predict(resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "-"}, "standard input and output"),
        ({"output": "-"}, "standard input and output"),
        ({"output": "results.parquet"}, "Parquet file"),
    ],
)
def test_what_cannot_be_continued_is_refused(
    options: dict[str, Any], message: str, predict: Predict
) -> None:
    with pytest.raises(UsageError, match=message):
        predict(resume=True, **options)


def test_a_dataset_that_ends_elsewhere_is_refused(trained: Path, tmp_path: Path) -> None:
    for n_rows in (3, 1000):
        batches = read_batches(str(DATASET), batch_bytes=BATCH_BYTES)
        with pytest.raises(AiDetectError, match="has changed"):
            list(streaming.without_first(batches, n_rows))


def test_a_writer_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def interrupted() -> None:
        with ResultsWriter(path, ["id"], origin={"of": [1]}) as writer:
            assert not writer.state
            writer.write_rows([["a"]])
            writer.checkpoint({"n": 1})
            writer.write_rows([["lost"]])
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    with ResultsWriter(path, ["id"], origin={"of": [1]}) as writer:
        assert writer.state == {"n": 1}
        writer.write_rows([["b"]])
    assert path.read_text() == "id\na\nb\n"
    assert [one.name for one in tmp_path.iterdir()] == ["rows.csv"]
