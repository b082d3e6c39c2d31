"""A model folder at work: what is read from it, what is refused, and how good it is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ai_detect import artifacts
from ai_detect.artifacts import ModelFiles
from ai_detect.data import Corpus, read_corpus
from ai_detect.errors import ArtifactError, UsageError
from ai_detect.labels import encode_labels
from ai_detect.predictor import Predictor
from ai_detect.profiles import Curve, Profile
from ai_detect.text import PackedTexts

SAMPLE = Path(__file__).parents[1] / "data" / "sample"


@pytest.fixture(scope="module")
def files(trained: Path) -> ModelFiles:
    return artifacts.load(trained / "data" / "model")


@pytest.fixture(scope="module")
def predictor(files: ModelFiles) -> Predictor:
    return Predictor.from_files(files)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(str(SAMPLE / "test.csv"))


def test_the_quality_has_a_floor_and_a_ceiling(
    trained: Path, predictor: Predictor, corpus: Corpus
) -> None:
    # Above the ceiling the sample would leak: its classes are made to overlap.
    y = encode_labels(corpus.labels)[1]
    assert 0.85 < roc_auc_score(y, predictor.score(corpus.texts)[0][:, 0]) < 0.995
    out_of_fold = predictor.manifest["metrics"]["out_of_fold"]["roc_auc"]["value"]
    assert 0.85 < out_of_fold < 0.995


def test_predictions_agree_with_each_other(predictor: Predictor, corpus: Corpus) -> None:
    found = predictor.predict(corpus.texts)
    scores, words = predictor.score(corpus.texts, n_jobs=3)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_array_equal(found.words, words)
    np.testing.assert_allclose(found.probability.sum(axis=1), 1)
    np.testing.assert_allclose(
        np.log(found.probability[:, 1] / found.probability[:, 0]), found.scores[:, 0]
    )
    expected = predictor.profile().p_values(found.scores[:, 0], found.words)
    np.testing.assert_array_equal(found.p_value, expected)
    assert (found.words >= 50).all()
    assert (found.function_words >= 0.12 * found.words).all()
    assert found.words.shape == found.obfuscation.shape == (len(corpus.texts),)


def test_p_values_are_those_of_the_profile_that_is_asked_for(
    predictor: Predictor, corpus: Corpus
) -> None:
    curves = (Curve.of(np.zeros(9)), Curve.of(np.zeros(19)))
    other = Profile("other", "of some", (0, 150), curves, 28)
    found, general = predictor.predict(corpus.texts, other), predictor.predict(corpus.texts)
    expected = np.where(found.words < 150, 0.1, 0.05)
    np.testing.assert_array_equal(found.p_value, np.where(found.scores[:, 0] > 0, expected, 1.0))
    np.testing.assert_array_equal(found.scores, general.scores)
    assert (found.p_value != general.p_value).any()


def test_batches_and_threads_do_not_change_a_bit(predictor: Predictor, corpus: Corpus) -> None:
    whole = predictor.predict(corpus.texts).scores
    pieces = corpus.texts.split(7)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(predictor.predict, pieces))
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), whole)


def test_verdicts_are_the_thresholds_of_the_profile(predictor: Predictor, corpus: Corpus) -> None:
    found = predictor.predict(corpus.texts)
    profile = predictor.profile()
    scores = found.scores[:, 0]
    for fpr in (0.05, 0.01):
        profile.check_rate(fpr)
        called, reasons = predictor.verdicts(found, fpr)
        thresholds = np.array([profile.curve(int(n)).threshold(fpr) for n in found.words], float)
        np.testing.assert_array_equal(np.array(called) == "llm", scores >= thresholds)
        is_human = (scores < predictor.human_below) & (scores < thresholds)
        np.testing.assert_array_equal(np.array(called) == "human", is_human)
        assert all(
            (verdict == "unsure") == bool(reason)
            for verdict, reason in zip(called, reasons, strict=True)
        )
    with pytest.raises(UsageError, match="cannot be promised"):
        profile.check_rate(0.001)  # 200 human texts cannot promise it
    assert {profile.curve(int(n)).threshold(0.001) for n in found.words} == {None}
    assert "llm" not in predictor.verdicts(found, 0.001)[0]


def test_few_texts_of_models_are_called_human(predictor: Predictor, corpus: Corpus) -> None:
    y = encode_labels(corpus.labels)[1]
    called = np.array(predictor.verdicts(predictor.predict(corpus.texts), 0.05)[0])
    assert predictor.manifest["human_below"]["miss_rate"] == 0.05
    assert np.mean(called[y == 1] == "human") <= 0.1
    assert np.mean(called[y == 0] == "human") >= 0.3


def test_few_human_texts_are_accused(predictor: Predictor, corpus: Corpus) -> None:
    found = predictor.predict(corpus.texts)
    called = np.array(predictor.verdicts(found, 0.05)[0])
    y = encode_labels(corpus.labels)[1]
    assert np.mean(called[y == 0] == "llm") <= 0.15
    assert np.mean(called[y == 1] == "llm") >= 0.3


def test_hidden_characters_are_undone_and_counted(predictor: Predictor) -> None:
    plain = "The people of the town went home, and nobody said a word about it. " * 6
    hidden = plain.replace("e", "\u0435").replace("town", "to\u200bwn").replace(" a ", "\u2003a ")
    found = predictor.predict(PackedTexts.pack([plain, hidden, plain.replace(",", "\u201a")]))
    assert found.scores[0] == found.scores[1]
    assert found.obfuscation.tolist() == [0, plain.count("e") + 6 + 6, 0]
    assert len(set(found.words[:2])) == 1


def test_no_texts_no_predictions(predictor: Predictor) -> None:
    found = predictor.predict(PackedTexts.pack([]))
    assert found.probability.shape == (0, 2)
    scores, words = predictor.score(PackedTexts.pack([]), n_jobs=2)
    assert (scores.shape, words.shape) == ((0, 1), (0,))
    assert predictor.verdicts(found, 0.05) == ([], [])


def without(mapping: dict[str, Any], *path: str) -> dict[str, Any]:
    """The mapping without one entry, however deep."""
    first, *rest = path
    if not rest:
        return {key: value for key, value in mapping.items() if key != first}
    return mapping | {first: without(mapping[first], *rest)}


@pytest.mark.parametrize(
    "name",
    ["buckets", "idf", "coef", "intercept", "profile_general_0_breaks", "profile_general_0_p"],
)
def test_a_missing_array_is_refused(files: ModelFiles, name: str) -> None:
    with pytest.raises(ArtifactError, match=rf"not understood.*{name}.*train again"):
        Predictor.from_files(replace(files, arrays=without(files.arrays, name)))


@pytest.mark.parametrize(
    "path",
    [
        ("task",), ("task", "classes"), ("task", "detection"), ("config",), ("config", "model"),
        ("ngrams",), ("ngrams", "word_ngrams"), ("ngrams", "n_bits"), ("ngrams", "lowercase"),
        ("profiles",), ("profiles", "general"), ("profiles", "general", "min_words"),
        ("profiles", "general", "population"), ("profiles", "general", "texts"),
        ("human_below",), ("human_below", "score"), ("normalisation",),
    ],
    ids=".".join,
)  # fmt: skip
def test_a_missing_key_is_refused(files: ModelFiles, path: tuple[str, ...]) -> None:
    with pytest.raises(ArtifactError, match=rf"not understood.*{path[-1]}.*train again"):
        Predictor.from_files(replace(files, manifest=without(files.manifest, *path)))


@pytest.mark.parametrize(
    ("manifest", "arrays"),
    [
        ({"task": None}, {}),
        ({"task": {"classes": ["a", "b", "c"], "detection": False}}, {}),
        ({"ngrams": "1,3"}, {}),
        ({"profiles": {}}, {}),
        ({"profiles": ["general"]}, {}),
        ({"profiles": {"general": {"population": "", "min_words": [], "texts": 1}}}, {}),
        ({"human_below": 0.0}, {}),
        ({"human_below": {"score": "low"}}, {}),
        ({"normalisation": "0" * 64}, {}),
        ({}, {"buckets": np.arange(3, dtype=np.uint32)}),
        ({}, {"idf": np.ones(3, np.float32)}),
        ({}, {"intercept": np.zeros(2)}),
        ({}, {"profile_general_0_p": np.ones(2)}),
        ({}, {"profile_general_0_breaks": np.array(["a"]), "profile_general_0_p": np.ones(2)}),
    ],
)
def test_content_that_does_not_fit_is_refused(
    files: ModelFiles, manifest: dict[str, Any], arrays: dict[str, Any]
) -> None:
    changed = ModelFiles(files.manifest | manifest, files.arrays | arrays)
    with pytest.raises(ArtifactError, match="not understood"):
        Predictor.from_files(changed)


def test_buckets_out_of_range_are_refused(files: ModelFiles) -> None:
    ngrams = files.manifest["ngrams"] | {"n_bits": 8}
    with pytest.raises(ArtifactError, match="not understood"):
        Predictor.from_files(replace(files, manifest=files.manifest | {"ngrams": ngrams}))


def test_other_tasks_have_labels_and_no_verdicts(files: ModelFiles) -> None:
    task = {"classes": ["cats", "dogs"], "detection": False}
    changed = replace(files, manifest=files.manifest | {"task": task, "profiles": {}})
    predictor = Predictor.from_files(changed)
    found = predictor.predict(PackedTexts.pack(["a text"]))
    assert found.p_value.size == 0
    with pytest.raises(UsageError, match="human/llm models; this one tells 2 classes"):
        predictor.profile()


def test_a_profile_that_is_not_there_is_refused(predictor: Predictor) -> None:
    assert predictor.profile() is predictor.profile("general")
    with pytest.raises(UsageError, match="no profile letters; it has general"):
        predictor.profile("letters")
