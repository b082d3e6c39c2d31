"""The heuristic baseline: features worked out by hand; scikit-learn as the oracle for the rest."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ai_detect.heuristic import FEATURES, HeuristicClassifier, HeuristicFeatures
from ai_detect.text import PackedTexts

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample" / "train.csv"

# Seven words in sentences of four and three; the marks , . ; ? once each.
BALANCED = "However, I don't know. It's fine; really?"
HURRIED = "i think i’m right. we dont know!"
REPEATING = "The cat, the cat, the cat."


def measure(text: str) -> dict[str, float]:
    values = HeuristicFeatures().transform([text])[0]
    return dict(zip(HeuristicFeatures.names, values.tolist(), strict=True))


@pytest.fixture(scope="module")
def sample() -> tuple[list[str], np.ndarray, np.ndarray]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([int(row["generated"]) for row in rows])
    return [row["text"] for row in rows], labels, np.array([row["prompt_id"] for row in rows])


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (BALANCED, "words per sentence", 7 / 2),
        (BALANCED, "spread of sentence length", 0.5 / 3.5),
        (BALANCED, "commas per word", 1 / 7),
        (BALANCED, "semicolons and colons per word", 1 / 7),
        (BALANCED, "question and exclamation marks per sentence", 1 / 2),
        (BALANCED, "variety of punctuation", 2.0),
        (BALANCED, "connectives per word", 1 / 7),
        (BALANCED, "contractions per word", 2 / 7),
        (BALANCED, "distinct words", 1.0),
        (BALANCED, "letters per word", (7 + 1 + 5 + 4 + 4 + 4 + 6) / 7),
        (BALANCED, "long words", 0.0),
        (BALANCED, "first-person words", 1 / 7),
        (BALANCED, "missing capitals per sentence", 0.0),
        (BALANCED, "misspellings per word", 0.0),
        (HURRIED, "first-person words", 3 / 7),
        (HURRIED, "missing capitals per sentence", 3 / 2),
        (HURRIED, "misspellings per word", 1 / 7),
        (HURRIED, "contractions per word", 1 / 7),
        (REPEATING, "distinct words", 2 / 6),
        (REPEATING, "distinct word pairs", 2 / 5),
        (REPEATING, "variety of punctuation", -(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))),
        (REPEATING, "spread of sentence length", 0.0),
        ("la " * 100, "distinct words", 1 / 50),
        ("On the other hand, for example, hence.", "connectives per word", 3 / 7),
        ("Important responsibilities matter.", "long words", 2 / 3),
        ("It costs 3.5 dollars (I think.) Yes.", "words per sentence", 6 / 2),
        ("Really...  Yes!!!", "words per sentence", 1.0),
        ("At 7:30: done", "semicolons and colons per word", 1 / 2),
        ("It cost 1,000, then 2,500", "commas per word", 1 / 3),
    ],
)
def test_feature_values_worked_out_by_hand(text, name, expected):
    assert measure(text)[name] == pytest.approx(expected)


def test_feature_names_are_unique_and_each_feature_varies_on_the_sample(sample):
    assert len(set(HeuristicFeatures.names)) == len(FEATURES)
    values = HeuristicFeatures().transform(sample[0])
    assert (values.std(axis=0) > 0).all()


@pytest.mark.parametrize("text", ["", " \n", "...", "12 345", "?!", "\N{GRINNING FACE}"])
def test_a_text_without_words_gives_zeros(text):
    assert not any(measure(text).values())


@given(st.text())
def test_any_text_gives_finite_values(text):
    assert np.isfinite(HeuristicFeatures().transform([text])).all()


@pytest.mark.parametrize("space", ["\n", "  ", "\n\n", "\t", "\N{NO-BREAK SPACE}"])
def test_whitespace_and_the_kind_of_quote_say_nothing(sample, space):
    texts = sample[0][:20]
    other = [space + text.replace(" ", space).replace("'", "’") + space for text in texts]
    np.testing.assert_array_equal(
        HeuristicFeatures().transform(other), HeuristicFeatures().transform(texts)
    )


def test_a_text_said_twice_keeps_its_values_besides_repetition(sample):
    for text in sample[0][:20]:
        once, twice = measure(text), measure(f"{text} {text}")
        for name in set(once) - {"distinct words", "distinct word pairs"}:
            assert twice[name] == pytest.approx(once[name])


def test_packed_texts_and_strings_give_the_same(sample):
    texts = sample[0][:10]
    np.testing.assert_array_equal(
        HeuristicFeatures().transform(PackedTexts.pack(texts)), HeuristicFeatures().transform(texts)
    )


@pytest.mark.parametrize("task", ["two classes", "three classes"])
def test_it_is_logistic_regression_on_standardised_features(sample, task):
    texts, labels, prompts = sample
    y = (
        labels
        if task == "two classes"
        else np.array(["homework", "later", "other"])[
            np.select([prompts == "homework", prompts == "later_start"], [0, 1], 2)
        ]
    )
    oracle = make_pipeline(
        FunctionTransformer(HeuristicFeatures().transform),
        StandardScaler(),
        LogisticRegression(C=0.5, max_iter=1000),
    ).fit(texts, y)
    model = HeuristicClassifier(C=0.5).fit(texts, y)
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            getattr(model, method)(texts), getattr(oracle, method)(texts), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_array_equal(model.predict(texts), oracle.predict(texts))
    np.testing.assert_array_equal(model.classes_, oracle.classes_)


def test_scikit_learn_takes_it_as_a_classifier(sample):
    texts, labels, prompts = sample
    model = clone(HeuristicClassifier().set_params(C=0.1))
    assert model.get_params() == {"C": 0.1}
    assert is_classifier(model)
    scores = cross_val_predict(
        model, texts, labels, groups=prompts, cv=StratifiedGroupKFold(3), method="decision_function"
    )
    assert 0.9 < roc_auc_score(labels, scores) < 0.995


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="no setting 'c', only C"):
        HeuristicClassifier().set_params(c=1)


def test_a_saved_model_predicts_the_same_without_scikit_learn(sample, tmp_path):
    texts, labels, _ = sample
    model = HeuristicClassifier().fit(texts, labels)
    np.savez(tmp_path / "model.npz", **model.to_arrays())
    (tmp_path / "text.txt").write_text(texts[0], encoding="utf-8")
    program = """
import sys
import numpy as np
from ai_detect.heuristic import HeuristicClassifier
arrays = dict(np.load("model.npz", allow_pickle=False))
text = open("text.txt", encoding="utf-8").read()
print(repr(float(HeuristicClassifier.from_arrays(arrays, [0, 1]).predict_proba([text])[0, 1])))
assert not {"sklearn", "pandas"} & sys.modules.keys()
"""
    root = str(SAMPLE.parents[2])
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(result.stdout) == model.predict_proba(texts[:1])[0, 1]


def test_a_saved_model_keeps_its_classes(sample):
    texts, labels, _ = sample
    names = np.array(["human", "llm"])[labels]
    model = HeuristicClassifier().fit(texts, names)
    again = HeuristicClassifier.from_arrays(model.to_arrays(), ["human", "llm"])
    np.testing.assert_array_equal(again.predict(texts), model.predict(texts))
