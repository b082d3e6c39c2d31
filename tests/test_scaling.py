"""The scaling benchmark: files that repeat essays, and what is printed and drawn of made-up figures."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import scaling
from benchmarks.scaling import Point

POINTS = [
    Point("predict", megabytes, threads, (2.0, 1.0, 4.0), 250.0)
    for megabytes, threads in [(1.0, 1), (10.0, 2)]
]


def test_a_large_file_repeats_a_portion_under_one_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "PORTION", 0.001)
    rows = pd.DataFrame({"id": ["a", "b"], "text": ["one, two\nthree" * 30, "four" * 100]})
    path = tmp_path / "essays.csv"
    scaling.write_csv(rows, 0.001, path)
    portion = pd.read_csv(path)
    assert portion["text"].str.len().sum() <= 1_000
    scaling.write_csv(rows, 0.003, path)
    pd.testing.assert_frame_equal(pd.read_csv(path), pd.concat([portion] * 3, ignore_index=True))


def test_figures_are_medians() -> None:
    assert list(scaling.table(POINTS))[1:] == [
        "| predict | 1 | 1 | 0.5 | 3 | 250 |",
        "| predict | 10 | 2 | 5 | 3 | 250 |",
    ]


def test_pictures_are_small(tmp_path: Path) -> None:
    scaling.draw_sizes(POINTS, tmp_path / "size.png")
    scaling.draw_threads(POINTS, tmp_path / "threads.png")
    assert all(1_000 < path.stat().st_size < 60_000 for path in tmp_path.iterdir())
