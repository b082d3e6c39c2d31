"""Throughput and memory of `predict` over the size of a file and over threads, drawn into docs/.

    python -m benchmarks.scaling [--data=../shared/data] [--megabytes=1,10,100,1000,4000] [--repeats=3] [--pipe=0]

Files hold the same real essays again and again. Small ones are run `repeats` times in turn, those of 1 GB and more
once; `pandas.read_csv`, which only reads, is beside them as far as a table fits into half of the free memory. With
`--pipe=10000` a single run of so many megabytes goes through a pipe instead. Prints Markdown and draws
scaling_size.png and scaling_threads.png.
"""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import fire
import pandas as pd
import psutil
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.speed import ROOT, contender, essays, json_lines, measured, take

PORTION = 100.0  # megabytes of essays that a larger file repeats
LARGE = 1000.0  # megabytes from which on one run is enough
PREDICT, READ = "predict", "pandas.read_csv"


@dataclass(frozen=True)
class Point:
    """One way to run on one amount of text: megabytes, seconds of each run, and the highest peak RSS in MB."""

    name: str
    megabytes: float
    threads: int
    seconds: tuple[float, ...]
    rss: float

    @property
    def speed(self) -> float:
        """Megabytes a second, the median."""
        return self.megabytes / median(self.seconds)


def write_csv(rows: pd.DataFrame, megabytes: float, path: Path) -> None:
    """Write a CSV of about so many megabytes, the same portion of essays again and again."""
    table = take(rows, min(megabytes, PORTION))[["id", "text"]]
    table.to_csv(path, index=False)
    body = table.to_csv(index=False, header=False).encode()
    with path.open("ab") as file:
        for _ in range(round(megabytes / PORTION) - 1):
            file.write(body)


def predict(folder: Path, *options: str) -> list[str]:
    """Return the command that scores a dataset, its results thrown away with the folder."""
    command = [sys.executable, str(ROOT / "model.py"), "predict", f"--data_dir={folder / 'data'}"]
    return [*command, *options]


def over_sizes(
    rows: pd.DataFrame, sizes: Sequence[float], repeats: int, folder: Path
) -> Iterator[Point]:
    """Measure `predict` and pandas on files of several sizes, taking turns."""
    threads = len(os.sched_getaffinity(0))
    for size in sizes:
        path = folder / "essays.csv"
        write_csv(rows, size, path)
        commands = {PREDICT: predict(folder, f"--dataset={path}")}
        if 2 * size < psutil.virtual_memory().available / 1e6 / 2:  # a table takes less than twice
            read = "import sys, pandas; pandas.read_csv(sys.argv[1])"
            commands[READ] = [sys.executable, "-c", read, str(path)]
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        if size == sizes[0]:
            for command in commands.values():  # compile, and bring libraries into memory
                measured(command)
        for _ in range(repeats if size < LARGE else 1):
            for name, command in commands.items():
                runs[name].append(measured(command))
        amount = path.stat().st_size / 1e6
        for name, found in runs.items():
            seconds, rss = zip(*found, strict=True)
            yield Point(name, amount, threads if name == PREDICT else 1, seconds, max(rss))


def over_threads(rows: pd.DataFrame, repeats: int, folder: Path) -> list[Point]:
    """Measure scoring in memory on so many cores, and `predict` with so many threads on all of them."""
    most = len(os.sched_getaffinity(0))
    path = folder / "essays.csv"
    write_csv(rows, PORTION, path)
    part = take(rows, 16.0)
    texts = json_lines(part, folder / "texts.jsonl")
    train = json_lines(rows.head(10), folder / "train.jsonl")
    amount = {"in memory": part["text"].str.encode("utf-8").str.len().sum() / 1e6}
    amount[PREDICT] = path.stat().st_size / 1e6
    runs: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        counts = range(1, most + 1)
        ready = {n: stack.enter_context(contender("ai_detect", texts, train, n)) for n in counts}
        for _ in range(repeats):
            for n, run in ready.items():
                command = predict(folder, f"--dataset={path}", f"--n_jobs={n}")
                runs.setdefault(("in memory", n), []).append((run(), 0.0))
                runs.setdefault((PREDICT, n), []).append(measured(command))
    return [
        Point(name, amount[name], n, tuple(s for s, _ in found), max(rss for _, rss in found))
        for (name, n), found in runs.items()
    ]


