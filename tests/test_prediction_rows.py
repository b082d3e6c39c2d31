"""The rows of results.csv: a valid Kaggle submission, bad rows in their place."""

import numpy as np
import pytest

from ai_detect.data import Batch
from ai_detect.errors import UsageError
from ai_detect.ngrams import NgramSpec
from ai_detect.predictor import Predictions, Predictor
from ai_detect.profiles import Curve, Profile
from ai_detect.results import prediction_rows, results_header
from ai_detect.scorer import LinearScorer, probabilities
from ai_detect.text import PackedTexts


def predictor(*classes: str) -> Predictor:
    n_outputs = 1 if len(classes) == 2 else len(classes)
    weights = np.ones((1 << 4, 1 + n_outputs), np.float32)
    scorer = LinearScorer(
        NgramSpec((1, 1), n_bits=4), np.zeros(0, np.int32), weights, np.zeros(n_outputs)
    )
    general = Profile("general", "of some", (0,), (Curve.of(np.linspace(-3, 3, 99)),), 99)
    is_detector = classes == ("human", "llm")
    return Predictor(
        scorer, classes, is_detector, {"general": general} if is_detector else {}, 0.0, {}
    )


DETECTOR = predictor("human", "llm")
INTENTS = predictor("card", "fee", "pin")


def batch(n: int, problems: dict[int, str]) -> Batch:
    return Batch([f"id{row}" for row in range(n)], PackedTexts.pack([""] * n), None, None, problems)


def predictions(scores: list[list[float]], words: int = 80) -> Predictions:
    array = np.array(scores)
    n = len(array)
    p_value = (1.0 + np.arange(n)) / 100 if array.shape[1] == 1 else np.empty(0)
    return Predictions(
        array,
        probabilities(array),
        np.full(n, words, np.int32),
        np.full(n, words // 2, np.int32),
        np.arange(n, dtype=np.int32),
        np.zeros(n),
        p_value,
    )


@pytest.mark.parametrize(
    ("model", "details", "header"),
    [
        (DETECTOR, False, "id generated"),
        (DETECTOR, True, "id generated verdict words p_value obfuscation reason"),
        (INTENTS, False, "id label probability"),
        (predictor("cats", "dogs"), False, "id label probability"),
    ],
)
def test_header(model: Predictor, details: bool, header: str) -> None:
    assert results_header(model, details=details) == tuple(header.split())


def test_details_are_for_detection() -> None:
    with pytest.raises(UsageError, match="--details goes with human/llm models; this one tells 3"):
        results_header(INTENTS, details=True)


def test_rows_of_a_detector() -> None:
    found = predictions([[2.0], [-2.0], [1.0]])
    rows, called = prediction_rows(
        DETECTOR, batch(3, {}), found, fpr=0.01, prior=0.5, details=False
    )
    assert [row[0] for row in rows] == ["id0", "id1", "id2"]
    np.testing.assert_allclose(
        [float(str(row[1])) for row in rows], found.probability[:, 1], rtol=0
    )
    assert called == ["llm", "human", "unsure"]


def test_rows_with_details() -> None:
    found = predictions([[0.0], [-2.0], [1.0]])
    rows, called = prediction_rows(
        DETECTOR, batch(3, {1: "empty text"}), found, fpr=0.01, prior=0.5, details=True
    )
    assert rows == [
        ("id0", 0.5, "llm", 80, 0.01, 0, ""),
        ("id1", "", "", "", "", "", "empty text"),
        ("id2", float(found.probability[2, 1]), "unsure", 80, 0.03, 2, "between thresholds"),
    ]
    assert called == ["llm", "unsure"]
    assert {len(row) for row in rows} == {len(results_header(DETECTOR, details=True))}


def test_a_prior_moves_the_probability_and_nothing_else() -> None:
    found = predictions([[2.0], [-2.0], [1.0]])
    even, rare = (
        prediction_rows(DETECTOR, batch(3, {}), found, fpr=0.01, prior=prior, details=True)
        for prior in (0.5, 0.1)
    )
    assert [row[2:] for row in even[0]] == [row[2:] for row in rare[0]]
    assert even[1] == rare[1]
    shown = [float(str(row[1])) for row in rare[0]]
    np.testing.assert_allclose(shown, 1 / (1 + 9 * np.exp([-2.0, 2.0, -1.0])))


def test_short_texts_are_unsure() -> None:
    rows, called = prediction_rows(
        DETECTOR, batch(1, {}), predictions([[9.0]], words=49), fpr=0.01, prior=0.5, details=True
    )
    assert called == ["unsure"]
    assert rows[0][-1] == "under 50 words"


def test_rows_of_classes() -> None:
    found = predictions([[5.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 1.0, 0.0]])
    rows, called = prediction_rows(
        INTENTS, batch(3, {2: "no text"}), found, fpr=0.01, prior=0.5, details=False
    )
    top = float(np.exp(5) / (np.exp(5) + 2))
    assert rows == [
        ("id0", "card", pytest.approx(top)), ("id1", "pin", pytest.approx(top)), ("id2", "", ""),
    ]  # fmt: skip
    assert called == ["card", "pin"]


@pytest.mark.parametrize("model", [DETECTOR, INTENTS], ids=["detector", "intents"])
def test_values_are_plain_and_need_no_rounding(model: Predictor) -> None:
    n_outputs = 1 if model is DETECTOR else 3
    scores = np.random.default_rng(0).normal(size=(4, n_outputs)).tolist()
    details = model is DETECTOR
    rows, _ = prediction_rows(
        model,
        batch(4, {3: "empty text"}),
        predictions(scores),
        fpr=0.01,
        prior=0.5,
        details=details,
    )
    assert {type(value) for row in rows for value in row} <= {str, int, float}


def test_a_batch_of_bad_rows_only() -> None:
    problems = dict.fromkeys(range(2), "empty text")
    rows, called = prediction_rows(
        DETECTOR,
        batch(2, problems),
        predictions([[0.0], [0.0]]),
        fpr=0.01,
        prior=0.5,
        details=False,
    )
    assert rows == [("id0", ""), ("id1", "")]
    assert called == []
