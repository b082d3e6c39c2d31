"""What may be said about a text: p-values, thresholds and verdicts, worked by hand and as laws."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_detect import calibration
from ai_detect.calibration import PROMISED_RATES, Threshold
from ai_detect.errors import UsageError

# Scores as a model keeps them: float32 numbers, in coarse steps so that ties are the rule.
HUMANS = st.lists(st.integers(-30, 30).map(lambda i: float(np.float32(i / 7))), max_size=250)


def by_rate(human: object, llm: object = (0.0,)) -> dict[float, Threshold]:
    found = calibration.thresholds(np.asarray(human, float), np.asarray(llm, float))
    return {threshold.fpr: threshold for threshold in found}


@pytest.mark.parametrize(
    ("n", "fpr", "expected"),
    [
        (18, 0.05, None),
        (19, 0.05, 18),  # none at or above it: just above the largest, number 18
        (38, 0.05, 37),
        (39, 0.05, 37),  # one at or above it: just above the second largest
        (98, 0.01, None),
        (99, 0.01, 98),
        (198, 0.01, 197),
        (199, 0.01, 197),
        (998, 0.001, None),
        (999, 0.001, 998),
        (0, 0.05, None),
    ],
)
def test_thresholds_by_hand(n: int, fpr: float, expected: int | None) -> None:
    threshold = by_rate(np.arange(n, dtype=float))[fpr]
    if expected is None:
        assert threshold == Threshold(fpr, None, 0.0, 0.0)
    else:
        assert threshold.score == np.nextafter(float(expected), np.inf)
        assert threshold.achieved_fpr == (n - 1 - expected) / n


@pytest.mark.parametrize(
    ("human", "above"),
    [
        ([0.0] * 97 + [1.0, 1.0], 1.0),  # 1 % of 100 allows none: above the tie at the top
        ([0.0] * 99, 0.0),
        ([0.0] * 197 + [1.0, 1.0], 1.0),  # 1 % of 200 allows one, and the tie has two
        ([0.0] * 198 + [1.0], 0.0),
        ([*range(197), 500.0, 500.0], 500.0),
    ],
)
def test_tied_humans_stay_below_the_threshold_together(human: list[float], above: float) -> None:
    assert by_rate(human)[0.01].score == np.nextafter(above, np.inf)


def test_shares_are_of_the_calibration_texts() -> None:
    threshold = by_rate(np.arange(199.0), [0.0, 197.5, 198.0, 1000.0])[0.01]
    assert threshold.achieved_fpr == 1 / 199
    assert threshold.tpr == 0.75
    assert threshold.to_dict() == {
        "fpr": 0.01,
        "score": np.nextafter(197.0, np.inf),
        "achieved_fpr": 1 / 199,
        "tpr": 0.75,
    }


@given(HUMANS, st.lists(st.floats(-5, 5, width=32), max_size=20))
@example([1.0] * 19, [])
@example([float(np.float32(0.1))] * 999, [])
def test_a_p_value_is_at_most_the_rate_exactly_from_the_threshold_up(
    human: list[float], others: list[float]
) -> None:
    ascending = np.sort(np.array(human, np.float32)).astype(np.float64)
    own = [*ascending, *np.nextafter(ascending, np.inf), *np.nextafter(ascending, -np.inf)]
    for threshold in calibration.thresholds(ascending, np.zeros(1)):
        at = [] if threshold.score is None else [threshold.score]
        scores = np.array([*own, *others, *at], np.float64)
        p = calibration.p_values(scores, ascending)
        reached = np.zeros(len(scores), bool) if not at else scores >= at[0]
        np.testing.assert_array_equal(p <= threshold.fpr, reached)


@given(HUMANS)
def test_a_higher_rate_never_has_a_higher_threshold(human: list[float]) -> None:
    found = by_rate(human)
    scores = [
        np.inf if (score := found[fpr].score) is None else score for fpr in sorted(PROMISED_RATES)
    ]
    assert scores == sorted(scores, reverse=True)
    assert all(threshold.achieved_fpr <= threshold.fpr for threshold in found.values())


@given(HUMANS, st.integers(0, 2**32 - 1))
def test_the_order_of_the_human_texts_does_not_matter(human: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(human)
    assert by_rate(shuffled) == by_rate(human)


@pytest.mark.parametrize("n", [19, 99, 150, 999])
@pytest.mark.parametrize("steps", [3, 1e9], ids=["ties", "no ties"])
def test_the_promise_holds_for_fresh_texts_of_the_same_population(n: int, steps: float) -> None:
    rng = np.random.default_rng(0)
    for fpr in PROMISED_RATES:
        if n + 1 < 1 / fpr:
            continue
        shares = []
        for _ in range(300):
            human, fresh = np.sort(np.round(rng.normal(size=(2, n)) * steps) / steps)
            called = calibration.p_values(fresh, human) <= fpr
            score = by_rate(human)[fpr].score
            assert score is not None
            np.testing.assert_array_equal(called, fresh >= score)
            shares.append(called.mean())
        error = np.std(shares) / np.sqrt(len(shares))
        assert np.mean(shares) <= fpr + 4 * error
        if steps > 3 and (n + 1) * fpr % 1 == 0:  # and nothing is given away
            assert np.mean(shares) >= fpr - 4 * error


def test_p_values_by_hand() -> None:
    human = np.array([1.0, 2.0, 2.0, 3.0])
    found = calibration.p_values(np.array([0.0, 1.0, 2.0, 2.5, 3.0, 4.0]), human)
    np.testing.assert_allclose(found, np.array([5, 5, 4, 2, 2, 1]) / 5)
    np.testing.assert_array_equal(calibration.p_values(np.array([0.0, 9.0]), np.zeros(0)), [1, 1])


@given(HUMANS)
def test_p_values_fall_with_the_score(human: list[float]) -> None:
    p = calibration.p_values(np.linspace(-6, 6, 50), np.sort(human))
    assert (np.diff(p) <= 0).all()
    assert ((p > 0) & (p <= 1)).all()


@pytest.mark.parametrize(
    ("p", "score", "words", "verdict", "reason"),
    [
        (0.01, 3.0, 50, "llm", ""),
        (0.001, 3.0, 500, "llm", ""),
        (0.001, -1.0, 500, "llm", ""),  # the verdict rests on the p-value
        (0.0101, 3.0, 500, "unsure", "between thresholds"),
        (0.5, 0.0, 500, "unsure", "between thresholds"),
        (0.5, -0.001, 500, "human", ""),
        (1.0, -9.0, 50, "human", ""),
        (0.001, 9.0, 49, "unsure", "under 50 words"),
        (1.0, -9.0, 49, "unsure", "under 50 words"),
        (1.0, 0.0, 0, "unsure", "under 50 words"),
    ],
)
def test_verdicts(p: float, score: float, words: int, verdict: str, reason: str) -> None:
    found = calibration.verdicts(
        np.array([p]), np.array([score]), np.array([words], np.int32), 0.01
    )
    assert found == ([verdict], [reason])


@pytest.mark.parametrize(
    ("fpr", "n", "needed"),
    [
        (0.01, 98, "at least 99"),
        (0.05, 18, "at least 19"),
        (0.001, 500, "at least 999"),
        (0.5, 0, "at least 1"),
        (0.003, 300, "at least 333"),
        (1e-300, 10, r"at least 1e\+300"),
        (1e-320, 10, "at least inf"),
        (0.0, 1000, "not a rate"),
        (1.0, 1000, "not a rate"),
        (-0.1, 1000, "not a rate"),
        (5, 1000, "not a rate"),
        (float("nan"), 1000, "not a rate"),
    ],
)
def test_rates_that_cannot_be_promised(fpr: float, n: int, needed: str) -> None:
    with pytest.raises(UsageError, match=needed):
        calibration.check_rate(fpr, n)


@pytest.mark.parametrize(("fpr", "n"), [(0.01, 99), (0.05, 19), (0.001, 999), (0.5, 1), (0.9, 1)])
def test_rates_that_can_be_promised_can_be_reached(fpr: float, n: int) -> None:
    calibration.check_rate(fpr, n)
    assert calibration.p_values(np.array([1.0]), np.zeros(n))[0] <= fpr


@pytest.mark.parametrize("share", [0.5, 0.05, 0.9])
def test_platt_finds_the_logistic_at_equal_priors_whatever_the_classes_share(share: float) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(60000) < share).astype(np.int64)
    # Two normal densities at -1 and +1 with deviation s have the log-odds 2 x / s**2 at equal priors.
    scores = rng.normal(2.0 * y - 1, 1.5)
    slope, intercept = calibration.platt(scores + 3, y)
    assert slope == pytest.approx(2 / 1.5**2, rel=0.05)
    assert intercept == pytest.approx(-3 * slope, abs=0.08)


@pytest.mark.parametrize("factor", [0.1, 1.0, 20.0])
def test_temperature_finds_the_factor_that_was_taken_out(factor: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 4))
    y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    assert calibration.temperature(logits / factor, y) == pytest.approx(factor, rel=0.05)
