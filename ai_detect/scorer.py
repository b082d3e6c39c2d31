"""A trained model as numbers: texts in, class scores out. All that prediction needs.

LogisticRegression and SGDClassifier are both linear in the TF-IDF space, and so are their blend and its calibration:
whatever was trained, one coefficient per bucket and class is left (one column for two classes).
"""

import os
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ai_detect import kernels
from ai_detect.heuristic import HeuristicFeatures
from ai_detect.text import PackedTexts

Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Arrays = dict[str, npt.NDArray[Any]]


class Scorer(Protocol):
    """Anything that scores texts; n_outputs is 1 for two classes (the log-odds of the second), else their number."""

    def decision_function(self, texts: PackedTexts) -> tuple[Float64Array, Int32Array]:
        """Return the scores, float64 (n, n_outputs), and the statistics of each text (`kernels.STATISTICS`)."""

    def to_arrays(self) -> Arrays:
        """Return what has to be kept, as the arrays of a model file."""


@dataclass(frozen=True)
class LinearScorer:
    """score(text) = TF-IDF(text) @ coefficients + intercept.

    spec: the n-grams; rows: int32 (n_features,) bucket -> row of `weights` or -1, empty if all buckets are in use;
    weights: float32 (n_rows, 1 + n_outputs), idf and coefficients; intercept: float64 (n_outputs,).
    """

    spec: kernels.NgramSpec
    rows: Int32Array
    weights: npt.NDArray[np.float32]
    intercept: Float64Array

    def decision_function(self, texts: PackedTexts) -> tuple[Float64Array, Int32Array]:
        """Return the scores and statistics of each text, in one pass over its bytes."""
        scores, statistics = kernels.score(texts, self.spec, self.rows, self.weights)
        return scores + self.intercept, statistics

    def to_arrays(self) -> Arrays:
        """Return the arrays of a model file: only buckets in use, as sorted bucket numbers and their weights."""
        used = np.flatnonzero(self.rows >= 0) if len(self.rows) else np.arange(len(self.weights))
        return {
            "buckets": used.astype(np.uint32),
            "idf": self.weights[:, 0],
            "coef": self.weights[:, 1:],
            "intercept": self.intercept,
        }

    @classmethod
    def from_arrays(cls, spec: kernels.NgramSpec, arrays: Arrays) -> Self:
        """Rebuild the scorer of a model file.

        Raises:
            KeyError, IndexError, ValueError: the arrays are not those of such a file.
        """
        if len(arrays["buckets"]) != len(arrays["idf"]):  # the kernel would read past the weights
            raise ValueError("buckets and idf are not of one length")
        weights = np.column_stack((arrays["idf"], arrays["coef"])).astype(np.float32)
        return cls(spec, bucket_rows(spec, arrays["buckets"]), weights, arrays["intercept"])


@dataclass(frozen=True)
class HeuristicScorer:
    """score(text) = standardised style features @ coefficients + intercept.

    mean, scale: float64 (n_features,); coef: float64 (n_features, n_outputs); intercept: float64 (n_outputs,).
    """

    mean: Float64Array
    scale: Float64Array
    coef: Float64Array
    intercept: Float64Array

    def decision_function(self, texts: PackedTexts) -> tuple[Float64Array, Int32Array]:
        """Return the scores and statistics of each text."""
        features = (HeuristicFeatures().transform(texts) - self.mean) / self.scale
        return features @ self.coef + self.intercept, kernels.statistics(texts)

    def to_arrays(self) -> Arrays:
        """Return the four arrays by name."""
        return {name: getattr(self, name) for name in ("mean", "scale", "coef", "intercept")}


def bucket_rows(spec: kernels.NgramSpec, buckets: npt.NDArray[Any]) -> Int32Array:
    """Return the map bucket -> position in `buckets` (sorted), -1 elsewhere; empty if every bucket is there."""
    if len(buckets) == spec.n_features:
        return np.zeros(0, np.int32)
    rows = np.full(spec.n_features, -1, np.int32)
    rows[buckets] = np.arange(len(buckets), dtype=np.int32)
    return rows


def probabilities(scores: Float64Array) -> Float64Array:
    """Turn scores (n, n_outputs) into class probabilities (n, n_classes): logistic for one output, else softmax."""
    if scores.shape[1] == 1:
        scores = np.column_stack((np.zeros(len(scores)), scores))
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Float64Array = exp / exp.sum(axis=1, keepdims=True)
    return result


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
