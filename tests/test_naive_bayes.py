"""Naive Bayes against scikit-learn's, in one piece and in several."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.naive_bayes import MultinomialNB

from ai_detect.naive_bayes import NaiveBayes


@pytest.mark.parametrize("labels", [(0, 1), (3, 7)])
def test_its_scores_are_the_log_odds_of_scikit_learns_at_equal_priors(
    labels: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    X = csr_matrix(rng.random((40, 15)) * (rng.random((40, 15)) < 0.3))
    y, weight = rng.choice(labels, 40), rng.random(40) + 0.1
    theirs = MultinomialNB(alpha=1.0, fit_prior=False).fit(X, y, sample_weight=weight)
    ours = NaiveBayes().fit(X, y, sample_weight=weight)
    log_odds = np.diff(theirs.predict_joint_log_proba(X), axis=1)[:, 0]
    np.testing.assert_allclose(ours.decision_function(X), log_odds, atol=1e-12)
    np.testing.assert_array_equal(ours.classes_, labels)
    assert ours.coef_.shape == (1, 15)
    assert ours.intercept_.tolist() == [0.0]
    again = NaiveBayes()
    for rows in (slice(0, 25), slice(25, 40)):
        again.partial_fit(X[rows], y[rows], np.array(labels), weight[rows])
    np.testing.assert_allclose(again.decision_function(X), log_odds, atol=1e-12)
