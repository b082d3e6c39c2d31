"""A training run from corpus to model: every setting counts, and the manifest says what was done."""

import json
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ai_detect import artifacts, training
from ai_detect.calibration import PROMISED_RATES
from ai_detect.config import TrainConfig
from ai_detect.data import Corpus, read_corpus
from ai_detect.errors import DataError
from ai_detect.evaluation import BinaryFigures, MulticlassFigures
from ai_detect.kernels import statistics
from ai_detect.predictor import Predictor
from ai_detect.profiles import Curve, from_arrays
from ai_detect.text import PackedTexts
from ai_detect.training import TrainedModel

Float64Array = npt.NDArray[np.float64]
SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SMALL = TrainConfig(n_bits=12, word_ngrams=(1, 2), char_ngrams=(0, 0))


def small_corpus(
    texts: list[str],
    labels: list[str],
    groups: list[str] | None = None,
    populations: list[str] | None = None,
) -> Corpus:
    rows = [str(row) for row in range(len(texts))]
    return Corpus(
        ids=rows,
        texts=PackedTexts.pack(texts),
        labels=np.array(labels, object),
        groups=np.array(groups or rows, object),
        populations=np.array(populations or ["all"] * len(rows), object),
        n_rows=len(rows) + 3,
        problems={"empty text": 1},
        n_duplicates=2,
        n_conflicting=0,
        fingerprint="f" * 64,
    )


def run(corpus: Corpus, config: TrainConfig = SMALL) -> TrainedModel:
    return training.run(corpus, config, dataset="essays.csv", package_version="9.9", n_jobs=2)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    whole = read_corpus(str(SAMPLE / "train.csv"))
    rows = np.arange(0, len(whole.ids), 3)
    return small_corpus(
        [whole.texts[row] for row in rows], list(whole.labels[rows]), list(whole.groups[rows])
    )


@pytest.fixture(scope="module")
def detector(corpus: Corpus) -> TrainedModel:
    return run(corpus)


@pytest.fixture(scope="module")
def intents() -> TrainedModel:
    words = {"card": "card lost stolen", "fee": "fee charged why", "pin": "pin code change"}
    labels = [name for name in words for _ in range(20)]
    return run(
        small_corpus([f"{words[name]} {row}" for row, name in enumerate(labels)], labels),
        TrainConfig(n_bits=10),
    )


OTHERS: dict[str, Any] = {
    "model": "heuristic",
    "word_ngrams": (1, 1),
    "char_ngrams": (2, 2),
    "n_bits": 11,
    "lowercase": True,
    "min_df": 2,
    "C": 1.0,
    "alpha": 1e-3,
    "n_folds": 2,
    "seed": 1,
}


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig)])
def test_every_setting_changes_the_model(corpus: Corpus, detector: TrainedModel, name: str) -> None:
    changed = run(corpus, SMALL.override(**{name: OTHERS[name]}))
    first, second = (
        {key: (array.shape, array.tobytes()) for key, array in model.arrays.items()}
        for model in (detector, changed)
    )
    assert first != second
    assert changed.manifest["config"][name] == OTHERS[name]


def test_the_manifest_says_what_was_done(corpus: Corpus, detector: TrainedModel) -> None:
    manifest = detector.manifest
    assert json.loads(json.dumps(manifest, allow_nan=False))
    n_llm = sum(label == "1" for label in corpus.labels)
    assert manifest["task"] == {"classes": ["human", "llm"], "detection": True}
    assert manifest["config"] == SMALL.to_dict()
    assert manifest["ngrams"] == {
        "word_ngrams": (1, 2), "char_ngrams": (0, 0), "n_bits": 12, "lowercase": False,
    }  # fmt: skip
    assert manifest["data"] == {
        "dataset": "essays.csv",
        "rows": len(corpus.ids) + 3,
        "texts": len(corpus.ids),
        "classes": {"human": len(corpus.ids) - n_llm, "llm": n_llm},
        "groups": len(set(corpus.groups)),
        "left_out": {"empty text": 1},
        "duplicates": 2,
        "conflicting": 0,
        "sha256": "f" * 64,
    }
    assert manifest["package_version"] == "9.9"
    assert {"python", "numpy", "scikit-learn"} <= set(manifest["versions"])
    figures = detector.evaluation.overall
    assert isinstance(figures, BinaryFigures)
    assert manifest["metrics"]["out_of_fold"]["roc_auc"]["value"] == figures.roc_auc.value


def human_and_llm(model: TrainedModel) -> tuple[Float64Array, Float64Array]:
    """Out-of-fold scores of either class."""
    scores, y = model.evaluation.scores[:, 0], model.evaluation.y
    return scores[y == 0], scores[y == 1]


def test_the_general_profile_is_of_the_out_of_fold_scores_of_human_texts(
    detector: TrainedModel,
) -> None:
    human, llm = human_and_llm(detector)
    general = from_arrays(detector.manifest["profiles"], detector.arrays)["general"]
    assert list(detector.manifest["profiles"]) == ["general"]
    # Too few texts for bands and populations: one curve for all.
    assert (general.min_words, general.n_texts) == ((50,), len(human))
    assert len(human) == detector.manifest["data"]["classes"]["human"]
    assert general.floor == 1 / (1 + len(human))
    expected = Curve.of(human).thinned()
    np.testing.assert_array_equal(general.curves[0].breaks, expected.breaks)
    np.testing.assert_array_equal(general.curves[0].p, expected.p)
    # Kept in full, though of scores that float32 holds exactly.
    assert general.curves[0].breaks.dtype == np.float64
    np.testing.assert_array_equal(human.astype(np.float32), human)
    rates = detector.manifest["metrics"]["out_of_fold"]["rates"]
    for rate in rates:
        threshold = general.curves[0].threshold(rate["promised_fpr"])
        reached = [np.mean(one >= threshold) if threshold else 0.0 for one in (human, llm)]
        assert [rate["achieved_fpr"]["value"], rate["tpr"]] == reached
        assert rate["achieved_fpr"]["value"] <= rate["promised_fpr"]
    assert rates[0]["tpr"] > 0