def through_pipe(rows: pd.DataFrame, megabytes: float, folder: Path) -> Point:
    """Measure one run from standard input to standard output."""
    path, body = folder / "head.csv", folder / "body.csv"
    write_csv(rows, PORTION, path)
    body.write_bytes(path.read_bytes().partition(b"\n")[2])
    times = round(megabytes / PORTION) - 1
    size = path.stat().st_size + times * body.stat().st_size
    command = shlex.join(predict(folder, "--dataset=-", "--output=-", "--format=csv", "--quiet"))
    feed = f"cat {path}; i=0; while [ $i -lt {times} ]; do cat {body}; i=$((i+1)); done"
    seconds, rss = measured(["sh", "-c", f"{{ {feed}; }} | {command}"])
    return Point(f"{PREDICT} in a pipe", size / 1e6, len(os.sched_getaffinity(0)), (seconds,), rss)


def table(points: Sequence[Point]) -> Iterator[str]:
    """Yield the points as Markdown; memory of scoring in memory was not measured."""
    yield "| | MB | threads | MB/s | runs | peak RSS, MB |\n|---|---|---|---|---|---|"
    for one in points:
        rss = f"{one.rss:.0f}" if one.rss else ""
        yield (
            f"| {one.name} | {one.megabytes:.0f} | {one.threads} | {one.speed:.3g} | {len(one.seconds)} | {rss} |"
        )


def draw_sizes(points: Sequence[Point], path: Path) -> None:
    """Draw throughput and memory over size."""
    figure = Figure(figsize=(8, 3.2), dpi=90, layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in dict.fromkeys(one.name for one in points):
        those = [one for one in points if one.name == name]
        sizes = [one.megabytes for one in those]
        left.plot(sizes, [one.speed for one in those], marker="o", label=name)
        right.plot(sizes, [one.rss for one in those], marker="o", label=name)
    left.set(xscale="log", xlabel="MB of CSV", ylabel="MB a second", ylim=(0, None))
    right.set(xscale="log", yscale="log", xlabel="MB of CSV", ylabel="peak RSS, MB")
    _save(figure, left, path)


def draw_threads(points: Sequence[Point], path: Path) -> None:
    """Draw throughput over threads, with the line of as much again for each."""
    figure = Figure(figsize=(4.2, 3.2), dpi=90, layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(one.name for one in points):
        those = [one for one in points if one.name == name]
        threads = [one.threads for one in those]
        (line,) = axes.plot(threads, [one.speed for one in those], marker="o", label=name)
        ideal = [n * those[0].speed for n in threads]
        axes.plot(threads, ideal, color=line.get_color(), linewidth=0.8, linestyle="--")
    axes.set(xlabel="threads", ylabel="MB a second", ylim=(0, None))
    axes.set_xticks(sorted({one.threads for one in points}))
    _save(figure, axes, path)


def _save(figure: Figure, axes: Any, path: Path) -> None:
    axes.legend()
    for one in figure.axes:
        for axis in (one.xaxis, one.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    figure.savefig(path, metadata={"Software": None})


def main(
    *,
    data: str = "../shared/data",
    megabytes: tuple[float, ...] = (1, 10, 100, 1000, 4000),
    repeats: int = 3,
    pipe: float = 0,
    docs: str = "docs",
) -> None:
    """Measure, print and draw.

    Args:
        data: folder of the corpora; the sample that comes along is used where it is missing.
        megabytes: sizes of the files.
        repeats: runs of files below 1 GB, and of each number of threads.
        pipe: megabytes to send through a pipe, once, instead of all else.
        docs: folder of the pictures.
    """
    rows = essays(Path(data))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if pipe:
            print("\n".join(table([through_pipe(rows, pipe, folder)])))
            return
        threads = over_threads(rows, repeats, folder)
        sizes = list(over_sizes(rows, megabytes, repeats, folder))
    print("\n".join(table([*threads, *sizes])))
    draw_threads(threads, Path(docs) / "scaling_threads.png")
    draw_sizes(sizes, Path(docs) / "scaling_size.png")


if __name__ == "__main__":
    fire.Fire(main)
