"""Training: folds that keep groups together, a blend that is a sum, and scores that were not seen in training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, SGDClassifier

from ai_detect import calibration, ensemble, metrics
from ai_detect.config import TrainConfig
from ai_detect.ensemble import assign_folds, fit_blend
from ai_detect.errors import DataError
from ai_detect.features import HashedTfidf
from ai_detect.heuristic import HeuristicFeatures
from ai_detect.scorer import HeuristicScorer, LinearScorer, probabilities
from ai_detect.text import PackedTexts

CONFIG = TrainConfig(word_ngrams=(1, 2), char_ngrams=(0, 0), n_bits=12)
TOPICS = {
    "card": "my card was lost or stolen please block the card",
    "rate": "what exchange rate applies to foreign currency today",
    "pin": "the pin code is blocked how can i change my pin",
    "top": "top up failed with apple pay on the account balance",
    "fee": "why was i charged a fee for cash withdrawal abroad",
}


def objects(values: object) -> npt.NDArray[np.object_]:
    return np.array(values, object)


def toy(n: int, n_classes: int, seed: int = 0) -> tuple[PackedTexts, npt.NDArray[np.int64]]:
    """Texts of random words of their topic, with some words of the other topics."""
    rng = np.random.default_rng(seed)
    words = [topic.split() for topic in list(TOPICS.values())[:n_classes]]
    common = [word for topic in words for word in topic]
    y = np.arange(n) % n_classes
    texts = [" ".join([*rng.choice(words[label], 6), *rng.choice(common, 3)]) for label in y]
    return PackedTexts.pack(texts), y


def own_groups(y: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    return objects([str(row) for row in range(len(y))])


def in_every_training_part(y: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]) -> bool:
    return all(set(y[folds != fold]) == set(y) for fold in np.unique(folds))


@settings(max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda k: st.lists(
            st.tuples(st.integers(0, k - 1), st.integers(0, 8)), min_size=10, max_size=60
        )
    ),
    st.integers(2, 20),
    st.integers(0, 3),
)
def test_groups_stay_together_and_classes_are_never_missing(
    rows: list[tuple[int, int]], n_folds: int, seed: int
) -> None:
    y = np.unique([label for label, _ in rows], return_inverse=True)[1]
    groups = objects([f"g{group}" for _, group in rows])
    if len(set(y)) < 2:
        return
    folds = assign_folds(y, groups, n_folds, seed)
    assert len(folds) == len(y)
    assert 2 <= len(np.unique(folds)) <= n_folds
    np.testing.assert_array_equal(folds, assign_folds(y, groups, n_folds, seed))
    is_whole = all(len(set(folds[groups == group])) == 1 for group in set(groups))
    if min(len(set(groups[y == label])) for label in set(y)) == len(set(groups)) > 1:
        assert is_whole, "every class is in every group, so nothing speaks against whole groups"
    if min(np.bincount(y)) >= 2:
        assert in_every_training_part(y, folds)
    for fold in np.unique(folds):  # whatever the corpus, something can be learnt
        assert len(set(y[folds != fold])) >= 2 or (len(set(y)) == 2 and min(np.bincount(y)) == 1)


def test_texts_are_dealt_out_singly_where_whole_groups_would_leave_a_class_out() -> None:
    y = np.array([0] * 8 + [1, 1])
    groups = objects(
        [*"aaaaaaab", "b", "c"]
    )  # both groups of the second class end up in one of two folds
    assert in_every_training_part(y, assign_folds(y, groups, 2, 0))


def test_groups_that_hold_every_class_stay_whole() -> None:
    y = np.tile([0, 0, 1], 20)
    groups = objects([f"g{row // 6}" for row in range(60)])
    folds = assign_folds(y, groups, 5, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))


def test_classes_are_spread_evenly() -> None:
    y = np.repeat([0, 1], [400, 100])
    groups = objects([f"g{row % 50}" for row in range(500)])
    folds = assign_folds(y, groups, 5, 0)
    np.testing.assert_allclose(np.bincount(folds[y == 0]), 80, atol=8)
    np.testing.assert_allclose(np.bincount(folds[y == 1]), 20, atol=4)


def test_more_groups_than_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "_MAX_GROUPS", 30)
    y = np.arange(600) % 2
    groups = objects([f"g{row // 3}" for row in range(600)])
    folds = assign_folds(y, groups, 5, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert np.bincount(folds).min() > 60
    assert in_every_training_part(y, folds)


@pytest.mark.parametrize("n_folds", [2, 5, 20])
@pytest.mark.parametrize(
    "groups",
    [["one"] * 30, ["a"] * 15 + ["b"] * 15],
    ids=["one group", "a class in one group"],
)
def test_texts_are_dealt_out_where_groups_cannot_be(groups: list[str], n_folds: int) -> None:
    y = np.repeat([0, 1], 15)
    folds = assign_folds(y, objects(groups), n_folds, 0)
    assert len(np.unique(folds)) == n_folds
    assert in_every_training_part(y, folds)
    assert np.ptp(np.bincount(folds[y == 0], minlength=n_folds)) <= 1


def test_fewer_groups_than_folds_make_fewer_folds() -> None:
    y = np.arange(30) % 2
    groups = objects([f"g{row // 10}" for row in range(30)])
    assert len(np.unique(assign_folds(y, groups, 5, 0))) == 3


def test_folds_depend_on_the_seed() -> None:
    y = np.arange(100) % 2
    assert (assign_folds(y, own_groups(y), 5, 0) != assign_folds(y, own_groups(y), 5, 1)).any()


@pytest.fixture(scope="module")
def two_classes() -> tuple[PackedTexts, npt.NDArray[np.int64]]:
    return toy(120, 2)


def arrays_of(trained: ensemble.Trained) -> dict[str, bytes]:
    found = {name: array.tobytes() for name, array in trained.scorer.to_arrays().items()}
    return found | {"out_of_fold": trained.out_of_fold.tobytes()}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(n_classes: int) -> None:
    texts, y = toy(90, n_classes)
    first = arrays_of(ensemble.train(texts, y, own_groups(y), CONFIG, n_jobs=1))
    second = arrays_of(ensemble.train(texts, y, own_groups(y), CONFIG, n_jobs=2))
    assert first == second
    other = CONFIG.override(seed=1)
    third = arrays_of(ensemble.train(texts, y, own_groups(y), other, n_jobs=1))
    assert third["coef"] != first["coef"]
    assert third["out_of_fold"] != first["out_of_fold"]
    assert third["idf"] == first["idf"]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("char_ngrams", [(0, 0), (2, 3)])
def test_a_score_is_the_blend_of_the_matrix(n_classes: int, char_ngrams: tuple[int, int]) -> None:
    texts, y = toy(60, n_classes)
    config = CONFIG.override(char_ngrams=char_ngrams)
    trained = ensemble.train(texts, y, own_groups(y), config)
    tfidf = HashedTfidf(word_ngrams=(1, 2), char_ngrams=char_ngrams, n_bits=12)
    X = tfidf.fit_transform(texts)
    folds = assign_folds(y, own_groups(y), config.n_folds, config.seed)
    used = np.flatnonzero(tfidf.idf_)
    members = ensemble.TWO_CLASSES if n_classes == 2 else ensemble.ENSEMBLE
    blend = fit_blend(X[:, used], y, np.ones(len(y)), folds, members, config, 1)
    scores, _ = trained.scorer.decision_function(texts)
    np.testing.assert_allclose(scores, X[:, used] @ blend.coef + blend.intercept, atol=1e-4)
    np.testing.assert_allclose(trained.out_of_fold, blend.out_of_fold)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_blend_is_the_mean_of_its_members_in_units_of_their_spread(n_classes: int) -> None:
    texts, y = toy(90, n_classes)
    rows = np.flatnonzero((y > 0) | (np.arange(90) % 4 == 0))  # few texts of the first class
    y, config = y[rows], CONFIG.override(seed=7)
    X = HashedTfidf(word_ngrams=(1, 1), n_bits=12).fit_transform(texts.take(rows))
    folds = assign_folds(y, own_groups(y), 3, 0)
    weight = "balanced" if n_classes == 2 else None
    members = (
        LogisticRegression(C=30.0, tol=6e-4, max_iter=300, class_weight=weight),
        SGDClassifier(loss="modified_huber", alpha=1e-5, class_weight=weight, random_state=7),
    )
    coef, intercept, scores = 0.0, 0.0, 0.0
    for member in members:
        held_out = np.zeros((len(y), 1 if n_classes == 2 else n_classes))
        for fold in np.unique(folds):
            member.fit(X[folds != fold], y[folds != fold])
            held_out[folds == fold] = member.decision_function(X[folds == fold]).reshape(
                -1, held_out.shape[1]
            )
        member.fit(X, y)
        coef = coef + member.coef_.T / held_out.std() / 2
        intercept = intercept + member.intercept_ / held_out.std() / 2
        scores = scores + held_out / held_out.std() / 2
    if n_classes == 2:
        slope, shift = calibration.platt(scores[:, 0], y)
    else:
        slope, shift = calibration.temperature(scores, y), 0.0
    blend = fit_blend(X, y, np.ones(len(y)), folds, ensemble.ENSEMBLE, config, 1)
    np.testing.assert_allclose(blend.coef, slope * coef, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(blend.intercept, slope * intercept + shift, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(blend.out_of_fold, slope * scores + shift, rtol=1e-4, atol=1e-6)


def test_weights_are_kept_for_the_buckets_in_use_alone(
    two_classes: tuple[PackedTexts, npt.NDArray[np.int64]],
) -> None:
    texts, y = two_classes
    scorer = ensemble.train(texts, y, own_groups(y), CONFIG).scorer
    assert isinstance(scorer, LinearScorer)
    used = np.unique(HashedTfidf(word_ngrams=(1, 2), n_bits=12).fit_transform(texts).indices)
    arrays = scorer.to_arrays()
    np.testing.assert_array_equal(arrays["buckets"], used)
    assert arrays["coef"].shape == (len(used), 1)
    assert len(used) < 1 << 12
    full = ensemble.train(texts, y, own_groups(y), CONFIG.override(n_bits=8, word_ngrams=(1, 8)))
    assert len(full.scorer.to_arrays()["buckets"]) == 1 << 8


def test_out_of_fold_scores_tell_the_classes_apart_and_are_calibrated(
    two_classes: tuple[PackedTexts, npt.NDArray[np.int64]],
) -> None:
    texts, y = two_classes
    scores = ensemble.train(texts, y, own_groups(y), CONFIG).out_of_fold
    assert scores.shape == (len(y), 1)
    assert metrics.roc_auc(y, scores[:, 0]) > 0.9
    assert metrics.expected_calibration_error(y, probabilities(scores)[:, 1], 5) < 0.1


def test_a_word_that_gives_a_group_away_does_not_help_out_of_fold() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(10) % 2, 12)
    group = np.repeat(np.arange(10), 12)
    noise = [" ".join(rng.choice(list("abcdefghij"), 8)) for _ in y]
    marked = [f"marker{g} marker{g} {text}" for g, text in zip(group, noise, strict=True)]
    packed = PackedTexts.pack(marked)
    held_out = ensemble.train(packed, y, objects([f"g{g}" for g in group]), CONFIG).out_of_fold
    leaked = ensemble.train(packed, y, own_groups(y), CONFIG).out_of_fold
    assert metrics.roc_auc(y, leaked[:, 0]) > 0.99
    assert metrics.roc_auc(y, held_out[:, 0]) < 0.75
    # The calibrated score says as much: it does not claim to know.
    assert np.abs(held_out).mean() < 1.0 < np.abs(leaked).mean()


def test_five_classes() -> None:
    texts, y = toy(200, 5)
    trained = ensemble.train(texts, y, own_groups(y), CONFIG)
    assert trained.out_of_fold.shape == (200, 5)
    assert np.mean(trained.out_of_fold.argmax(axis=1) == y) > 0.9
    fresh, labels = toy(100, 5, seed=1)
    scores, _ = trained.scorer.decision_function(fresh)
    probability = probabilities(scores)
    assert np.mean(probability.argmax(axis=1) == labels) > 0.9
    assert probability.max(axis=1).mean() == pytest.approx(0.95, abs=0.06)


def test_a_class_that_is_missing_from_a_fold_gets_no_votes_there() -> None:
    texts, y = toy(61, 2)
    y = y.copy()
    y[-1] = 2
    trained = ensemble.train(texts, y, own_groups(y), CONFIG)
    assert np.isfinite(trained.out_of_fold).all()
    assert trained.out_of_fold[-1].argmin() == 2
    assert np.mean(trained.out_of_fold[:-1].argmax(axis=1) == y[:-1]) > 0.8


class Fixed:
    """A member that says which class it was fitted on, whatever the text."""

    def __init__(self, config: TrainConfig) -> None:
        del config

    def fit(self, X: Any, y: npt.NDArray[np.int64], sample_weight: Any) -> "Fixed":
        del sample_weight
        self.classes_ = np.unique(y)
        self.coef_, self.intercept_ = np.zeros((3, X.shape[1])), np.zeros(3)
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        if len(self.classes_) == 2:
            return np.full(X.shape[0], 4.0)
        return np.tile([1.0, 2.0, 3.0], (X.shape[0], 1))


def test_votes_of_two_remaining_classes_go_to_the_right_columns() -> None:
    y = np.array([0, 0, 1, 1, 2, 2])
    folds = np.array([0, 1, 0, 1, 2, 2])  # the third training part lacks class 2
    scores = sum(
        ensemble._score_held_out(
            folds == fold, np.zeros((6, 1)), y, np.ones(6), {"fixed": Fixed}, CONFIG
        )["fixed"]
        for fold in range(3)
    )
    np.testing.assert_array_equal(scores[:4], np.tile([1.0, 2.0, 3.0], (4, 1)))
    np.testing.assert_array_equal(scores[4:], np.tile([-4.0, 4.0, -4.0], (2, 1)))


def test_the_heuristic_model() -> None:
    human = "i dont know. it's what my freind said! why? because i like it so much lol"
    llm = "Furthermore, education is important. Moreover, it fosters development. Additionally, it matters."
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    texts = PackedTexts.pack(
        " ".join(rng.choice((human, llm)[label].split(), 30)) + "." for label in y
    )
    config = CONFIG.override(model="heuristic")
    trained = ensemble.train(texts, y, own_groups(y), config)
    assert isinstance(trained.scorer, HeuristicScorer)
    assert metrics.roc_auc(y, trained.out_of_fold[:, 0]) > 0.95
    scores, _ = trained.scorer.decision_function(texts)
    assert metrics.roc_auc(y, scores[:, 0]) > 0.95
    features = HeuristicFeatures().transform(texts)
    np.testing.assert_allclose(trained.scorer.mean, features.mean(axis=0))
    constant = features.std(axis=0) == 0
    assert constant.any()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("texts", "y", "changed", "message"),
    [
        (["a b"] * 9 + ["c"], [0] * 9 + [1], {}, "one text only"),
        ([f"word{i}" for i in range(20)], [0, 1] * 10, {"min_df": 2}, "smaller --min_df"),
        ([" \u200b "] * 20, [0, 1] * 10, {}, "No n-gram"),
        ([f"word{i}" for i in range(20)], [0, 1] * 10, {"word_ngrams": (1, 1)}, "Nothing in these"),
        (["a b"] * 20, [0, 1] * 10, {"model": "heuristic"}, "Nothing in these"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    texts: list[str], y: list[int], changed: dict[str, Any], message: str
) -> None:
    labels = np.array(y)
    with pytest.raises(DataError, match=message):
        ensemble.train(
            PackedTexts.pack(texts), labels, own_groups(labels), CONFIG.override(**changed)
        )


@pytest.mark.parametrize("changed", [{"C": 1e12}, {"C": 1e-6}, {"alpha": 1e-12}, {"alpha": 1e12}])
def test_extreme_settings_give_finite_scores(
    two_classes: tuple[PackedTexts, npt.NDArray[np.int64]], changed: dict[str, Any]
) -> None:
    texts, y = two_classes
    trained = ensemble.train(texts, y, own_groups(y), CONFIG.override(**changed))
    assert np.isfinite(trained.out_of_fold).all()
    assert all(np.isfinite(array).all() for array in trained.scorer.to_arrays().values())
