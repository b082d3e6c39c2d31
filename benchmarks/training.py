"""`train` end to end beside the same recipe in plain scikit-learn, each in a process of its own.

    python -m benchmarks.training [--data=../shared/data] [--share=1.0] [--repeats=1] [--jobs=1,2]

Both read Parquet, make TF-IDF of words, word pairs and triples with the same least number of texts, weigh its columns
by naive Bayes, fit logistic regression and the SGD classifier to all texts and to all but each of the same five
folds, scale the members by their scores out of fold, calibrate, and write the model. scikit-learn is spared what
`train` does beyond that: it is given texts without copies, and their folds; it makes no p-values, intervals,
reference of drift or plots. Its columns are n-grams, ours are buckets. Its logistic regression stops at the tolerance
of 6e-4 that left no fold unfitted, some way before the minimum that ours is at.

Runs take turns. `share` is the part of the corpora that is trained on; without corpora it is the sample. Figures are
wall-clock seconds, seconds of processor time, and peak resident memory of the process.
"""

import json
import os
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import fire
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample" / "train.csv"
# Started by a small process: the peak of a child counts what its parent held when it was forked.
_LAUNCHER = """
import json, os, subprocess, sys, time
begun = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
said, failed = process.communicate()
usage = __import__("resource").getrusage(__import__("resource").RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024,
                  process.returncode, said, failed[-500:]]))
"""


@dataclass(frozen=True)
class Run:
    """One training: wall-clock and processor seconds, peak RSS in MB, ROC AUC out of fold."""

    seconds: float
    processor: float
    megabytes: float
    auc: float


def scikit_learn(table: str, model: str, jobs: int, settings: str) -> str:
    """Train by scikit-learn alone on a table of text, y and fold; returns the ROC AUC out of fold."""
    from joblib import Parallel, delayed
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.naive_bayes import MultinomialNB

    config = json.loads(settings)
    rows = pd.read_parquet(table)
    y, folds = rows["y"].to_numpy(), rows["fold"].to_numpy()
    vectorizer = TfidfVectorizer(
        ngram_range=tuple(config["word_ngrams"]),
        min_df=config["min_df"],
        lowercase=config["lowercase"],
        token_pattern=r"\w+|[^\w\s]",
        sublinear_tf=True,
        dtype=np.float32,
    )
    X = vectorizer.fit_transform(rows["text"])
    members = {
        "logistic": lambda: LogisticRegression(C=config["C"], tol=6e-4, max_iter=300),
        "sgd": lambda: SGDClassifier(
            loss="modified_huber", alpha=config["alpha"], random_state=config["seed"]
        ),
        "bayes": lambda: MultinomialNB(alpha=1.0, fit_prior=False),
    }

    def fit(name: str, fold: int) -> Any:
        seen = folds != fold
        part, classes = X[seen] if fold >= 0 else X, y[seen]
        weight = (0.5 * len(classes) / np.bincount(classes))[classes]
        member = members[name]().fit(part, classes, sample_weight=weight)
        if fold < 0:
            return member
        if name != "bayes":
            return member.decision_function(X[~seen])
        return np.diff(member.predict_joint_log_proba(X[~seen]), axis=1)[:, 0]

    jobs_to_do = [(name, fold) for fold in (-1, *np.unique(folds)) for name in members]
    done = Parallel(n_jobs=jobs, prefer="threads")(delayed(fit)(*job) for job in jobs_to_do)
    found = dict(zip(jobs_to_do, done, strict=True))
    total = np.zeros(len(y))
    for name in members:
        scores = np.zeros(len(y))
        for fold in np.unique(folds):
            scores[folds == fold] = found[name, fold]
        total += scores / scores.std()
    calibration = LogisticRegression(C=1e6, class_weight="balanced").fit(total[:, None], y)
    with Path(model).open("wb") as file:
        pickle.dump((vectorizer, {n: found[n, -1] for n in members}, calibration), file)
    return f"ROC AUC {roc_auc_score(y, total):.4f}"


