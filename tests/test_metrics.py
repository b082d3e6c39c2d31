"""Every figure against scikit-learn or a sum by hand."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import binomtest
from sklearn import metrics as oracle

from ai_detect import metrics

# Few distinct scores, so that ties are the rule.
SCORED = (
    st.integers(2, 60)
    .flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, 1)),
            hnp.arrays(np.float64, n, elements=st.integers(-4, 4).map(float)),
            hnp.arrays(np.float64, n, elements=st.floats(0.1, 10)),
        )
    )
    .filter(lambda drawn: 0 < drawn[0].sum() < len(drawn[0]))
)
Scored = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def draw(n: int, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return y, rng.normal(1.0 * y)


@given(SCORED)
def test_roc_auc_is_that_of_scikit_learn(drawn: Scored) -> None:
    y, scores, weights = drawn
    assert metrics.roc_auc(y, scores) == pytest.approx(oracle.roc_auc_score(y, scores))
    weighted = oracle.roc_auc_score(y, scores, sample_weight=weights)
    assert metrics.roc_auc(y, scores, weights) == pytest.approx(weighted)


@given(SCORED)
def test_roc_auc_is_turned_round_with_the_scores(drawn: Scored) -> None:
    y, scores, _ = drawn
    assert metrics.roc_auc(y, scores) + metrics.roc_auc(y, -scores) == pytest.approx(1)
    assert metrics.roc_auc(y, scores) == metrics.roc_auc(y, 3 * scores + 7)


@given(SCORED)
def test_roc_curve_is_that_of_scikit_learn(drawn: Scored) -> None:
    y, scores, _ = drawn
    expected = oracle.roc_curve(y, scores, drop_intermediate=False)
    found = metrics.roc_curve(y, scores)
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])


@given(SCORED, st.sampled_from([0.01, 0.05, 0.2, 0.5]))
def test_tpr_at_fpr_is_the_best_that_any_threshold_gives(drawn: Scored, fpr: float) -> None:
    y, scores, _ = drawn
    allowed = [
        np.mean(scores[y == 1] >= threshold)
        for threshold in (*np.unique(scores), np.inf)
        if np.mean(scores[y == 0] >= threshold) <= fpr
    ]
    assert metrics.tpr_at_fpr(y, scores, fpr) == pytest.approx(max(allowed))


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], []])
def test_figures_that_one_class_does_not_define_are_nan(y: list[int]) -> None:
    labels, scores = np.array(y, np.int64), np.arange(len(y), dtype=float)
    interval = metrics.roc_auc_interval(labels, scores)
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    assert np.isnan(metrics.roc_auc(labels, scores))
    assert np.isnan(metrics.tpr_at_fpr(labels, scores, 0.05))


def test_the_interval_holds_the_value_and_shrinks_with_more_texts() -> None:
    widths = []
    for n in (40, 400, 4000):
        y, scores = draw(n)
        interval = metrics.roc_auc_interval(y, scores)
        assert interval.value == metrics.roc_auc(y, scores)
        assert interval.low <= interval.value <= interval.high
        widths.append(interval.high - interval.low)
    # Ten times the texts: the interval is narrower by about the root of ten.
    assert 1.5 < widths[0] / widths[1] < 5
    assert 1.5 < widths[1] / widths[2] < 5


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = 0.7602  # Phi(1 / sqrt(2)): normal scores one standard deviation apart
    found = [metrics.roc_auc_interval(*draw(100, seed)) for seed in range(60)]
    covered = np.mean([interval.low <= truth <= interval.high for interval in found])
    assert 0.85 <= covered <= 1.0


def test_the_interval_depends_on_its_seed_alone() -> None:
    y, scores = draw(50)
    shuffled = np.random.default_rng(1).permutation(50)
    again = metrics.roc_auc_interval(y[shuffled], scores[shuffled])
    assert metrics.roc_auc_interval(y, scores) == again
    assert metrics.roc_auc_interval(y, scores, seed=1).low != again.low


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@example((0, 1))
@example((1, 1))
@example((0, 3000))
def test_the_interval_of_a_share_is_that_of_scipy(drawn: tuple[int, int]) -> None:
    count, n = drawn
    expected = binomtest(count, n).proportion_ci(0.95, method="exact")
    found = metrics.share_interval(count, n)
    assert found.value == count / n
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.low <= found.value <= found.high


def test_the_share_of_nothing_is_undefined() -> None:
    nothing = metrics.share_interval(0, 0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_brier_score_is_that_of_scikit_learn() -> None:
    y, scores = draw(100)
    probability = 1 / (1 + np.exp(-scores))
    expected = oracle.brier_score_loss(y, probability)
    assert metrics.brier_score(y, probability) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    y = np.array([0, 1, 1, 1, 0, 1])
    probability = np.array([0.1, 0.2, 0.6, 0.7, 0.8, 1.0])
    # Two bins: stated 0.3 in sum of 1 true; stated 3.1 in sum of 3 true; six texts.
    assert metrics.expected_calibration_error(y, probability, 2) == pytest.approx(0.8 / 6)


def test_calibration_error_is_small_where_the_probability_is_true() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20000)
    y = (rng.random(20000) < probability).astype(np.int64)
    assert metrics.expected_calibration_error(y, probability) < 0.02
    assert metrics.expected_calibration_error(y, probability**3) > 0.1
    assert metrics.expected_calibration_error(y, y.astype(float)) == 0.0


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.lists(
                st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=40
            ),
        )
    )
)
def test_confusion_accuracy_and_f1_are_those_of_scikit_learn(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    n_classes, pairs = drawn
    y, predicted = np.array(pairs, np.int64).T
    matrix = metrics.confusion(y, predicted, n_classes)
    labels = list(range(n_classes))
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(y, predicted, labels=labels))
    assert metrics.accuracy(matrix) == pytest.approx(oracle.accuracy_score(y, predicted))
    expected = oracle.f1_score(y, predicted, labels=labels, average=None, zero_division=0)
    np.testing.assert_allclose(metrics.f1_scores(matrix), expected)