def test_a_twentieth_of_the_llm_texts_scores_lower_than_what_is_called_human(
    detector: TrainedModel,
) -> None:
    _, llm = human_and_llm(detector)
    below = detector.manifest["human_below"]
    assert below["miss_rate"] == 0.05
    assert np.mean(llm < below["score"]) == pytest.approx(0.05, abs=1 / len(llm))


def test_the_general_profile_is_for_the_worst_population_and_length(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MIN_POPULATION", 10)
    kinds = np.array(["pupils", "writers"], object)[np.arange(len(corpus.ids)) // 2 % 2]
    model = run(replace(corpus, populations=kinds))
    general = from_arrays(model.manifest["profiles"], model.arrays)["general"]
    assert set(general.min_words) <= set(training.BANDS)
    assert len(general.min_words) > 1
    scores, human = model.evaluation.scores[:, 0], model.evaluation.y == 0
    words = statistics(corpus.texts)[:, 0]
    p_values = general.p_values(scores, words)
    bands = [*general.min_words, np.inf]
    for start, stop in pairwise(bands):
        for kind in np.unique(kinds):
            here = human & (kinds == kind) & (words >= start) & (words < stop)
            if here.sum() >= 10:
                assert (p_values[here] >= Curve.of(scores[here])(scores[here])).all()
    rates = model.manifest["metrics"]["out_of_fold"]["rates"]
    assert [rate["achieved_fpr"]["value"] for rate in rates] == [
        np.mean(p_values[human] <= fpr) for fpr in PROMISED_RATES
    ]


def test_what_is_saved_predicts_the_same(
    detector: TrainedModel, corpus: Corpus, tmp_path: Path
) -> None:
    artifacts.save(tmp_path / "model", detector.manifest, detector.arrays, detector.card)
    predictor = Predictor.from_files(artifacts.load(tmp_path / "model"))
    again = Predictor.from_files(artifacts.ModelFiles(detector.manifest, detector.arrays))
    for found, expected in zip(
        predictor.score(corpus.texts), again.score(corpus.texts), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    found, expected = predictor.predict(corpus.texts), again.predict(corpus.texts)
    np.testing.assert_array_equal(found.p_value, expected.p_value)
    assert predictor.human_below == again.human_below


def test_the_time_can_be_fixed(monkeypatch: pytest.MonkeyPatch, corpus: Corpus) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first, second = run(corpus), run(corpus)
    assert first.manifest["created"] == "1970-01-02T00:00:00Z"
    assert json.dumps(first.manifest) == json.dumps(second.manifest)
    assert first.card == second.card


def test_other_tasks_have_no_profiles(intents: TrainedModel) -> None:
    assert intents.manifest["task"] == {"classes": ["card", "fee", "pin"], "detection": False}
    assert intents.manifest["profiles"] == {}
    assert not [name for name in intents.arrays if name.startswith("profile")]
    assert intents.arrays["coef"].shape[1] == 3
    # Short texts: characters are looked at too.
    assert intents.manifest["config"]["char_ngrams"] == (3, 5)
    assert isinstance(intents.evaluation.overall, MulticlassFigures)
    assert intents.evaluation.overall.accuracy > 0.95


def test_two_other_classes_have_no_profiles_either() -> None:
    labels = ["cats", "dogs"] * 10
    model = run(small_corpus([f"{label} are nice {i}" for i, label in enumerate(labels)], labels))
    assert model.manifest["task"]["detection"] is False
    assert model.manifest["profiles"] == {}
    assert model.arrays["coef"].shape[1] == 1
    assert "promised" not in model.card


def test_the_card_of_a_detector(detector: TrainedModel) -> None:
    card = detector.card
    for part in (
        "# Model card", "`essays.csv`", "human, llm", "f" * 64, "ROC AUC 0.", "| 0.05 | ",
        "| 0.001 | 0.0000 | 0.0000 |", "never proof",
    ):  # fmt: skip
        assert part in card
    assert not any(line != line.rstrip() for line in card.splitlines())


def test_the_card_of_another_task(intents: TrainedModel) -> None:
    assert "tell apart card, fee, pin" in intents.card
    assert "20 card, 20 fee, 20 pin" in intents.card
    assert "Accuracy " in intents.card
    assert "proof" not in intents.card


def test_many_classes_are_not_all_named() -> None:
    labels = [f"intent {i % 12:02}" for i in range(48)]
    card = run(small_corpus([f"{label} x{i}" for i, label in enumerate(labels)], labels)).card
    assert "tell apart 12 classes" in card
    assert "4 intent 04 and 7 more classes" in card


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["human"] * 20, "one class only"),
        (["1", "cat"] * 10, "mix numbers with words"),
        (["human"] * 19 + ["llm"], "one text only"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(small_corpus([f"text number {row}" for row in range(20)], labels))