def prepare(data: Path, share: float, folder: Path) -> tuple[Path, Path, int, float]:
    """Write the corpora to train on, and the table for scikit-learn; return both, texts and their megabytes."""
    from ai_detect import ensemble
    from ai_detect.config import TrainConfig
    from ai_detect.data import read_corpus
    from ai_detect.labels import encode_labels

    dataset, corpora = folder / "corpora", sorted((data / "train").glob("*.parquet"))
    dataset.mkdir()
    for path in corpora:
        rows = pd.read_parquet(path)
        rows.sample(frac=share, random_state=0).sort_index().to_parquet(dataset / path.name)
    if not corpora:
        pd.read_csv(SAMPLE).to_parquet(dataset / "sample.parquet")
    corpus, config = read_corpus(str(dataset)), TrainConfig()
    _, y = encode_labels(corpus.labels)
    folds = ensemble.assign_folds(y, corpus.groups, config.n_folds, config.seed)
    table = folder / "table.parquet"
    texts = [corpus.texts[row] for row in range(len(y))]
    pd.DataFrame({"text": texts, "y": y, "fold": folds}).to_parquet(table)
    return dataset, table, len(y), corpus.texts.n_bytes / 1e6


def measured(command: Sequence[object]) -> Run:
    """Run a command that prints a ROC AUC."""
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *map(str, command)]
    done = subprocess.run(launcher, check=True, capture_output=True, text=True, cwd=ROOT)
    seconds, processor, megabytes, status, said, failed = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{command[1:4]} failed: {failed}")
    auc = re.search(r"ROC AUC ([\d.]+)", said)
    assert auc, said
    return Run(seconds, processor, megabytes, float(auc[1]))


def table(runs: dict[str, list[Run]]) -> Iterator[str]:
    """Lines of Markdown: medians, with the lowest and the highest where there are more than one."""
    yield "| training | seconds | processor seconds | peak RSS, MB | ROC AUC out of fold | times train |"
    yield "|---|---|---|---|---|---|"
    ours = median(run.seconds for run in next(iter(runs.values())))
    for name, all_runs in runs.items():
        cells = [
            _spread([run.seconds for run in all_runs]),
            _spread([run.processor for run in all_runs]),
            f"{max(run.megabytes for run in all_runs):,.0f}",
            f"{all_runs[0].auc:.4f}",
            f"{median(run.seconds for run in all_runs) / ours:.1f}",
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    shown = f"{median(values):,.1f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):,.1f}-{max(values):,.1f})"


def main(
    *,
    data: str = "../shared/data",
    share: float = 1.0,
    repeats: int = 1,
    jobs: int | tuple[int, ...] = 2,
) -> None:
    """Print the table.

    Args:
        data: folder of the corpora.
        share: of the texts of each corpus.
        repeats: runs of each, in turn.
        jobs: threads, or several numbers of them.
    """
    from ai_detect.config import TrainConfig

    settings = TrainConfig().resolved(detection=True, median_words=np.inf).to_dict()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        dataset, rows, n_texts, megabytes = prepare(Path(data), share, folder)
        train = [sys.executable, "model.py", "train", f"--dataset={dataset}", "--tracking=none"]
        places = [f"--model_dir={folder}/model", f"--data_dir={folder}/data"]
        plain = [sys.executable, "-m", "benchmarks.training", "scikit_learn", rows, folder / "pkl"]
        commands: dict[str, list[object]] = {}
        for n in jobs if isinstance(jobs, tuple | list) else (jobs,):
            threads = f"{n} thread{'s' if n > 1 else ''}"
            commands[f"train, {threads}"] = [*train, *places, f"--n_jobs={n}"]
            commands[f"scikit-learn, {threads}"] = [*plain, n, json.dumps(settings)]
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(repeats):
            for name, command in commands.items():
                runs[name].append(measured(command))
                print(f"{name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    print(
        f"{n_texts:,} texts, {megabytes:.0f} MB. Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}, "
        f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[1]:.1f}.\n"
    )
    print("\n".join(table(runs)))


if __name__ == "__main__":
    # scikit-learn's process is given its arguments as they are: Fire would read numbers and brackets in them.
    if sys.argv[1:2] == ["scikit_learn"]:
        print(scikit_learn(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
    else:
        fire.Fire(main)
