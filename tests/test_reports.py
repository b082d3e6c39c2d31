"""What the commands answer, to the letter."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_detect.evaluation import evaluate
from ai_detect.reports import CalibrateReport, ModelInfo, PredictReport, TextReport, TrainReport

EVALUATION = evaluate(
    np.array([[-1.0], [1.0]]), np.array([0, 1]), ["g", "g"], ("human", "llm"), np.array([1.0, 0.04])
)
TRAINED = TrainReport("model", "data/model", 2, 1.26, EVALUATION)
PREDICTED = PredictReport(
    "data/results.csv", 5, 0, {"human": 3, "llm": 2}, {}, "the model in data/model", 0.04
)
MANIFEST: dict[str, Any] = {
    "package_version": "1.0",
    "created": "2026-01-02T03:04:05Z",
    "task": {"classes": ["human", "llm"], "detection": True},
    "config": {"model": "ensemble"},
    "data": {"texts": 400, "dataset": "train.csv"},
    "metrics": {
        "out_of_fold": {
            "roc_auc": {"value": 0.98765, "low": 0.9, "high": 1.0},
            "rates": [
                {
                    "promised_fpr": fpr,
                    "achieved_fpr": {"value": fpr, "low": 0.0, "high": 0.1},
                    "tpr": 0.9,
                }
                for fpr in (0.04, 0.001)
            ],
        }
    },
    "profiles": {
        "general": {
            "population": "each population",
            "min_words": [50],
            "texts": 200,
            "floor": 0.00497512,
        }
    },
}
CALIBRATED = CalibrateReport("school", "data/model/profiles/school.json", 99, 3, 1, 0.01, 0.0202)


def test_training() -> None:
    assert str(TRAINED).startswith("ROC AUC 1.0000 (95 % interval 1.0000 to 1.0000)")
    last = str(TRAINED).splitlines()[-1]
    assert last == "trained on 2 texts in 1.3 s; model in model, published to data/model"
    plain = TRAINED.to_dict()
    assert plain["out_of_fold"] == EVALUATION.to_dict()["overall"]
    assert (plain["model_dir"], plain["published_to"], plain["n_texts"]) == (
        "model",
        "data/model",
        2,
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {},
            "5 of 5 rows scored in 0.0 s by the model in data/model: 3 human, 2 llm\n"
            "results in data/results.csv",
        ),
        (
            {"n_bad": 2, "problems": {"empty text": 2}, "counts": {"llm": 3}},
            "3 of 5 rows scored in 0.0 s by the model in data/model: 3 llm\n"
            "kept with an empty prediction: 2 empty text\nresults in data/results.csv",
        ),
        (
            {"n_bad": 5, "problems": {"not UTF-8": 4, "empty text": 1}, "counts": {}},
            "0 of 5 rows scored in 0.0 s by the model in data/model: none\n"
            "kept with an empty prediction: 4 not UTF-8, 1 empty text\n"
            "a file in another encoding, such as cp1252, is read with --encoding=cp1252\n"
            "results in data/results.csv",
        ),
    ],
    ids=["good", "bad rows", "nothing good"],
)
def test_predicting(changed: dict[str, Any], expected: str) -> None:
    assert str(replace(PREDICTED, **changed)) == expected


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (TextReport("card", 0.91237, 8), "card (probability 0.9124)"),
        (
            TextReport("llm", 0.98, 120, "llm", 0.0049999),
            "llm\nprobability of llm 0.9800, p-value 0.005, 120 words",
        ),
        (
            TextReport("llm", 0.75, 12, "unsure", 0.2, "under 50 words", 3),
            "unsure: under 50 words\nprobability of llm 0.7500, p-value 0.2, 12 words\n"
            "3 hidden or look-alike characters were undone before scoring",
        ),
        (
            TextReport("human", 0.25, 99, "human"),
            "human\nprobability of llm 0.2500, no p-value, 99 words",
        ),
    ],
)
def test_one_text(report: TextReport, expected: str) -> None:
    assert str(report) == expected


def test_a_model() -> None:
    assert str(ModelInfo("the model in data/model", MANIFEST)) == (
        "the model in data/model, made by ai_detect 1.0 on 2026-01-02T03:04:05Z\n"
        "kind: ensemble; classes: human, llm\n"
        "trained on 400 texts of train.csv; out of fold: ROC AUC 0.9877\n"
        "at a promised false-positive rate of 0.04: achieved 0.0400 over all human texts, "
        "LLM texts caught 0.9000\n"
        "at a promised false-positive rate of 0.001: achieved 0.0010 over all human texts, "
        "LLM texts caught 0.9000\n"
        "profile general: for each population; 200 human texts, smallest promise 0.004975"
    )


def test_a_model_with_site_profiles() -> None:
    info = ModelInfo(
        "the model in data/model", MANIFEST, {"a": "20 human texts of a.csv", "b": "It is stale."}
    )
    plain = str(ModelInfo("the model in data/model", MANIFEST))
    assert str(info) == (
        f"{plain}\nsite profile a: 20 human texts of a.csv\nsite profile b: It is stale."
    )
    assert info.to_dict()["site_profiles"] == info.site_profiles


def test_calibrating() -> None:
    assert str(CALIBRATED) == (
        "profile school from 99 human texts (3 rows left out, 1 of them copies of a text); "
        "2.0 % of these would be called llm by the general profile at 1 %\n"
        "smallest false-positive rate it can promise: 0.01\n"
        "use it with --profile=school; it is kept in data/model/profiles/school.json"
    )


def test_a_model_of_many_classes() -> None:
    manifest = MANIFEST | {
        "task": {"classes": [f"c{i}" for i in range(12)], "detection": False},
        "metrics": {"out_of_fold": {"accuracy": 0.9, "macro_f1": 0.8}},
        "profiles": {},
    }
    lines = str(ModelInfo("m", manifest)).splitlines()
    assert (
        lines[1]
        == "kind: ensemble; classes: " + ", ".join(f"c{i}" for i in range(10)) + " and 2 more"
    )
    assert lines[2].endswith("out of fold: accuracy 0.9000, macro F1 0.8000")
    assert len(lines) == 3


@pytest.mark.parametrize(
    "report",
    [TRAINED, PREDICTED, CALIBRATED, TextReport("llm", 0.5, 3), ModelInfo("m", MANIFEST)],
    ids=lambda report: type(report).__name__,
)
def test_every_report_is_json(report: Any) -> None:
    plain = report.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
