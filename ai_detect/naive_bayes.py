"""What naive Bayes thinks of each n-gram, as a weight of its column before a linear model of two classes is fitted.

The weight is how far apart the shares are that the n-gram makes up of the two classes, |ln(share / other share)|, the
log-count ratio of NBSVM (Wang & Manning 2012). Regularised members then need little evidence to use an n-gram that
speaks for one class in many texts, and much for one that merely goes with the topics of a corpus: better on writers and
generators unlike any of the training texts (docs/ablation.md).
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Float64Array = npt.NDArray[np.float64]

_SMOOTHING = 1.0  # what each n-gram is counted more in each class than it was seen


class WeighedByNaiveBayes:
    """A linear model of two classes on columns weighed by naive Bayes; it takes its texts as they are.

    Args:
        estimator: any of scikit-learn's kind with `coef_` and `intercept_`.

    Attributes (after `fit`):
        classes_: (2,); coef_: float64 (1, n_features), for columns that are not weighed; intercept_: float64 (1,).
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: npt.NDArray[Any], sample_weight: Float64Array | None = None) -> Self:
        """Weigh the columns by these texts, and fit the model to them.

        Args:
            X: sparse (n, n_features), not negative.
            y: the classes, (n,).
            sample_weight: (n,), by which both classes count the same; None for all texts the same.
        """
        X = csr_matrix(X)
        self.classes_, number = np.unique(y, return_inverse=True)
        weights = column_weights(
            masses(X, number, np.ones(len(number)) if sample_weight is None else sample_weight)
        )
        self.estimator.fit(weighed(X, weights), y, sample_weight=sample_weight)
        self.coef_ = np.asarray(self.estimator.coef_ * weights, np.float64)
        self.intercept_ = self.estimator.intercept_
        return self

    def decision_function(self, X: Any) -> Float64Array:
        """Return the score of the second class for each text, (n,)."""
        scores: Float64Array = X @ self.coef_[0] + self.intercept_
        return scores


def masses(X: Any, y: npt.NDArray[np.integer[Any]], weights: Float64Array) -> Float64Array:
    """Sum up each column over the texts of each of two classes.

    Args:
        X: float32 (n, n_features).
        y: class 0 or 1, (n,).
        weights: of each text, (n,).

    Returns: float64 (2, n_features).
    """
    return np.stack(
        [X.T @ np.where(y == label, weights, 0.0).astype(X.dtype) for label in (0, 1)]
    ).astype(np.float64)


def column_weights(masses: Float64Array) -> npt.NDArray[np.float32]:
    """Return the weight of each column, float32 (n_features,), with a mean square of 1.

    Args:
        masses: float64 (2, n_features), of classes that count the same.
    """
    share = np.log(masses + _SMOOTHING)
    share -= np.log(np.exp(share).sum(axis=1, keepdims=True))
    ratio = np.abs(share[1] - share[0])
    mean_square = float(np.mean(ratio**2))
    if mean_square == 0.0:  # nothing speaks for either class
        return np.ones(len(ratio), np.float32)
    weights: npt.NDArray[np.float32] = (ratio / np.sqrt(mean_square)).astype(np.float32)
    return weights


def weighed(X: csr_matrix, weights: npt.NDArray[np.float32]) -> csr_matrix:
    """Return the matrix with its columns multiplied by their weights, in its own precision; indices are shared."""
    data = X.data * weights[X.indices].astype(X.dtype, copy=False)
    return csr_matrix((data, X.indices, X.indptr), shape=X.shape)
