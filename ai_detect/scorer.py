"""A trained model as numbers: texts in, class scores out. All that prediction needs.

LogisticRegression and SGDClassifier are both linear in the TF-IDF space, and so are their blend and its calibration:
whatever was trained, one coefficient per bucket and class is left (one column for two classes).
"""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ai_detect.heuristic import HeuristicFeatures
from ai_detect.ngrams import LOG_TF, STATISTICS, NgramSpec, count_one
from ai_detect.text import PackedTexts

Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
Arrays = dict[str, npt.NDArray[Any]]

# Bytes up to which a single text is scored without the kernels, where a process has not loaded them yet: that takes
# half a second, a text of this size a few milliseconds.
_SMALL = 1 << 14


class Scorer(Protocol):
    """Anything that scores texts; n_outputs is 1 for two classes (the log-odds of the second), else their number."""

    def decision_function(self, texts: PackedTexts) -> tuple[Float64Array, Int32Array]:
        """Return the scores, float64 (n, n_outputs), and the statistics of each text (`ngrams.STATISTICS`)."""

    def to_arrays(self) -> Arrays:
        """Return what has to be kept, as the arrays of a model file."""


@dataclass(frozen=True)
class LinearScorer:
    """score(text) = TF-IDF(text) @ coefficients + intercept.

    spec: the n-grams; buckets: int (n_rows,), those in use, ascending; weights: float32 (n_rows, 1 + n_outputs), idf
    and coefficients of each; intercept: float64 (n_outputs,).
    """

    spec: NgramSpec
    buckets: npt.NDArray[Any]
    weights: npt.NDArray[np.float32]
    intercept: Float64Array

    def decision_function(self, texts: PackedTexts) -> tuple[Float64Array, Int32Array]:
        """Return the scores and statistics of each text, in one pass over its bytes."""
        if len(texts) == 1 and texts.n_bytes <= _SMALL and "ai_detect.kernels" not in sys.modules:
            text = texts[0]
            if (
                "\ufffd" not in text
            ):  # the kernels replace what is not UTF-8 byte by byte, Python by its own rules
                return self._decision_of_one(text)
        from ai_detect import kernels  # loads Numba

        scores, statistics = kernels.score(texts, self.spec, self._vocabulary, self.weights)
        return scores + self.intercept, statistics

    def _decision_of_one(self, text: str) -> tuple[Float64Array, Int32Array]:
        """Do the same without the kernels, adding up in the same order, so that not a bit differs."""
        counted = count_one(text, self.spec)
        score = np.zeros(self.weights.shape[1] - 1)
        for block, (buckets, n) in enumerate(counted.blocks):
            row, is_known = self._rows(buckets.astype(np.int64) + (block << self.spec.n_bits))
            weights, counts = self.weights[row[is_known]].astype(np.float64), n[is_known]
            counted.statistics[STATISTICS.index("known_ngrams")] += counts.sum()
            values = LOG_TF[counts] * weights[:, 0]
            squares = np.cumsum(values * values)[-1:]  # NumPy adds up one by one only here
            if squares.any():
                norm = 1.0 / np.sqrt(squares)
                score += np.cumsum(values[:, None] * weights[:, 1:], axis=0)[-1] * norm
        return (score + self.intercept)[None], counted.statistics[None]

    def weights_of(self, buckets: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return idf and coefficients, (n, 1 + n_outputs), of any buckets; zeros for those not in use."""
        row, is_known = self._rows(buckets)
        result = np.zeros((len(buckets), self.weights.shape[1]), np.float32)
        result[is_known] = self.weights[row[is_known]]
        return result

    def _rows(
        self, buckets: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return the row of the weights of each bucket, and whether it has one."""
        if not len(self.buckets):
            return np.zeros(len(buckets), np.intp), np.zeros(len(buckets), np.bool_)
        row = np.minimum(np.searchsorted(self.buckets, buckets), len(self.buckets) - 1)
        return row, self.buckets[row] == buckets

    @cached_property
    def _vocabulary(self) -> npt.NDArray[np.uint64]:
        from ai_detect import kernels

        return kernels.vocabulary(self.buckets, self.spec.n_features)

    def to_arrays(self) -> Arrays:
        """Return the arrays of a model file."""
        return {
            "buckets": self.buckets.astype(np.uint32),
            "idf": self.weights[:, 0],
            "coef": self.weights[:, 1:],
            "intercept": self.intercept,
        }

    @classmethod
    def from_arrays(cls, spec: NgramSpec, arrays: Arrays) -> Self:
        """Rebuild the scorer of a model file.

        Raises:
            KeyError, ValueError: the arrays are not those of such a file.
        """
        if len(arrays["buckets"]) != len(arrays["idf"]):  # the kernel would read past the weights
            raise ValueError("buckets and idf are not of one length")
        buckets = arrays["buckets"].astype(np.int64)
        if len(buckets) and (buckets[-1] >= spec.n_features or np.any(np.diff(buckets) <= 0)):
            raise ValueError(f"buckets are not ascending numbers below {spec.n_features}")
        weights = np.column_stack((arrays["idf"], arrays["coef"])).astype(np.float32)
        return cls(spec, buckets, weights, arrays["intercept"])


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
        from ai_detect import kernels

        features = (HeuristicFeatures().transform(texts) - self.mean) / self.scale
        return features @ self.coef + self.intercept, kernels.statistics(texts)

    def to_arrays(self) -> Arrays:
        """Return the four arrays by name."""
        return {name: getattr(self, name) for name in ("mean", "scale", "coef", "intercept")}


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
