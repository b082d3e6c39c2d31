"""Columns weighed by naive Bayes: against scikit-learn's, and against a model fitted to columns weighed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from ai_detect.naive_bayes import WeighedByNaiveBayes, column_weights, masses


def _texts(seed: int) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = csr_matrix(rng.random((40, 15)) * (rng.random((40, 15)) < 0.3))
    y = rng.permutation(np.arange(40) % 2)
    weight = rng.random(40) + 0.1
    weight[y == 1] *= weight[y == 0].sum() / weight[y == 1].sum()
    return X, y, weight


@given(st.integers(0, 1000))
def test_weights_are_the_absolute_log_ratios_of_scikit_learns_naive_bayes(seed: int) -> None:
    X, y, weight = _texts(seed)
    first, second = MultinomialNB(alpha=1.0).fit(X, y, sample_weight=weight).feature_log_prob_
    expected = np.abs(second - first) / np.sqrt(np.mean((second - first) ** 2))
    np.testing.assert_allclose(column_weights(masses(X, y, weight)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("labels", [(0, 1), (3, 7)])
def test_the_model_is_the_one_fitted_to_weighed_columns(labels: tuple[int, int]) -> None:
    X, number, weight = _texts(0)
    y = np.array(labels)[number]
    ours = WeighedByNaiveBayes(LogisticRegression(tol=1e-8)).fit(X, y, weight)
    by_hand = X.multiply(column_weights(masses(X, number, weight))).tocsr()
    theirs = LogisticRegression(tol=1e-8).fit(by_hand, y, sample_weight=weight)
    np.testing.assert_allclose(
        ours.decision_function(X), theirs.decision_function(by_hand), atol=1e-6
    )
    np.testing.assert_array_equal(ours.classes_, labels)
    assert ours.coef_.shape == (1, 15)


def test_where_nothing_speaks_for_either_class_all_columns_weigh_the_same() -> None:
    assert column_weights(np.ones((2, 4))).tolist() == [1.0, 1.0, 1.0, 1.0]
