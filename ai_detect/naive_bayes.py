"""scikit-learn's multinomial naive Bayes of two classes, seen as one linear column.

Its coefficient is the log-ratio of what share of each class an n-gram makes up. It looks at every n-gram by itself, so
it learns less of the training corpora than members that weigh n-grams against each other: worse on texts like those,
better on writers and generators unlike any (docs/ablation.md).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.naive_bayes import MultinomialNB

Float64Array = npt.NDArray[np.float64]


class NaiveBayes(MultinomialNB):
    """A classifier of two classes at equal priors, each n-gram counted once more in each class than it was seen."""

    def __init__(self) -> None:
        super().__init__(alpha=1.0, fit_prior=False)

    def _count(self, X: Any, Y: Float64Array) -> None:
        """Count the n-grams of each class, in the precision of X, of which scikit-learn would make a copy in double."""
        self.feature_count_ += np.stack([X.T @ column.astype(X.dtype) for column in Y.T])
        self.class_count_ += Y.sum(axis=0)

    @property
    def coef_(self) -> Float64Array:
        """The log-ratio of each n-gram, (1, n_features), positive where it speaks for the second class."""
        first, second = self.feature_log_prob_
        ratio: Float64Array = (second - first)[None, :]
        return ratio

    @property
    def intercept_(self) -> Float64Array:
        """Zero, (1,): the priors are equal."""
        return np.zeros(1)

    def decision_function(self, X: Any) -> Float64Array:
        """Return the log-odds of the second class for each text, (n,)."""
        scores: Float64Array = X @ self.coef_[0]
        return scores
