"""Speed and size of this package beside scikit-learn, fastText and others: same texts, same run, taking turns.

    python -m benchmarks.speed [--data=../shared/data] [--sections=scoring,files,start]

Every figure is the median of `repeats` interleaved runs, with the lowest and the highest; a ratio is between medians of
one run. The essays are real; files larger than the corpora hold them again and again. Prints Markdown.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import fire
import pandas as pd

from benchmarks.contenders import CONTENDERS
from benchmarks.peers import ENVIRONMENT, SHIM

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample" / "train.csv"
CORPORA = ("outfox_valid", "persuade_fp21", "kaggle_daigt_pieces", "ielts_human", "argugpt")
# Most megabytes that each contender is given a pass: a slow one would take minutes for the others' share.
MEGABYTES = {"ZipPy": 0.1, "is-it-slop": 1.0, "TF-IDF + LR": 4.0, "HashingVectorizer + LR": 4.0}
_LAUNCHER = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
said = process.stderr.read()[-500:]
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - begun, usage.ru_maxrss, status, said]))
"""
FOREIGN = {"fastText", "Vowpal Wabbit", "is-it-slop", "ZipPy"}


@dataclass(frozen=True)
class Spread:
    """Seconds of repeated runs."""

    runs: tuple[float, ...]

    def rate(self, amount: float) -> str:
        """Show an amount a second: median, lowest and highest."""
        rates = sorted(amount / seconds for seconds in self.runs)
        return f"{_short(median(rates))} ({_short(rates[0])}-{_short(rates[-1])})"

    def seconds(self) -> str:
        """Show seconds: median, lowest and highest."""
        runs = sorted(self.runs)
        return f"{_short(median(runs))} ({_short(runs[0])}-{_short(runs[-1])})"


def essays(data: Path) -> pd.DataFrame:
    """Read real essays: those of the training corpora where there are any, else the sample that comes along."""
    files = [data / "train" / f"{name}.parquet" for name in CORPORA]
    if not all(file.exists() for file in files):
        return pd.read_csv(SAMPLE)
    frames = [pd.read_parquet(file, columns=["id", "text", "generated"]) for file in files]
    return pd.concat(frames).sample(frac=1, random_state=0).reset_index(drop=True)


