"""What may be said about a text: probabilities at a prior, and verdicts with their reasons."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_detect import My_TextClassifier_Model, calibration
from ai_detect.calibration import Evidence
from ai_detect.errors import UsageError

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SHARES = st.floats(1e-6, 1 - 1e-6)


def evidence(
    p: float, score: float, words: int = 100, function_words: int = 40, obfuscation: int = 0
) -> Evidence:
    counts = (np.array([count], np.int32) for count in (words, function_words, obfuscation))
    return Evidence(np.array([p]), np.array([score]), *counts)


@pytest.mark.parametrize(
    ("p", "score", "words", "verdict", "reason"),
    [
        (0.01, 3.0, 50, "llm", ""),
        (0.001, 3.0, 500, "llm", ""),
        (0.001, -1.0, 500, "llm", ""),  # the verdict rests on the p-value
        (0.001, -9.0, 500, "llm", ""),  # even where most LLM texts score higher
        (0.0101, 3.0, 500, "unsure", "between thresholds"),
        (0.5, 0.0, 500, "unsure", "between thresholds"),
        (0.5, -1.5, 500, "unsure", "between thresholds"),
        (0.5, -1.501, 500, "human", ""),
        (1.0, -9.0, 50, "human", ""),
        (0.001, 9.0, 49, "unsure", "under 50 words"),
        (1.0, -9.0, 49, "unsure", "under 50 words"),
        (1.0, 0.0, 0, "unsure", "under 50 words"),
    ],
)
def test_verdicts(p: float, score: float, words: int, verdict: str, reason: str) -> None:
    found = evidence(p, score, words, function_words=words // 2)
    assert calibration.verdicts(found, fpr=0.01, human_below=-1.5) == ([verdict], [reason])


LLM, BETWEEN, HUMAN = (0.001, 3.0), (0.2, 0.0), (0.9, -3.0)


@pytest.mark.parametrize(
    ("p_and_score", "words", "function_words", "obfuscation", "verdict", "reason"),
    [
        # English has 12 function words in 100.
        (LLM, 100, 12, 0, "llm", ""),
        (LLM, 100, 11, 0, "unsure", "not English"),
        (BETWEEN, 100, 11, 0, "unsure", "not English"),
        (HUMAN, 100, 12, 0, "human", ""),
        (HUMAN, 100, 11, 0, "unsure", "not English"),
        (HUMAN, 1000, 0, 900, "unsure", "not English"),
        (HUMAN, 49, 0, 900, "unsure", "under 50 words"),
        # Hidden characters: 5 or more, and 5 in 100 words.
        (HUMAN, 100, 40, 4, "human", ""),
        (HUMAN, 100, 40, 5, "unsure", "obfuscated"),
        (HUMAN, 60, 40, 4, "human", ""),
        (HUMAN, 200, 40, 9, "human", ""),
        (HUMAN, 200, 40, 10, "unsure", "obfuscated"),
        (BETWEEN, 100, 40, 5, "unsure", "obfuscated"),
        (BETWEEN, 100, 40, 4, "unsure", "between thresholds"),
        (LLM, 100, 40, 90, "llm", ""),  # hiding does not help
    ],
)
def test_reasons_not_to_say(
    p_and_score: tuple[float, float],
    words: int,
    function_words: int,
    obfuscation: int,
    verdict: str,
    reason: str,
) -> None:
    found = evidence(*p_and_score, words, function_words, obfuscation)
    assert calibration.verdicts(found, fpr=0.01, human_below=-1.5) == ([verdict], [reason])


def test_texts_are_judged_one_by_one() -> None:
    cases = list(itertools.product((LLM, BETWEEN, HUMAN), (49, 100), (0, 40), (0, 30)))
    rows = [evidence(*values, *counts) for values, *counts in cases]
    together = Evidence(
        *(
            np.concatenate([getattr(row, name) for row in rows])
            for name in ("p_value", "score", "words", "function_words", "obfuscation")
        )
    )
    called, reasons = calibration.verdicts(together, fpr=0.01, human_below=-1.5)
    alone = [calibration.verdicts(row, fpr=0.01, human_below=-1.5) for row in rows]
    assert [([one], [why]) for one, why in zip(called, reasons, strict=True)] == alone
    assert set(called) == {"human", "llm", "unsure"}
    assert set(reasons) == {
        "", "under 50 words", "not English", "obfuscated", "between thresholds",
    }  # fmt: skip
    assert {type(value) for value in called + reasons} == {str}
    nothing = Evidence(*(np.zeros(0) for _ in range(5)))  # type: ignore[arg-type]
    assert calibration.verdicts(nothing, fpr=0.01, human_below=0.0) == ([], [])


@pytest.mark.parametrize("fpr", [0.05, 0.01, 0.001])
def test_a_p_value_of_just_the_rate_is_enough(fpr: float) -> None:
    for p, verdict in ((fpr, "llm"), (fpr * (1 + 1e-9), "unsure")):
        assert calibration.verdicts(evidence(p, 3.0), fpr=fpr, human_below=0.0)[0] == [verdict]


@given(st.lists(st.just(0.0) | st.floats(1e-300, 1)))
def test_at_equal_priors_a_probability_stays(probability: list[float]) -> None:
    stated = np.array(probability)
    np.testing.assert_array_equal(calibration.shifted(stated, 0.5), stated)


@given(SHARES, SHARES)
def test_a_prior_adds_its_log_odds(probability: float, prior: float) -> None:
    (found,) = calibration.shifted(np.array([probability]), prior)
    odds = probability / (1 - probability) * prior / (1 - prior)
    assert found == pytest.approx(odds / (1 + odds), rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.lists(SHARES, min_size=2, max_size=2))
def test_more_likely_stays_more_likely(probability: list[float], prior: list[float]) -> None:
    (low, high), (rare, common) = sorted(probability), sorted(prior)
    values = np.array([low, high])
    first, second = calibration.shifted(values, rare)
    assert 0 <= first <= second * (1 + 1e-12) <= 1 + 1e-12
    assert (
        calibration.shifted(values, rare) <= calibration.shifted(values, common) * (1 + 1e-12)
    ).all()
    # What is sure stays sure.
    np.testing.assert_array_equal(calibration.shifted(np.array([0.0, 1.0]), rare), [0, 1])


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_what_is_no_share_is_no_prior(prior: float) -> None:
    with pytest.raises(UsageError, match=r"--prior=.* is not a share: give the share of LLM texts"):
        calibration.shifted(np.zeros(0), prior)


def test_a_prior_moves_probabilities_and_no_verdict(trained: Path, tmp_path: Path) -> None:
    classifier = My_TextClassifier_Model(data_dir=str(trained / "data"))
    tables = []
    for prior in (0.02, 0.5, 0.9):
        output = tmp_path / f"{prior}.csv"
        classifier.predict(
            dataset=str(SAMPLE / "test.csv"),
            output=str(output),
            details=True,
            fpr=0.05,
            prior=prior,
        )
        with output.open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.DictReader(file)))
    for rare, even, common in zip(*tables, strict=True):
        low, stated, high = (float(row.pop("generated")) for row in (rare, even, common))
        assert low < stated < high
        assert low == pytest.approx(calibration.shifted(np.array([stated]), 0.02)[0])
        assert rare == even == common
    verdicts = {row["verdict"] for row in tables[0]}
    assert verdicts >= {"human", "llm"}
    texts = [
        classifier.predict(text="I think so, and so do they. " * 10, prior=prior)
        for prior in (0.02, 0.9)
    ]
    assert len({text.verdict for text in texts}) == 1  # type: ignore[union-attr]
    assert len({text.probability for text in texts}) == 2  # type: ignore[union-attr]


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
