"""Logistic regression by dual coordinate ascent against scikit-learn's, whose minimum it is to find."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ai_detect.data import read_corpus
from ai_detect.features import HashedTfidf
from ai_detect.labels import encode_labels
from ai_detect.logistic import DualLogisticRegression

SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "train.csv"


@pytest.fixture(scope="module")
def essays() -> tuple[csr_matrix, npt.NDArray[np.int64]]:
    corpus = read_corpus(str(SAMPLE))
    return HashedTfidf(n_bits=14).fit_transform(corpus.texts), encode_labels(corpus.labels)[1]


def minimum(X: csr_matrix, y: Any, C: float, weight: Any = None) -> Any:
    exact = LogisticRegression(C=C, tol=1e-9, max_iter=10_000)
    return exact.fit(X.astype(np.float64), y, sample_weight=weight)


@pytest.mark.parametrize("C", [0.01, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_it_finds_the_minimum(
    essays: tuple[csr_matrix, npt.NDArray[np.int64]], C: float, is_weighted: bool
) -> None:
    X, y = essays
    rows = np.flatnonzero((y == 1) | (np.arange(len(y)) % 4 == 0))  # few of the first class
    X, y = X[rows], y[rows]
    weight = np.random.default_rng(0).random(len(y)) if is_weighted else None
    theirs = minimum(X, y, C, weight)
    ours = DualLogisticRegression(C=C, tolerance=1e-3).fit(X, y, weight)
    largest = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=1e-3 * largest)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=5e-3)
    scores = theirs.decision_function(X)
    np.testing.assert_allclose(ours.decision_function(X), scores, rtol=0, atol=5e-3)
    assert 1 <= ours.n_iter_ < 60


def test_it_comes_close_by_itself(essays: tuple[csr_matrix, npt.NDArray[np.int64]]) -> None:
    X, y = essays
    theirs = minimum(X, y, 30.0)
    ours = DualLogisticRegression(C=30.0).fit(X, y)
    largest = np.abs(theirs.coef_).max()
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=2e-3 * largest)
    assert ours.n_iter_ < 25


def test_texts_without_weight_are_left_out(
    essays: tuple[csr_matrix, npt.NDArray[np.int64]],
) -> None:
    X, y = essays
    kept = np.arange(len(y)) % 3 > 0
    left_out = DualLogisticRegression(C=30.0, tolerance=1e-3).fit(X, y, kept * 1.0)
    never_there = DualLogisticRegression(C=30.0, tolerance=1e-3).fit(X[kept], y[kept])
    largest = np.abs(never_there.coef_).max()
    np.testing.assert_allclose(left_out.coef_, never_there.coef_, rtol=0, atol=1e-3 * largest)


def test_the_same_seed_gives_the_same_bytes(
    essays: tuple[csr_matrix, npt.NDArray[np.int64]],
) -> None:
    X, y = essays
    first, again, other = (
        DualLogisticRegression(C=30.0, seed=seed).fit(X, y) for seed in (0, 0, 1)
    )
    assert first.coef_.tobytes() == again.coef_.tobytes()
    assert first.coef_.tobytes() != other.coef_.tobytes()


def test_labels_of_any_kind_and_empty_texts() -> None:
    X = csr_matrix(np.array([[1, 0], [0, 1], [0, 0], [1, 0]], np.float32))
    y = np.array(["llm", "human", "llm", "llm"])
    ours = DualLogisticRegression(C=1.0, tolerance=1e-4).fit(X, y)
    theirs = minimum(X, y, 1.0)
    assert ours.classes_.tolist() == ["human", "llm"]
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)


@pytest.mark.parametrize("C", [1e-12, 1e12])
def test_extreme_regularisation_gives_finite_coefficients(C: float) -> None:
    X = csr_matrix(np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32))
    model = DualLogisticRegression(C=C).fit(X, np.array([0, 1, 0, 1]))
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    separable = DualLogisticRegression(C=C).fit(X[[0, 2]], np.array([0, 1]))
    assert separable.decision_function(X[[2]])[0] > 0
    assert np.isfinite(separable.coef_).all()
