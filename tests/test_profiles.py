"""p-values and thresholds, worked by hand and as laws, and whom the promise holds for."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_detect import profiles
from ai_detect.calibration import PROMISED_RATES
from ai_detect.errors import UsageError
from ai_detect.profiles import Curve, Profile

# Scores as a model keeps them: float32 numbers, in coarse steps so that ties are the rule.
HUMANS = st.lists(st.integers(-30, 30).map(lambda i: float(np.float32(i / 7))), max_size=250)
RATES = st.one_of(st.sampled_from(PROMISED_RATES), st.floats(1e-6, 0.999))
Float64Array = npt.NDArray[np.float64]


def curve_of(human: Any) -> Curve:
    return Curve.of(np.asarray(human, np.float64))


def around(*curves: Curve) -> Float64Array:
    """Every place where one of the curves can step, and just beside it."""
    breaks = np.concatenate([curve.breaks for curve in curves])
    beside = (np.nextafter(breaks, np.inf), np.nextafter(breaks, -np.inf))
    return np.concatenate((breaks, *beside, np.linspace(-6, 6, 50), [-np.inf, np.inf]))


def profile_of(
    scores: Any, words: Any, groups: Any, *, bands: tuple[int, ...] = (50, 100), min_texts: int = 5
) -> Profile:
    return profiles.build(
        "general",
        "each population",
        np.asarray(scores, np.float64),
        np.asarray(words),
        np.asarray(groups, object),
        bands=bands,
        min_texts=min_texts,
    )


def assert_same(found: Curve, expected: Curve) -> None:
    np.testing.assert_array_equal(found.breaks, expected.breaks)
    np.testing.assert_array_equal(found.p, expected.p)


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
    human = np.arange(n, dtype=float)
    threshold = Curve.of(human).threshold(fpr)
    if expected is None:
        assert threshold is None
    else:
        assert threshold == np.nextafter(float(expected), np.inf)
        assert np.sum(human >= threshold) == n - 1 - expected


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
    assert curve_of(human).threshold(0.01) == np.nextafter(above, np.inf)


def test_a_rate_of_one_is_reached_by_every_score() -> None:
    assert curve_of([1.0, 2.0]).threshold(1.0) == -np.inf


@given(HUMANS, st.lists(st.floats(-5, 5, width=32), max_size=20))
@example([1.0] * 19, [])
@example([float(np.float32(0.1))] * 999, [])
def test_a_p_value_is_at_most_the_rate_exactly_from_the_threshold_up(
    human: list[float], others: list[float]
) -> None:
    curve = curve_of(human)
    for fpr in PROMISED_RATES:
        threshold = curve.threshold(fpr)
        at = [] if threshold is None else [threshold]
        scores = np.array([*around(curve), *others, *at])
        reached = np.zeros(len(scores), bool) if threshold is None else scores >= threshold
        np.testing.assert_array_equal(curve(scores) <= fpr, reached)


@given(st.lists(HUMANS, min_size=1, max_size=3), RATES)
def test_so_it_is_for_any_rate_and_for_worst_and_thinned_curves(
    humans: list[list[float]], fpr: float
) -> None:
    curve = Curve.worst([curve_of(human) for human in humans])
    for one in (curve, curve.thinned()):
        threshold = one.threshold(fpr)
        scores = around(curve)
        reached = np.zeros(len(scores), bool) if threshold is None else scores >= threshold
        np.testing.assert_array_equal(one(scores) <= fpr * (1 + 1e-12), reached)


@given(HUMANS)
def test_a_higher_rate_never_has_a_higher_threshold(human: list[float]) -> None:
    curve = curve_of(human)
    found = {fpr: curve.threshold(fpr) for fpr in sorted(PROMISED_RATES)}
    scores = [np.inf if score is None else score for score in found.values()]
    assert scores == sorted(scores, reverse=True)
    if human:
        achieved = [np.mean(np.array(human) >= score) for score in scores]
        assert all(share <= fpr for share, fpr in zip(achieved, found, strict=True))


@given(HUMANS, st.integers(0, 2**32 - 1))
def test_the_order_of_the_human_texts_does_not_matter(human: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(human)
    assert_same(curve_of(shuffled), curve_of(human))


def test_p_values_by_hand() -> None:
    found = curve_of([1.0, 2.0, 2.0, 3.0])(np.array([0.0, 1.0, 2.0, 2.5, 3.0, 4.0]))
    np.testing.assert_allclose(found, np.array([5, 5, 4, 2, 2, 1]) / 5)
    np.testing.assert_array_equal(curve_of([])(np.array([0.0, 9.0])), [1, 1])


@given(HUMANS, st.lists(st.floats(-5, 5), max_size=20))
def test_a_p_value_counts_the_human_texts_at_least_as_high(
    human: list[float], scores: list[float]
) -> None:
    curve = curve_of(human)
    for score in scores:
        counted = (1 + sum(one >= score for one in human)) / (1 + len(human))
        assert curve(np.array([score]))[0] == counted
    assert curve.floor == 1 / (1 + len(human))


@given(HUMANS)
def test_p_values_fall_with_the_score(human: list[float]) -> None:
    p = curve_of(human)(np.linspace(-6, 6, 50))
    assert (np.diff(p) <= 0).all()
    assert ((p > 0) & (p <= 1)).all()


@given(st.lists(HUMANS, min_size=1, max_size=4))
def test_the_worst_of_curves_is_their_maximum_everywhere(humans: list[list[float]]) -> None:
    curves = [curve_of(human) for human in humans]
    worst = Curve.worst(curves)
    scores = around(*curves)
    expected = np.max([curve(scores) for curve in curves], axis=0)
    np.testing.assert_array_equal(worst(scores), expected)
    assert worst.floor == max(curve.floor for curve in curves)


@given(st.lists(HUMANS, min_size=1, max_size=2))
@example([np.linspace(-3, 3, 5000).tolist()])
def test_thinning_never_lowers_a_p_value_and_hardly_raises_one(humans: list[list[float]]) -> None:
    curve = Curve.worst([curve_of(human) for human in humans])
    thinned = curve.thinned()
    scores = around(curve)
    p, full = thinned(scores), curve(scores)
    assert (p >= full).all()
    assert (p <= 1.024 * full).all()
    assert thinned.floor == curve.floor
    assert p.max() == full.max() == 1.0
    assert len(thinned.breaks) <= min(len(curve.breaks), 1 + 100 * np.log10(1 / curve.floor))
    assert_same(thinned.thinned(), thinned)


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
            curve = Curve.of(human)
            called = curve(fresh) <= fpr
            score = curve.threshold(fpr)
            assert score is not None
            np.testing.assert_array_equal(called, fresh >= score)
            shares.append(called.mean())
        error = np.std(shares) / np.sqrt(len(shares))
        assert np.mean(shares) <= fpr + 4 * error
        if steps > 3 and (n + 1) * fpr % 1 == 0:  # and nothing is given away
            assert np.mean(shares) >= fpr - 4 * error


@pytest.mark.parametrize("shift", [0.0, 2.0], ids=["alike", "unlike"])
def test_the_promise_of_a_profile_holds_for_each_population_and_length(shift: float) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 400)
    words = np.tile([60, 160], 400)

    def draw() -> Float64Array:
        # The second population scores higher, and so do longer texts.
        return rng.normal(shift * (groups == "b") + 0.5 * (words > 100))

    shares: dict[tuple[str, int], list[float]] = {}
    pooled = []
    for _ in range(200):
        scores, fresh = draw(), draw()
        profile = profile_of(scores, words, groups, min_texts=100)
        called = profile.p_values(fresh, words) <= 0.05
        pooled.append(np.mean(Curve.of(scores)(fresh[groups == "b"]) <= 0.05))
        for group, length in ((g, w) for g in "ab" for w in (60, 160)):
            here = (groups == group) & (words == length)
            shares.setdefault((group, length), []).append(float(called[here].mean()))
    for each in shares.values():
        assert np.mean(each) <= 0.05 + 4 * np.std(each) / np.sqrt(len(each))
    if shift:  # one curve over all would not do: its highest texts are nearly all of one population
        assert np.mean(pooled) > 0.08


def test_each_band_has_the_worst_of_its_populations() -> None:
    rng = np.random.default_rng(0)
    scores, words = rng.normal(size=60), np.tile([50, 99, 100, 500], 15)
    groups = np.repeat(["a", "b", "c"], 20)
    profile = profile_of(scores, words, groups)
    assert profile.min_words == (50, 100)
    assert profile.n_texts == 60
    for curve, in_band in zip(profile.curves, (words < 100, words >= 100), strict=True):
        curves = [Curve.of(scores[in_band & (groups == group)]) for group in "abc"]
        assert_same(curve, Curve.worst(curves).thinned())
    for length in (0, 49, 50, 99):
        assert profile.curve(length) is profile.curves[0]
    for length in (100, 10**6):
        assert profile.curve(length) is profile.curves[1]


@given(HUMANS.filter(len), st.integers(0, 2**32 - 1))
def test_p_values_are_those_of_the_curve_for_the_length(human: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 200, len(human))
    profile = profile_of(human, words, rng.choice(["a", "b"], len(human)))
    scores = rng.normal(size=30)
    lengths = rng.integers(0, 300, 30)
    found = profile.p_values(scores, lengths)
    for p, score, length in zip(found, scores, lengths, strict=True):
        assert p == profile.curve(int(length))(np.array([score]))[0]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"a": 6, "b": 5}, ["a", "b"]),
        ({"a": 6, "b": 3, "c": 2}, ["a", "bc"]),  # small ones are taken together
        ({"a": 6, "b": 3, "c": 1}, ["a"]),  # and left out if that is still too few
        ({"a": 3, "b": 2}, ["ab"]),
        ({"a": 2, "b": 2}, ["ab"]),  # all there is
        ({"a": 1}, ["a"]),
    ],
)
def test_small_populations(sizes: dict[str, int], expected: list[str]) -> None:
    groups = np.array([name for name, n in sizes.items() for _ in range(n)])
    scores = np.random.default_rng(0).normal(size=len(groups))
    profile = profile_of(scores, np.full(len(groups), 70), groups, bands=(50, 100))
    assert profile.min_words == (50,)
    curves = [Curve.of(scores[np.isin(groups, list(names))]) for names in expected]
    assert_same(profile.curves[0], Curve.worst(curves).thinned())
    assert profile.n_texts == len(groups)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([60] * 5 + [150] * 4 + [250] * 5, (50, 200)),
        ([60] * 4 + [150] * 5, (100,)),
        ([20] * 9 + [150] * 5, (100,)),
        ([60, 150, 250], (50,)),
    ],
)
def test_bands_of_few_texts_are_judged_by_another_one(
    lengths: list[int], expected: tuple[int, ...]
) -> None:
    words = np.array(lengths)
    scores = np.random.default_rng(0).normal(size=len(words))
    profile = profile_of(scores, words, ["a"] * len(words), bands=(50, 100, 200))
    assert profile.min_words == expected
    stops = {50: 100, 100: 200, 200: 10**9}
    for start, curve in zip(profile.min_words, profile.curves, strict=True):
        here = (words >= start) & (words < stops[start])
        # With too few texts in every band there is one curve, of all texts.
        assert_same(curve, Curve.of(scores[here] if len(words) > 3 else scores).thinned())
    assert profile.curve(0) is profile.curves[0]
    assert profile.curve(150) is profile.curves[0]


@given(st.lists(HUMANS.filter(len), min_size=1, max_size=3))
def test_profiles_come_back_from_manifest_and_arrays(humans: list[list[float]]) -> None:
    made = []
    for number, human in enumerate(humans):
        words = np.tile([60, 120], len(human))[: len(human)]
        profile = profile_of(human, words, ["a"] * len(human))
        made.append(
            Profile(
                f"p_{number}",
                "of some",
                profile.min_words,
                profile.curves,
                profile.n_texts + number,
            )
        )
    described, arrays = profiles.to_arrays(made)
    again = profiles.from_arrays(json.loads(json.dumps(described, allow_nan=False)), arrays)
    assert list(again) == [profile.name for profile in made]
    for profile in made:
        back = again[profile.name]
        assert (back.name, back.population) == (profile.name, profile.population)
        assert (back.min_words, back.n_texts) == (profile.min_words, profile.n_texts)
        assert described[profile.name]["floor"] == back.floor == profile.floor
        for found, expected in zip(back.curves, profile.curves, strict=True):
            assert_same(found, expected)


@pytest.mark.parametrize(
    ("described", "arrays", "error"),
    [
        ({"min_words": [0, 9]}, {}, KeyError),
        ({"min_words": []}, {}, ValueError),
        ({"min_words": None}, {}, TypeError),
        ({}, {"profile_general_0_p": np.ones(9)}, ValueError),
        ({}, {"profile_general_0_breaks": np.array(["a", "b"])}, ValueError),
    ],
    ids=["an array too few", "no curve", "no list", "lengths", "words"],
)
def test_arrays_that_do_not_fit_are_refused(
    described: dict[str, Any], arrays: dict[str, Any], error: type[Exception]
) -> None:
    profile = Profile("general", "of some", (0,), (curve_of([1.0, 2.0]),), 2)
    entries, curves = profiles.to_arrays([profile])
    with pytest.raises(error):
        profiles.from_arrays({"general": entries["general"] | described}, curves | arrays)


@pytest.mark.parametrize(
    ("fpr", "n", "message"),
    [
        (0.01, 98, "98 human texts, and the smallest rate they support is 0.0101"),
        (0.05, 18, "smallest rate they support is 0.05263"),
        (0.001, 500, "smallest rate they support is 0.001996"),
        (0.5, 0, "smallest rate they support is 1"),
        (0.003, 300, "smallest rate they support is 0.003322"),
        (1e-300, 10, "smallest rate they support is 0.09091"),
        (1e-320, 10, "cannot be promised by the profile general"),
        (0.0, 1000, "not a rate"),
        (1.0, 1000, "not a rate"),
        (-0.1, 1000, "not a rate"),
        (5, 1000, "not a rate"),
        (float("nan"), 1000, "not a rate"),
    ],
)
def test_rates_that_cannot_be_promised(fpr: float, n: int, message: str) -> None:
    profile = Profile("general", "of some", (0,), (Curve.of(np.zeros(n)),), n)
    with pytest.raises(UsageError, match=message):
        profile.check_rate(fpr)


@pytest.mark.parametrize(("fpr", "n"), [(0.01, 99), (0.05, 19), (0.001, 999), (0.5, 1), (0.9, 1)])
def test_rates_that_can_be_promised_can_be_reached(fpr: float, n: int) -> None:
    profile = Profile("general", "of some", (0,), (Curve.of(np.zeros(n)),), n)
    profile.check_rate(fpr)
    assert profile.p_values(np.array([1.0]), np.array([80]))[0] <= fpr


def test_a_rate_is_promised_for_every_length_or_not_at_all() -> None:
    curves = (Curve.of(np.zeros(99)), Curve.of(np.zeros(19)))
    profile = Profile("general", "of some", (50, 100), curves, 118)
    assert profile.floor == 0.05
    profile.check_rate(0.05)
    with pytest.raises(UsageError, match=r"smallest rate they support is 0\.05\."):
        profile.check_rate(0.01)
