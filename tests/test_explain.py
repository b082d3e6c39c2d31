"""Contributions add up to the score, whatever the text and the model, and lie where the text says."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_detect import artifacts
from ai_detect.errors import UsageError
from ai_detect.explain import explain, windows
from ai_detect.explanation import ExplainedRow, ExplainReport, Explanation
from ai_detect.ngrams import NgramSpec
from ai_detect.predictor import Predictor
from ai_detect.profiles import Curve, Profile
from ai_detect.reading import read
from ai_detect.scorer import HeuristicScorer, LinearScorer
from ai_detect.text import PackedTexts, canonical_text

SPECS = [
    NgramSpec((1, 3), n_bits=10),
    NgramSpec((2, 4), n_bits=10, lowercase=True),
    NgramSpec((0, 0), (2, 4), 10),
    NgramSpec((1, 2), (1, 3), 10),
]
everyday = st.text(
    alphabet=st.sampled_from(
        "ab C1.,!?'\"-\n\t*_\u2019\u2026\u2014\u00e9\u0430\u200b\u00a0\u00bd\U0001f600\u0301"
    ),
    max_size=120,
)
repetitive = st.lists(st.sampled_from(["no", "No.", "never", "\u0430nd", "x\u2026"])).map(" ".join)
texts = st.one_of(everyday, repetitive, st.text(max_size=80))


def random_predictor(spec: NgramSpec, *, n_classes: int = 2, only_used: bool = False) -> Predictor:
    """A model with a weight for every bucket, or for every third."""
    rng = np.random.default_rng(0)
    n_outputs = 1 if n_classes == 2 else n_classes
    weights = rng.standard_normal((spec.n_features, 1 + n_outputs)).astype(np.float32)
    weights[:, 0] = 1 + abs(weights[:, 0])
    used = np.arange(0, spec.n_features, 3 if only_used else 1)
    classes = ("human", "llm") if n_classes == 2 else tuple("abcdefgh"[:n_classes])
    scorer = LinearScorer(spec, used, weights[used], rng.standard_normal(n_outputs))
    curve = Curve.of(rng.standard_normal(200))
    general = Profile("general", "people at random", (0,), (curve,), 200)
    profiles = {"general": general} if n_classes == 2 else {}
    return Predictor(scorer, classes, n_classes == 2, profiles, 0.0, {})


MODELS = [
    random_predictor(spec, n_classes=n_classes, only_used=only_used)
    for spec in SPECS
    for n_classes, only_used in ((2, False), (2, True), (4, True))
]


@pytest.fixture(scope="module")
def predictor(trained: Path) -> Predictor:
    return Predictor.from_files(artifacts.load(trained / "data" / "model"))


def total(explanation: Explanation) -> float:
    return sum(token.contribution for token in explanation.tokens) + explanation.intercept


@given(texts, st.sampled_from(MODELS))
def test_contributions_add_up_to_the_score(text: str, model: Predictor) -> None:
    explanation = explain(model, text, fpr=0.05)
    scores = model.score(PackedTexts.pack([text]))[0][0]
    assert explanation.score == (scores[0] if len(scores) == 1 else scores.max())
    assert total(explanation) == pytest.approx(explanation.score, abs=1e-4)
    sentences = sum(sentence.contribution for sentence in explanation.sentences)
    assert sentences == pytest.approx(explanation.score - explanation.intercept, abs=1e-4)


@given(texts, st.booleans())
def test_a_reading_is_the_canonical_form(text: str, lowercase: bool) -> None:
    text = text.encode("utf-8", "replace").decode()
    reading = read(text, lowercase=lowercase)
    assert reading.canonical == canonical_text(text, lowercase=lowercase)
    tokens = [
        reading.canonical[first:last]
        for first, last in zip(reading.first, reading.last, strict=True)
    ]
    assert tokens == [token for token in reading.canonical.split(" ") if token]


@given(texts)
@example("0\x85")
@example("\x85 One.\x85\x85 Two")
def test_places_lie_in_the_text_in_order(text: str) -> None:
    explanation = explain(MODELS[0], text, fpr=0.05)
    starts = [token.start for token in explanation.tokens]
    assert starts == sorted(starts)
    for token in explanation.tokens:
        assert 0 <= token.start < token.end <= len(text)
    ends = [0]
    for sentence in explanation.sentences:
        assert ends[-1] <= sentence.start < sentence.end <= len(text)
        for edge in (text[sentence.start], text[sentence.end - 1]):
            assert edge == "\x85" or not edge.isspace()
        ends.append(sentence.end)
    for token in explanation.tokens:
        assert any(s.start <= token.start and token.end <= s.end for s in explanation.sentences)


def test_tokens_are_found_where_they_stand() -> None:
    text = "  The c\u0430t\u200b\u2019s \u201chat\u201d\u2026 \u00bd"
    explanation = explain(MODELS[0], text, fpr=0.05)
    assert [text[token.start : token.end] for token in explanation.tokens] == [
        *("The", "c\u0430t", "\u2019", "s", "\u201c", "hat", "\u201d", "\u2026", "\u2026"),
        *("\u2026", "\u00bd", "\u00bd", "\u00bd"),
    ]


def test_occurrences_share_equally_and_unknown_ngrams_have_no_say() -> None:
    spec = NgramSpec((1, 1), n_bits=16)
    model = random_predictor(spec)
    assert isinstance(model.scorer, LinearScorer)
    tokens = explain(model, "no yes no no", fpr=0.05).tokens
    assert tokens[0].contribution == tokens[2].contribution == tokens[3].contribution
    assert tokens[0].contribution not in (0, tokens[1].contribution)
    nothing = LinearScorer(spec, np.arange(0), np.zeros((0, 2), np.float32), model.scorer.intercept)
    unknown = replace(model, scorer=nothing)
    explanation = explain(unknown, "no yes no no", fpr=0.05)
    assert [token.contribution for token in explanation.tokens] == [0, 0, 0, 0]
    assert explanation.score == explanation.intercept
    assert explanation.levels() == [0]
    assert explanation.ngrams_for == explanation.ngrams_against == ()


def test_the_heaviest_ngrams_are_named_as_the_text_has_them() -> None:
    text = "In  conclusion,\nit is. In  conclusion, it was."
    explanation = explain(random_predictor(NgramSpec((1, 2), n_bits=20)), text, fpr=0.05)
    ngrams = {n.text: n for n in (*explanation.ngrams_for, *explanation.ngrams_against)}
    assert ngrams["In conclusion"].count == 2
    assert ngrams["conclusion,"].count == 2
    assert sum(n.contribution for n in ngrams.values()) == pytest.approx(
        explanation.score - explanation.intercept
    )
    endless = explain(MODELS[0], "a" * 1000, fpr=0.05)
    assert len((*endless.ngrams_for, *endless.ngrams_against)[0].text) == 80


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\u200b ", []),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("Mr. A. Smith can't. He won't. It is 3.14.", ["Mr. A. Smith can't.", "He won't.", "It is 3.14."]),
        ("Title\n\nA line\nbroken in two", ["Title", "A line\nbroken in two"]),
        ("Wait\u2026 what?!", ["Wait\u2026", "what?!"]),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    explanation = explain(MODELS[0], text, fpr=0.05)
    assert [text[s.start : s.end] for s in explanation.sentences] == expected
    shares = sum(sentence.share for sentence in explanation.sentences)
    assert shares == pytest.approx(1.0 if expected else 0.0)


def test_many_classes_are_explained_by_the_predicted_one() -> None:
    model = random_predictor(SPECS[0], n_classes=4)
    explanation = explain(model, "Some words of any kind.", fpr=0.05)
    found = model.predict(PackedTexts.pack(["Some words of any kind."]))
    assert explanation.target == explanation.prediction == model.classes[found.scores[0].argmax()]
    assert explanation.probability == found.probability[0].max()
    assert (explanation.verdict, explanation.p_value, explanation.promise) == ("", None, "")
    assert explanation.rival == "all others"
    assert explanation.headline == f"Most probable class: {explanation.target}"


def test_a_model_without_words_is_refused() -> None:
    scorer = HeuristicScorer(np.zeros(1), np.ones(1), np.zeros((1, 1)), np.zeros(1))
    with pytest.raises(UsageError, match="--model=ensemble"):
        explain(replace(MODELS[0], scorer=scorer), "text", fpr=0.05)


@pytest.mark.parametrize("fpr", [0.05, 0.01, 0.001])
def test_the_threshold_is_where_the_verdict_begins(fpr: float) -> None:
    words = "the word " * 60
    model = MODELS[0]
    threshold = explain(model, words, fpr=fpr).threshold
    if fpr == 0.001:  # 200 human texts cannot promise that
        assert threshold is None
        assert "cannot be promised" in explain(model, words, fpr=fpr).promise
        return
    assert threshold is not None
    assert isinstance(model.scorer, LinearScorer)
    base = model.score(PackedTexts.pack([words]))[0][0] - model.scorer.intercept
    for shift, is_llm in ((1e-9, True), (-1e-9, False)):
        intercept = np.log(threshold / (1 - threshold)) - base + shift
        moved = replace(model, scorer=replace(model.scorer, intercept=intercept))
        assert (explain(moved, words, fpr=fpr).verdict == "llm") is is_llm


def test_the_threshold_and_the_promise_are_those_of_the_profile_for_the_length() -> None:
    curves = (Curve.of(np.arange(100.0)), Curve.of(np.arange(100.0) / 100))
    profile = Profile("school", "the pupils of one school", (50, 100), curves, 200)
    for n_words, curve in ((20, curves[0]), (60, curves[0]), (300, curves[1])):
        explanation = explain(MODELS[0], "word " * n_words, fpr=0.05, profile=profile)
        score = curve.threshold(0.05)
        assert score is not None
        assert explanation.threshold == 1 / (1 + np.exp(-score))
        assert explanation.p_value == curve(np.array([explanation.score]))[0]
        assert explanation.n_human == 200
        assert explanation.promise == (
            "The promise is for the pupils of one school: of 1000 of them, at most 50 are expected to be called llm."
        )
    found = explain(MODELS[0], "word " * 400, fpr=0.05, profile=profile, with_windows=True).windows
    assert found == windows(MODELS[0], "word " * 400, profile=profile)
    assert found != windows(MODELS[0], "word " * 400)


def test_an_explanation_says_what_a_prediction_says(predictor: Predictor) -> None:
    text = (
        "Moreover, it is im\u0440ortant to note\u200b that **learning** matters. I like it alot. "
        * 6
    )
    found = predictor.predict(PackedTexts.pack([text]))
    explanation = explain(predictor, text, fpr=0.05)
    assert ([explanation.verdict], [explanation.reason]) == predictor.verdicts(found, 0.05)
    assert explanation.probability == found.probability[0, 1]
    assert explanation.p_value == found.p_value[0]
    assert explanation.words == found.words[0]
    assert explanation.obfuscation == found.obfuscation[0] == 12
    assert explanation.undone == {
        "typography": 0, "markdown": 24, "invisible": 6, "lookalike": 6, "odd_space": 0,
    }  # fmt: skip
    assert total(explanation) == pytest.approx(explanation.score, abs=1e-4)
    again = json.loads(json.dumps(explanation.to_dict()))
    assert again["sentences"][0] == {
        "start": 0,
        "end": text.index(".") + 1,
        "contribution": explanation.sentences[0].contribution,
        "share": explanation.sentences[0].share,
    }
    assert text not in json.dumps(again)


def test_as_text_marks_sentences_and_lets_no_character_act(predictor: Predictor) -> None:
    text = "\x1b[31mI think so. \u202eMoreover, it is important.\n\nThe end."
    explanation = explain(predictor, text, fpr=0.05)
    plain = explanation.as_text(colour=False)
    assert plain == str(explanation)  # under pytest stdout is no terminal
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    assert "<U+001B>[31mI think so." in plain
    assert f"[{explanation.sentences[1].contribution:+.1f}] <U+202E>Moreover" in plain
    assert plain.startswith("unsure: under 50 words\nprobability of llm 0.")
    assert (
        "The promise is for each population of human texts among the training texts: of 1000 of them, at most 50 are"
        in " ".join(plain.split())
    )
    coloured = explanation.as_text(colour=True)
    assert "\x1b[38;5;16;48;5;" in coloured
    assert "<U+001B>[31m" in coloured


@pytest.mark.parametrize(
    ("environment", "colour"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(
    environment: dict[str, str],
    colour: bool,
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = str(explain(predictor, "I think so. Moreover, it is important.", fpr=0.05))
    assert ("\x1b[" in shown) is colour


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))
def test_windows_cover_the_text(n_words: int, size: int, step: int) -> None:
    text = " ".join(f"word{i}, " for i in range(n_words))
    if step > size:
        with pytest.raises(UsageError, match="do not cover"):
            windows(MODELS[0], text, size_words=size, step_words=step)
        return
    found = windows(MODELS[0], text, size_words=size, step_words=step)
    if n_words == 0:
        assert found == ()
        return
    assert (found[0].start, found[-1].end) == (0, len(text))
    for window in found:
        assert len(text[window.start : window.end].split()) == min(size, n_words)
    for left, right in pairwise(found):
        assert left.start < right.start <= left.end


def test_windows_show_which_half_is_generated(predictor: Predictor) -> None:
    human = "i dont think so becuase my freind told me alot of stuff about his dog and stuff. "
    llm = "Moreover, it is important to note that education plays a crucial role in society. "
    found = windows(predictor, human * 10 + llm * 10, size_words=100, step_words=50)
    assert found[0].probability < 0.5 < found[-1].probability
    whole = windows(predictor, human * 3)
    alone = predictor.predict(PackedTexts.pack([human * 3]))
    assert [(w.probability, w.p_value) for w in whole] == [
        (alone.probability[0, 1], alone.p_value[0])
    ]


def test_windows_come_with_an_explanation_if_asked_for(predictor: Predictor) -> None:
    text = "Moreover, it is important. " * 60
    explanation = explain(predictor, text, fpr=0.05, with_windows=True)
    assert explanation.windows == windows(predictor, text)
    assert len(explanation.windows) > 1
    assert str(explanation).count("\n  characters ") == len(explanation.windows)
    assert explain(predictor, text, fpr=0.05).windows == ()


def test_rows_print_in_full_or_say_which_file_has_them(predictor: Predictor) -> None:
    explanation = explain(predictor, "Moreover.", fpr=0.05)
    report = ExplainReport(
        (
            ExplainedRow("7\x1b", explanation.headline, explanation=explanation),
            ExplainedRow("8", explanation.headline, file="reports/2.html"),
            ExplainedRow("9", "empty text"),
        )
    )
    assert str(report) == (
        f"=== 7<U+001B>: No verdict: under 50 words\n{explanation}\n\n"
        "8: No verdict: under 50 words -> reports/2.html\n9: empty text"
    )
    rows = report.to_dict()["rows"]
    assert rows[0]["explanation"] == explanation.to_dict()
    assert rows[1] == {
        "id": "8", "headline": explanation.headline, "file": "reports/2.html", "explanation": None,
    }  # fmt: skip


def test_windows_of_many_classes_tell_of_the_class_of_the_whole() -> None:
    model = random_predictor(SPECS[0], n_classes=4)
    text = "Some words of any kind. " * 20
    found = windows(model, text, size_words=40, step_words=20)
    whole = model.predict(PackedTexts.pack([text])).probability[0].argmax()
    first = model.predict(PackedTexts.pack([text[found[0].start : found[0].end]]))
    assert found[0].probability == first.probability[0, whole]
    assert found[0].p_value is None
