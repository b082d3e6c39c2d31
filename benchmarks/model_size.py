"""Size, accuracy and speed of the model that ships, its numbers kept in fewer bits or fewer of them kept.

    python -m benchmarks.model_size [--data=../shared/data]

Accuracy is measured on dev/ only, since sizes are a choice. Retrained rows go through the recipe of
scripts/make_model.py with other settings. Prints Markdown.
"""

import io
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import fire
import numpy as np

from ai_detect import __version__, artifacts, kernels, metrics
from ai_detect.predictor import Predictor
from ai_detect.scorer import LinearScorer, available_cores
from ai_detect.text import PackedTexts
from ai_detect.training import run
from benchmarks.accuracy import read_texts
from scripts.make_model import CONFIG, plan, quantised
from scripts.make_model import read as read_training

FPR = 0.01
RETRAINED = {
    "2^20 buckets, min_df 20": replace(CONFIG, n_bits=20),
    "2^18 buckets, min_df 20": replace(CONFIG, n_bits=18),
    "2^22 buckets, min_df 100": replace(CONFIG, min_df=100),
}


def variants(scorer: LinearScorer) -> Iterator[tuple[str, LinearScorer]]:
    """Yield the shipped weights in other precisions, and with the least of them left out."""
    yield "as shipped: 16-bit floats", scorer
    coefficients = scorer.weights[:, 1:]
    scale = np.abs(coefficients).max() / 127
    coarse = np.column_stack((scorer.weights[:, :1], np.round(coefficients / scale) * scale))
    yield "8-bit coefficients", replace(scorer, weights=coarse.astype(np.float32))
    matters = np.abs(scorer.weights[:, 0] * coefficients[:, 0])
    for share in (0.5, 0.8):
        keep = matters >= np.quantile(matters, share)
        zeroed = np.where(keep[:, None], coefficients, 0.0)
        weights = np.column_stack((scorer.weights[:, :1], zeroed)).astype(np.float32)
        yield f"the {share:.0%} least coefficients at zero", replace(scorer, weights=weights)
        fewer = replace(scorer, buckets=scorer.buckets[keep], weights=scorer.weights[keep])
        yield f"the {share:.0%} least buckets left out", fewer


def n_bytes(scorer: LinearScorer) -> int:
    """Return the size of a compressed file of a scorer's numbers, in the fewest bits that hold them."""
    idf, coef = scorer.weights[:, 0], scorer.weights[:, 1:]
    levels = np.unique(coef)
    small = np.searchsorted(levels, coef).astype(np.uint8) if len(levels) < 256 else coef
    kept = [scorer.buckets.astype(np.uint32), idf.astype(np.float16), small]
    file = io.BytesIO()
    np.savez_compressed(file, *(a.astype(np.float16) if a.dtype == np.float32 else a for a in kept))
    return len(file.getvalue())


def speed(scorer: LinearScorer, texts: PackedTexts) -> float:
    """Return megabytes a second of one core's time, the median of five passes."""
    seconds = []
    for _ in range(6):
        start = time.thread_time()
        scorer.decision_function(texts)
        seconds.append(time.thread_time() - start)
    return texts.n_bytes / 1e6 / median(seconds[1:])


def main(data: str = "../shared/data", retrain: bool = True) -> None:
    """Print the table, one line as soon as each row is done."""
    rows = read_texts(Path(data))
    rows = rows[rows["part"] == "dev"]
    texts = PackedTexts.pack(rows["text"])
    llm = (rows["generated"] == 1).to_numpy()
    kernels.statistics(texts)  # compiles, and no single text is scored without the kernels
    shipped = Predictor.from_files(artifacts.load(artifacts.SHIPPED))
    reference = shipped.predict(texts).probability[:, 1]
    print("| model | buckets | MB | AUROC | humans, LLM texts called llm | largest change | MB/s |")
    print("|---|---|---|---|---|---|---|")
    for name, predictor in models(shipped, Path(data), retrain=retrain):
        found = predictor.predict(texts)
        scorer = predictor.scorer
        assert isinstance(scorer, LinearScorer)
        called = found.p_value <= FPR
        auroc = metrics.roc_auc(llm.astype(int), found.scores[:, 0])
        change = np.abs(found.probability[:, 1] - reference).max()
        print(
            f"| {name} | {len(scorer.buckets):,} | {n_bytes(scorer) / 1e6:.2f} | {auroc:.4f} |"
            f" {called[~llm].mean():.1%}, {called[llm].mean():.1%} | {change:.3f} |"
            f" {speed(scorer, texts):.0f} |",
            flush=True,
        )


def models(shipped: Predictor, data: Path, *, retrain: bool) -> Iterator[tuple[str, Predictor]]:
    """Yield the variants of the shipped model, then those trained anew."""
    assert isinstance(shipped.scorer, LinearScorer)
    for name, scorer in variants(shipped.scorer):
        yield name, replace(shipped, scorer=scorer)
    if not retrain:
        return
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    corpus, table = read_training(data / "train")
    for name, config in RETRAINED.items():
        trained = quantised(
            run(
                corpus,
                config,
                dataset="train",
                package_version=__version__,
                plan=plan(table),
                n_jobs=available_cores(),
            )
        )
        manifest = trained.manifest | {"files": {"weights": {"sha256": ""}}}
        yield name, Predictor.from_files(artifacts.ModelFiles(manifest, trained.arrays))


if __name__ == "__main__":
    fire.Fire(main)