def take(rows: pd.DataFrame, megabytes: float) -> pd.DataFrame:
    """Return rows of about so many megabytes of text, from the start again when they run out."""
    sizes = rows["text"].str.encode("utf-8").str.len()
    times = int(megabytes * 1e6 // sizes.sum()) + 1
    many = pd.concat([rows] * times, ignore_index=True)
    return many[pd.concat([sizes] * times, ignore_index=True).cumsum() <= megabytes * 1e6]


@contextmanager
def contender(name: str, texts: Path, train: Path, cores: int) -> Iterator[Callable[[], float]]:
    """Start a contender on so many cores; yields what times one pass, with the line it came up with in `.about`."""
    environment = ROOT / ENVIRONMENT
    python = environment / "bin" / "python" if name in FOREIGN else Path(sys.executable)
    env = os.environ | {"OMP_NUM_THREADS": str(cores), "PYTHONPATH": str(ROOT)}
    if name == "is-it-slop" and (environment / SHIM).exists():
        env["LD_PRELOAD"] = str((environment / SHIM).resolve())
    pinned = ["taskset", "--cpu-list", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))]
    process = subprocess.Popen(
        [*pinned, python, ROOT / "benchmarks" / "contenders.py", name, texts, train],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def run() -> float:
        stdin.write("\n")
        stdin.flush()
        return float(stdout.readline())

    run.about = json.loads(stdout.readline())  # type: ignore[attr-defined]
    yield run
    stdin.close()
    process.wait()


def scoring(rows: pd.DataFrame, repeats: int) -> Iterator[str]:
    """Texts in memory to scores."""
    available = [n for n in CONTENDERS if n not in FOREIGN or (ROOT / ENVIRONMENT).exists()]
    plans = [(name, 1) for name in available]
    if len(os.sched_getaffinity(0)) > 1:
        plans.insert(1, ("ai_detect", 2))
    found: dict[tuple[str, int], list[float]] = {plan: [] for plan in plans}
    amounts, about = {}, {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        train = json_lines(rows.head(2000), Path(folder) / "train.jsonl")
        running = {}
        for name, cores in plans:
            part = take(rows, MEGABYTES.get(name, 16.0))
            texts = json_lines(part, Path(folder) / f"{name}.jsonl")
            amounts[name] = part["text"].str.encode("utf-8").str.len().sum() / 1e6, len(part)
            running[name, cores] = stack.enter_context(contender(name, texts, train, cores))
            about[name] = running[name, cores].about  # type: ignore[attr-defined]
        for _ in range(repeats):
            for plan in plans:
                found[plan].append(running[plan]())
    ours = median(amounts["ai_detect"][0] / s for s in found["ai_detect", 1])
    yield "| scoring in memory | cores | MB/s | texts/s | ai_detect on one core is | model, MB |"
    yield "|---|---|---|---|---|---|"
    for (name, cores), seconds in found.items():
        megabytes, n = amounts[name]
        spread = Spread(tuple(seconds))
        ratio = ours / median(megabytes / s for s in seconds)
        size = about[name]["model_bytes"] / 1e6
        yield (
            f"| {name} | {cores} | {spread.rate(megabytes)} | {spread.rate(n)} | {_short(ratio)} x |"
            f" {_short(size)} |"
        )


def files(rows: pd.DataFrame, repeats: int, megabytes: float) -> Iterator[str]:
    """`predict` of whole files beside reading them with pandas, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        csv, parquet = Path(folder) / "essays.csv", Path(folder) / "essays.parquet"
        table = take(rows, megabytes)[["id", "text"]]
        table.to_csv(csv, index=False)
        table.to_parquet(parquet, index=False, row_group_size=20_000)
        del table
        read = "import sys, pandas; pandas.read_{}(sys.argv[1])"
        predict = [sys.executable, ROOT / "model.py", "predict", f"--data_dir={folder}/data"]
        commands: dict[str, list[object]] = {
            "pandas.read_csv": [sys.executable, "-c", read.format("csv"), csv],
            "predict CSV": [*predict, f"--dataset={csv}"],
            "predict CSV, one thread": [*predict, f"--dataset={csv}", "--n_jobs=1"],
            "pandas.read_parquet": [sys.executable, "-c", read.format("parquet"), parquet],
            "predict Parquet": [*predict, f"--dataset={parquet}"],
        }
        runs = timed(commands, repeats)
        size = csv.stat().st_size / 1e6
    reading = median(s for s, _ in runs["pandas.read_csv"])
    yield f"| {size:.0f} MB of CSV | seconds | MB/s | times pandas.read_csv | peak RSS, MB |"
    yield "|---|---|---|---|---|"
    for name, found in runs.items():
        spread = Spread(tuple(s for s, _ in found))
        yield (
            f"| {name} | {spread.seconds()} | {spread.rate(size)} |"
            f" {_short(median(spread.runs) / reading)} | {max(rss for _, rss in found):.0f} |"
        )


def start(rows: pd.DataFrame, repeats: int) -> Iterator[str]:
    """One essay through the command, and what of that is the interpreter and imports."""
    text = next(text for text in rows["text"] if 1500 < len(text) < 2500)
    with tempfile.TemporaryDirectory() as folder:
        predict = [sys.executable, ROOT / "model.py", "predict", f"--data_dir={folder}"]
        commands: dict[str, list[object]] = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import of all that predict needs": [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {str(ROOT)!r}); import ai_detect.cli, ai_detect.model",
            ],
            "predict --text": [*predict, f"--text={text}"],
            "import scikit-learn's pipeline": [
                sys.executable,
                "-c",
                "import sklearn.linear_model, sklearn.feature_extraction.text, sklearn.pipeline",
            ],
        }
        runs = timed(commands, max(repeats, 7))
    yield "| process | seconds | peak RSS, MB |\n|---|---|---|"
    for name, found in runs.items():
        spread = Spread(tuple(s for s, _ in found))
        yield f"| {name} | {spread.seconds()} | {max(rss for _, rss in found):.0f} |"


def timed(commands: dict[str, list[object]], repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Run each command in turn, again and again; return seconds and peak RSS in MB, a warming run left out."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            found = measured(command)
            if turn:
                runs[name].append(found)
    return runs


def measured(command: Sequence[object]) -> tuple[float, float]:
    """Run a command from a small process: the peak of a child counts what its parent held when it was forked."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, kilobytes, status, said = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{command[:3]} failed: {said}")
    return seconds, kilobytes / 1024


def json_lines(rows: pd.DataFrame, path: Path) -> Path:
    """Write essays and labels as JSON lines, for a contender."""
    with path.open("w", encoding="utf-8") as file:
        for text, label in zip(rows["text"], rows["generated"], strict=True):
            file.write(json.dumps({"text": text, "generated": int(label in (1, "llm"))}) + "\n")
    return path


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(
    *,
    data: str = "../shared/data",
    sections: str = "scoring,files,start",
    repeats: int = 5,
    megabytes: float = 1000.0,
    machine: str = "",
) -> None:
    """Print the tables, each as soon as it is measured.

    Args:
        data: folder of the corpora; the sample that comes along is used where it is missing.
        sections: which tables.
        repeats: timed runs of each.
        megabytes: size of the file that predict is timed on.
        machine: what to call this machine.
    """
    rows = essays(Path(data))
    free = shutil.disk_usage(tempfile.gettempdir()).free / 1e6
    megabytes = min(megabytes, free / 4)
    named = machine or f"{os.cpu_count()} cores, {platform.machine()}"
    print(f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}, {named}.\n")
    tables: dict[str, Callable[[], Iterator[str]]] = {
        "scoring": lambda: scoring(rows, repeats),
        "files": lambda: files(rows, repeats, megabytes),
        "start": lambda: start(rows, repeats),
    }
    chosen = sections if isinstance(sections, tuple | list) else str(sections).split(",")
    for name in chosen:
        for line in tables[name]():
            print(line)
        print(flush=True)


if __name__ == "__main__":
    fire.Fire(main)
