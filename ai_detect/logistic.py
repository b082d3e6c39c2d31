"""Logistic regression of two classes by dual coordinate ascent: its minimum after some ten passes over the texts.

It is that of scikit-learn's `LogisticRegression`. The way there is that of LIBLINEAR's dual solver (Yu, Huang & Lin
2011; `liblinear` in scikit-learn), which takes a copy of the matrix three times as large and penalises the intercept.
L-BFGS takes a step for the whole corpus at once, three times as many of them, and only if the intercept is scaled to
the size of other columns, which scikit-learn does not do: without, it is far from the minimum after sixty passes.
Here a text at its turn moves the coefficients of its own n-grams, as far as is best for that text.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ai_detect.compiled import njit

Float64Array = npt.NDArray[np.float64]

_MOST_PASSES = 100  # 10 to 20 are usual
_MOST_STEPS = 50  # of Newton's method for one text; three to five are usual
_START = 0.01  # p of every text
_NEAREST = 1e-12  # to 0 and 1 that p comes


class DualLogisticRegression:
    """L2-regularised logistic regression of two classes.

    The dual has a number for each text, its say: C * weight * p, where p is the probability of the wrong class. The
    coefficients are the sum of texts times their say, and sign.

    Args:
        C: inverse regularisation, as in scikit-learn.
        tolerance: it ends when no more than one text in a thousand, at its turn, moves its own log-odds by more.
        seed: of the order of turns.

    Attributes (after `fit`):
        classes_: (2,); coef_: float64 (1, n_features); intercept_: float64 (1,); n_iter_: passes over the texts, those
            over some of them counted as parts.
    """

    def __init__(self, *, C: float, tolerance: float = 0.005, seed: int = 0) -> None:
        self.C = C
        self.tolerance = tolerance
        self.seed = seed

    def fit(self, X: Any, y: npt.NDArray[Any], sample_weight: Float64Array | None = None) -> Self:
        """Fit to texts.

        Args:
            X: sparse (n, n_features); float32 CSR is not copied.
            y: the classes, (n,).
            sample_weight: (n,), 0 for texts to leave out; None for all the same.
        """
        X = csr_matrix(X, dtype=np.float32)
        self.classes_, number = np.unique(y, return_inverse=True)
        sign = 2.0 * number - 1.0
        most = self.C * (np.ones(len(sign)) if sample_weight is None else sample_weight)
        say = _START * most
        coef = np.asarray(X.T @ (say * sign).astype(np.float32))
        # The intercept is the coefficient of one more n-gram that all texts have, of such a value that little
        # regularisation would be left of it; and after each pass that little is taken from where it stands, not from 0.
        square = max(1.0, 1.0 / self.C)
        intercept = np.array([square * (say @ sign)])
        squares = square + _squares(X.indptr, X.data)
        moved = np.zeros(len(sign))
        rng = np.random.default_rng(self.seed)
        texts = np.flatnonzero(most)
        turn, n_turns = texts, 0
        while n_turns < _MOST_PASSES * len(texts):
            order = rng.permutation(turn)
            _ascend(
                *(X.indptr, X.indices, X.data, squares, sign, most, order),
                *(say, coef, intercept, square, moved),
            )
            n_turns += len(turn)
            restless = turn[moved[turn] > self.tolerance]
            if len(turn) == len(texts):
                pull = square * (say @ sign)
                if len(restless) <= len(texts) // 1000 and abs(pull) <= self.tolerance:
                    break
                intercept += pull
            # Those that have still to move take turns among themselves before all others are asked again.
            turn = restless if len(restless) else texts
        self.coef_ = coef[None, :].astype(np.float64)
        self.intercept_ = intercept
        self.n_iter_ = n_turns / max(1, len(texts))
        return self

    def decision_function(self, X: Any) -> Float64Array:
        """Return the log-odds of the second class for each text, (n,)."""
        scores: Float64Array = X @ self.coef_[0].astype(np.float32) + self.intercept_
        return scores


@njit(nogil=True, cache=True)
def _squares(indptr, data):
    """Return the square of the length of each row, float64 (n,)."""
    squares = np.zeros(len(indptr) - 1)
    for row in range(len(squares)):
        for i in range(indptr[row], indptr[row + 1]):
            squares[row] += data[i] * data[i]
    return squares


@njit(nogil=True, cache=True)
def _ascend(
    indptr,
    indices,
    data,
    squares,
    sign,
    most,
    order,
    say,
    coef,
    intercept,
    intercept_square,
    moved,
):
    """Give each text in turn the say that maximises the dual while all others keep theirs.

    That is where its log-odds m agree with its say, m + ln(p / (1 - p)) = 0, and m grows by `squares` times its say.
    """
    for row in order:
        begin, end = np.uintp(indptr[row]), np.uintp(indptr[row + 1])
        score = np.float32(0.0)
        for i in range(begin, end):
            score += coef[np.uintp(indices[i])] * data[i]
        margin = sign[row] * (score + intercept[0])
        before, limit, square = say[row], most[row], squares[row]
        now = before
        for _ in range(_MOST_STEPS):
            slope = square * (now - before) + margin + np.log(now / (limit - now))
            after = now - slope / (square + limit / (now * (limit - now)))
            # It stays between 0 and its limit: most of the way there is as far as one step goes.
            after = max(after, 0.1 * now, _NEAREST * limit)
            after = min(after, limit - max(0.1 * (limit - now), _NEAREST * limit))
            is_there = abs(after - now) <= 1e-7 * limit
            now = after
            if is_there:
                break
        moved[row] = square * abs(now - before)
        say[row] = now
        change = np.float32(sign[row] * (now - before))
        intercept[0] += intercept_square * change
        for i in range(begin, end):
            coef[np.uintp(indices[i])] += change * data[i]
