"""Human writers of every kind brought to one mean score, so that a threshold means the same to each of them.

Corporate reports, abstracts and school essays have words of their own. Where some of these happen to go along with one
class in training, all texts of a population move towards the threshold or away from it, whoever wrote them. So the
coefficients w are replaced by the nearest ones whose mean scores differ little from one population to the next:

    minimise  |v - w|^2 + strength * variance over populations of (mean text of the population) @ v

Only human populations count: what LLM texts have in common is what the score is for. In speaker recognition the same is
done to what microphones leave in a voice (nuisance attribute projection, Solomonoff, Campbell & Boardman 2005), where
such directions are removed altogether.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Float64Array = npt.NDArray[np.float64]

# Chosen on the training corpora (docs/ablation.md). Texts have length 1, so that means differ by some tenths.
STRENGTH = 2000.0
_MIN_TEXTS = 40  # the mean of fewer texts is mostly theirs alone


@dataclass(frozen=True)
class Aligned:
    """A linear member of two classes with its coefficients replaced: coef_ float64 (1, n_features), intercept_ (1,)."""

    coef_: Float64Array
    intercept_: Float64Array

    def decision_function(self, X: Any) -> Float64Array:
        """Return the score of each text, (n,)."""
        scores: Float64Array = X @ self.coef_[0].astype(X.dtype) + self.intercept_
        return scores


@dataclass(frozen=True)
class Populations:
    """The mean text of each population, sparse float32 (n_populations, n_features)."""

    means: csr_matrix

    @classmethod
    def of(cls, X: Any, writers: npt.NDArray[np.object_]) -> Self:
        """Average the texts of each population.

        Args:
            X: sparse (n, n_features).
            writers: (n,), the name of the population of each human text, "" for texts that belong to none.
        """
        rows = np.flatnonzero(writers != "")
        _, number, counts = np.unique(
            writers[rows].astype(str), return_inverse=True, return_counts=True
        )
        share = csr_matrix(
            ((1.0 / counts[number]).astype(np.float32), (number, rows)), (len(counts), X.shape[0])
        )
        return cls(csr_matrix(share[np.flatnonzero(counts >= _MIN_TEXTS)] @ X))

    def align(self, member: Any) -> Aligned:
        """Return a fitted member of two classes with its coefficients aligned; with one population, as they are."""
        coef, n = np.asarray(member.coef_, np.float64), self.means.shape[0]
        if n > 1:
            centre = (np.eye(n) - 1.0 / n) / np.sqrt(n)
            spread = centre @ (self.means @ self.means.T).toarray().astype(np.float64) @ centre
            apart = centre @ (self.means @ coef[0])
            change = centre @ np.linalg.solve(np.eye(n) / STRENGTH + spread, apart)
            coef = coef - (self.means.T @ change)[None, :]
        return Aligned(coef, np.asarray(member.intercept_, np.float64))
