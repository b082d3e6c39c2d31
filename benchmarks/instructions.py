"""Instructions per byte of text, by valgrind's callgrind: a figure that other jobs on the machine do not move.

    python -m benchmarks.instructions [--data=../shared/data]

Each way of scoring runs under callgrind on a small and on a larger set of the same essays; the difference is what the
texts cost, without start, imports and model. Numba compiles for a generic CPU here, as valgrind knows no newer
instructions. Prints Markdown.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import fire

from benchmarks.speed import ROOT, essays, json_lines, take

# Megabytes of the small and of the larger set.
SIZES = {"ai_detect": (0.5, 2.5), "TF-IDF + LR": (0.05, 0.25)}


def count(name: str, texts: Path, train: Path) -> int:
    """Return the instructions of one process that builds a contender and scores the texts once."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    code = "from benchmarks import contenders as c; c.main({!r}, {!r}, {!r})"
    env = os.environ | {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CACHE_DIR": str(train.parent / "cache"),
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_CORETYPE": "Nehalem",
        "PYTHONHASHSEED": "0",
    }
    call = code.format(name, str(texts), str(train))
    subprocess.run(
        [sys.executable, "-c", call],  # compiles
        env=env,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    done = subprocess.run(
        [*command, "-c", call],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise RuntimeError(f"callgrind said nothing of instructions: {done.stderr[-500:]}")
    return int(found[1])


def main(data: str = "../shared/data") -> None:
    """Print the table."""
    rows = essays(Path(data))
    print("| scoring in memory | instructions per byte |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        train = json_lines(rows.head(100), Path(folder) / "train.jsonl")
        for name, sizes in SIZES.items():
            counts, n_bytes = [], []
            for megabytes in sizes:
                part = take(rows, megabytes)
                texts = json_lines(part, Path(folder) / "texts.jsonl")
                n_bytes.append(int(part["text"].str.encode("utf-8").str.len().sum()))
                counts.append(count(name, texts, train))
            # Each set is scored once to warm up; reading it as JSON is in there too, some 5 instructions a byte.
            per_byte = (counts[1] - counts[0]) / (n_bytes[1] - n_bytes[0])
            print(f"| {name} | {per_byte:,.0f} |", flush=True)


if __name__ == "__main__":
    fire.Fire(main)
