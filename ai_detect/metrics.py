"""Labels and scores in, numbers out: no model, no files.

y is 0 (human) or 1 (LLM) and scores grow with the evidence for 1, unless said otherwise. Undefined figures, such as the
ROC AUC of one class, are NaN.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_BOOTSTRAP_DRAWS = 200


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def roc_auc(y: Int64Array, scores: Float64Array, weights: Float64Array | None = None) -> float:
    """Area under the ROC curve: the chance that an LLM text outscores a human one, ties counting half.

    Args:
        y: (n,) of 0 and 1.
        scores: float64 (n,).
        weights: float64 (n,) of each text; all 1 if None.
    """
    weights = np.ones(len(y)) if weights is None else weights
    order = np.argsort(scores, kind="stable")
    llm: Float64Array = np.where(y == 1, weights, 0.0)
    human: Float64Array = np.where(y == 0, weights, 0.0)
    return _sorted_auc(scores[order], llm[order], human[order])


def _sorted_auc(scores: Float64Array, llm: Float64Array, human: Float64Array) -> float:
    """ROC AUC from ascending scores and the weight each carries for either class."""
    total = llm.sum() * human.sum()
    if total == 0:
        return float("nan")
    first_of_tie = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
    llm = np.add.reduceat(llm, first_of_tie)
    human = np.add.reduceat(human, first_of_tie)
    return float(np.sum(llm * (np.cumsum(human) - 0.5 * human)) / total)


def roc_auc_interval(y: Int64Array, scores: Float64Array, *, seed: int = 0) -> Interval:
    """ROC AUC with its 95 % bootstrap percentile interval, each class resampled by itself."""
    order = np.argsort(scores, kind="stable")
    scores, y = scores[order], y[order]
    value = _sorted_auc(scores, y.astype(np.float64), (1 - y).astype(np.float64))
    if np.isnan(value):
        return Interval(value, value, value)
    rng = np.random.default_rng(seed)
    draws = np.empty(_BOOTSTRAP_DRAWS)
    for i in range(_BOOTSTRAP_DRAWS):
        llm, human = np.zeros(len(y)), np.zeros(len(y))
        for weights, rows in ((llm, np.flatnonzero(y == 1)), (human, np.flatnonzero(y == 0))):
            weights[rows] = np.bincount(rng.integers(0, len(rows), len(rows)), minlength=len(rows))
        draws[i] = _sorted_auc(scores, llm, human)
    low, high = np.percentile(draws, (2.5, 97.5))
    return Interval(value, float(low), float(high))


def roc_curve(y: Int64Array, scores: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return FPR and TPR at every distinct threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(y) - 1)
    tpr = np.cumsum(y[order])[last_of_tie] / max(1, y.sum())
    fpr = np.cumsum(1 - y[order])[last_of_tie] / max(1, (1 - y).sum())
    return np.append(0.0, fpr), np.append(0.0, tpr)


def tpr_at_fpr(y: Int64Array, scores: Float64Array, fpr: float) -> float:
    """Share of LLM texts scoring above the lowest threshold at which at most `fpr` of the human texts do."""
    if not 0 < y.sum() < len(y):
        return float("nan")
    fprs, tprs = roc_curve(y, scores)
    return float(tprs[fprs <= fpr + 1e-12].max())


def share_interval(count: int, n: int) -> Interval:
    """Share of `count` among `n` with its exact 95 % interval (Clopper & Pearson 1934); NaN for n = 0."""
    from scipy.special import betaincinv

    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    low = float(betaincinv(count, n - count + 1, 0.025)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0
    return Interval(count / n, low, high)


def brier_score(y: Int64Array, probability: Float64Array) -> float:
    """Mean squared distance of the probability of class 1 from the truth."""
    return float(np.mean((probability - y) ** 2))


def expected_calibration_error(y: Int64Array, probability: Float64Array, n_bins: int = 15) -> float:
    """Mean distance of probability and observed share over equal-width bins, weighted by count (Naeini et al. 2015)."""
    bins = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    gaps = np.bincount(bins, weights=probability - y, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(y))


def confusion(y: Int64Array, predicted: Int64Array, n_classes: int) -> Int64Array:
    """Return counts (n_classes, n_classes), true class by row, predicted class by column."""
    counts = np.bincount(y * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def accuracy(matrix: Int64Array) -> float:
    """Share of correct predictions in a confusion matrix."""
    return float(np.trace(matrix) / max(1, matrix.sum()))


def f1_scores(matrix: Int64Array) -> Float64Array:
    """F1 of each class in a confusion matrix, 0 where a class is neither present nor predicted."""
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    result: Float64Array = np.where(both > 0, 2 * np.diag(matrix) / np.maximum(both, 1), 0.0)
    return result
