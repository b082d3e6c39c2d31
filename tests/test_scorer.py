"""A trained model as numbers: the scores, and the arrays they are kept in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit, softmax

from ai_detect.features import HashedTfidf
from ai_detect.heuristic import HeuristicFeatures
from ai_detect.ngrams import STATISTICS, NgramSpec
from ai_detect.scorer import (
    HeuristicScorer,
    LinearScorer,
    available_cores,
    probabilities,
)
from ai_detect.text import PackedTexts

TEXTS = PackedTexts.pack(
    [
        "The cat sat on the mat.",
        "",
        "A dog! A dog, a dog?",
        "na\u00efve caf\u00e9 \u200bthe cat",
        "...",
    ]
)


def linear_scorer(spec: NgramSpec, *, n_outputs: int, share: float) -> LinearScorer:
    """A scorer with random weights on a share of the buckets."""
    rng = np.random.default_rng(0)
    buckets = np.flatnonzero(rng.random(spec.n_features) < share)
    weights = rng.normal(size=(len(buckets), 1 + n_outputs)).astype(np.float32)
    weights[:, 0] = 1 + np.abs(weights[:, 0])
    return LinearScorer(spec, buckets, weights, rng.normal(size=n_outputs))


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize(
    "spec",
    [
        NgramSpec((1, 2), n_bits=8),
        NgramSpec((1, 1), (2, 3), 8, lowercase=True),
        NgramSpec((0, 0), (3, 4), 8),
    ],
    ids=["words", "both", "characters"],
)
def test_arrays_bring_the_scorer_back(spec: NgramSpec, share: float, n_outputs: int) -> None:
    scorer = linear_scorer(spec, n_outputs=n_outputs, share=share)
    arrays = scorer.to_arrays()
    again = LinearScorer.from_arrays(spec, arrays)
    np.testing.assert_array_equal(again.buckets, scorer.buckets)
    np.testing.assert_array_equal(again.weights, scorer.weights)
    assert again.weights.dtype == np.float32
    for first, second in zip(
        scorer.decision_function(TEXTS), again.decision_function(TEXTS), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    kept = again.to_arrays()
    assert kept.keys() == arrays.keys() == {"buckets", "idf", "coef", "intercept"}
    for name, array in arrays.items():
        assert kept[name].dtype == array.dtype
        np.testing.assert_array_equal(kept[name], array)


def test_a_score_is_the_product_with_the_tfidf_matrix() -> None:
    tfidf = HashedTfidf(word_ngrams=(1, 2), char_ngrams=(2, 3), n_bits=8).fit(TEXTS)
    coef = np.random.default_rng(0).normal(size=(tfidf.spec.n_features, 3)).astype(np.float32)
    weights = np.column_stack((tfidf.idf_, coef))
    intercept = np.array([1.0, 2.0, 3.0])
    scorer = LinearScorer(tfidf.spec, np.arange(tfidf.spec.n_features), weights, intercept)
    scores, statistics = scorer.decision_function(TEXTS)
    np.testing.assert_allclose(scores, tfidf.transform(TEXTS) @ coef + intercept, atol=1e-5)
    assert statistics.shape == (len(TEXTS), len(STATISTICS))


def test_a_text_without_known_ngrams_scores_the_intercept() -> None:
    scorer = linear_scorer(NgramSpec((1, 1), n_bits=8), n_outputs=2, share=0.0)
    scores, _ = scorer.decision_function(TEXTS)
    np.testing.assert_array_equal(scores, np.tile(scorer.intercept, (len(TEXTS), 1)))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"buckets": np.arange(5, dtype=np.uint32)}, ValueError),
        ({"idf": np.ones(3, np.float32)}, ValueError),
        ({"buckets": np.array([3, 300], np.uint32)}, ValueError),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    changed: dict[str, np.ndarray], error: type[Exception]
) -> None:
    arrays = {
        "buckets": np.array([3, 8], np.uint32),
        "idf": np.ones(2, np.float32),
        "coef": np.ones((2, 1), np.float32),
        "intercept": np.zeros(1),
    }
    spec = NgramSpec((1, 1), n_bits=8)
    assert LinearScorer.from_arrays(spec, arrays).weights.shape == (2, 2)
    with pytest.raises(error):
        LinearScorer.from_arrays(spec, arrays | changed)


def test_heuristic_scores_by_hand() -> None:
    n_features = len(HeuristicFeatures.names)
    mean, scale = np.full(n_features, 0.5), np.full(n_features, 2.0)
    coef = np.arange(2.0 * n_features).reshape(n_features, 2)
    scorer = HeuristicScorer(mean, scale, coef, np.array([1.0, -1.0]))
    scores, statistics = scorer.decision_function(TEXTS)
    expected = (HeuristicFeatures().transform(TEXTS) - 0.5) / 2 @ coef + [1.0, -1.0]
    np.testing.assert_allclose(scores, expected)
    assert statistics[:, 0].tolist() == [6, 0, 6, 4, 0]
    again = HeuristicScorer(**scorer.to_arrays())
    np.testing.assert_array_equal(again.decision_function(TEXTS)[0], scores)


@given(
    st.integers(1, 5).flatmap(
        lambda k: hnp.arrays(np.float64, (7, k), elements=st.floats(-1e4, 1e4))
    )
)
def test_probabilities_are_the_logistic_or_the_softmax(scores: np.ndarray) -> None:
    found = probabilities(scores)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    if scores.shape[1] == 1:
        assert found.shape == (7, 2)
        np.testing.assert_allclose(found[:, 1], expit(scores[:, 0]), atol=1e-15)
        np.testing.assert_array_equal(found[:, 1] > 0.5, found.argmax(axis=1) == 1)
    else:
        np.testing.assert_allclose(found, softmax(scores, axis=1), atol=1e-15)


def test_weights_of_buckets_in_use_and_of_others() -> None:
    scorer = linear_scorer(NgramSpec((1, 1), n_bits=8), n_outputs=2, share=0.5)
    every = np.zeros((256, 3), np.float32)
    every[scorer.buckets] = scorer.weights
    np.testing.assert_array_equal(scorer.weights_of(np.arange(256)), every)
    none = linear_scorer(NgramSpec((1, 1), n_bits=8), n_outputs=1, share=0.0)
    assert not none.weights_of(np.arange(256)).any()


def test_there_is_a_core_to_work_on() -> None:
    assert available_cores() >= 1
