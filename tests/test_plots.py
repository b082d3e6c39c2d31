"""The pictures are there, and are pictures, whatever was evaluated."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from ai_detect import plots
from ai_detect.errors import DataError
from ai_detect.evaluation import Evaluation, evaluate

BINARY = ("roc", "calibration", "scores")


def evaluation(classes: tuple[str, ...], y: list[int], *, spread: float = 1.0) -> Evaluation:
    n_outputs = 1 if len(classes) == 2 else len(classes)
    scores = spread * np.random.default_rng(0).normal(size=(len(y), n_outputs))
    return evaluate(scores, np.array(y), ["g"] * len(y), classes, np.empty(0))


@pytest.mark.parametrize(
    ("classes", "y", "spread", "names"),
    [
        (("human", "llm"), [0, 1] * 20, 1.0, BINARY),
        (("human", "llm"), [0] * 20, 1.0, BINARY),
        (("human", "llm"), [1], 1.0, BINARY),
        (("human", "llm"), [0, 1] * 5, 0.0, BINARY),
        (("human", "llm"), [0, 1] * 5, 1e6, BINARY),
        (("costs $5", "$x^{$"), [0, 1] * 5, 1.0, BINARY),
        (("a", "b", "c"), [0, 1, 2, 0], 1.0, ("confusion",)),
        (("a", "b", "c"), [0, 0], 1.0, ("confusion",)),
        (("$_{", "b" * 500, "c"), [0, 1, 2], 1.0, ("confusion",)),
        (tuple(f"intent {i}" for i in range(77)), list(range(77)), 1.0, ("confusion",)),
    ],
    ids=[
        "two", "one class", "one text", "one score", "wide", "dollars", "three", "one of three",
        "odd names", "many",
    ],
)  # fmt: skip
def test_plots_are_drawn(
    tmp_path: Path, classes: tuple[str, ...], y: list[int], spread: float, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "new" / "reports"
    paths = plots.draw(evaluation(classes, y, spread=spread), folder)
    assert paths == tuple(folder / f"{name}.png" for name in names)
    assert sorted(folder.iterdir()) == sorted(paths)
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", content[16:24]) == (600, 480)


def test_plots_replace_those_before(tmp_path: Path) -> None:
    (tmp_path / "roc.png").write_bytes(b"old")
    plots.draw(evaluation(("human", "llm"), [0, 1]), tmp_path)
    assert (tmp_path / "roc.png").stat().st_size > 1000


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(DataError, match=r"plots cannot be written to .*reports"):
        plots.draw(evaluation(("human", "llm"), [0, 1]), tmp_path / "reports")


def test_a_picture_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calibration.png").mkdir()
    with pytest.raises(DataError, match=rf"plots cannot be written .*{os.strerror(21)}"):
        plots.draw(evaluation(("human", "llm"), [0, 1]), tmp_path)
