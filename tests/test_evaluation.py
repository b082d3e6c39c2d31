"""What is said about a model: figures by group, the exact tables, and JSON that any reader takes."""

import json

import numpy as np
import pytest

from ai_detect import metrics
from ai_detect.evaluation import BinaryFigures, Evaluation, MulticlassFigures, evaluate

DETECTION = ("human", "llm")
NO_P = np.empty(0)


def binary(n_bad: int = 0) -> Evaluation:
    scores = np.array([[-2.0], [-1.0], [0.5], [1.5], [2.5], [-0.5], [3.0], [-3.0]])
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    groups = ["essays", "essays", "essays", "essays", "essays", "mails", "mails", "notes"]
    p_values = np.select([scores[:, 0] >= 2, scores[:, 0] >= 1], [0.01, 0.05], 0.051)
    return evaluate(scores, y, groups, DETECTION, p_values, n_bad=n_bad)


def multiclass() -> Evaluation:
    y = np.array([0, 0, 1, 1, 2, 2])
    scores = np.eye(3)[[0, 0, 1, 2, 2, 0]] * 4
    return evaluate(scores, y, ["x", "x", "x", "y", "y", "y"], ("card", "fee", "pin"), NO_P)


BINARY_TABLE = """\
ROC AUC 0.9375 (95 % interval 0.7500 to 1.0000), Brier score 0.1131, calibration error 0.2483
at probability 0.5: accuracy 0.7500, F1 0.7500; human called human 3, called llm 1; llm called human 1, called llm 3

group   human  llm  ROC AUC  TPR@1%FPR  TPR@5%FPR            FPR@5%      TPR            FPR@1%     TPR          FPR@0.1%    TPR
all         4    4   0.9375     75.0 %     75.0 %  0.0 % (0.0-60.2)   75.0 %  0.0 % (0.0-60.2)  50.0 %  0.0 % (0.0-60.2)  0.0 %
essays      3    2   1.0000    100.0 %    100.0 %  0.0 % (0.0-70.8)  100.0 %  0.0 % (0.0-70.8)  50.0 %  0.0 % (0.0-70.8)  0.0 %
mails       0    2        -          -          -                 -   50.0 %                 -  50.0 %                 -  0.0 %
notes       1    0        -          -          -  0.0 % (0.0-97.5)        -  0.0 % (0.0-97.5)       -  0.0 % (0.0-97.5)      -
FPR@x%: share of human texts called llm where x % is promised, with its 95 % interval; then TPR.
rows that could not be scored and are left out (see the log): 2"""  # noqa: E501

MULTICLASS_TABLE = """\
group  texts  accuracy  macro F1
all        6    0.6667    0.6556
x          3    1.0000    1.0000
y          3    0.3333    0.1667

weakest classes by F1: pin 0.500, fee 0.667, card 0.800"""


def test_the_table_of_two_classes() -> None:
    assert str(binary(n_bad=2)) == BINARY_TABLE


def test_two_classes_without_a_promise_have_no_rates() -> None:
    scores, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    found = evaluate(scores, y, ["g", "h"], ("cats", "dogs"), NO_P)
    assert isinstance(found.overall, BinaryFigures)
    assert found.overall.rates == ()
    assert "FPR@5%" not in str(found).replace("TPR@1%FPR  TPR@5%FPR", "")
    assert "promised" not in str(found)


def test_the_table_of_many_classes() -> None:
    assert str(multiclass()) == MULTICLASS_TABLE


def test_one_group_is_not_shown_twice() -> None:
    found = evaluate(np.array([[-1.0], [1.0]]), np.array([0, 1]), ["g", "g"], DETECTION, NO_P)
    assert found.groups == {}
    assert [line.split()[0] for line in str(found).splitlines()[3:5]] == ["group", "all"]


def test_figures_are_those_of_the_rows_of_a_group() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    scores = rng.normal(y)[:, None]
    groups = rng.choice(["a", "b", "c"], 300)
    p_values = np.where(scores[:, 0] >= 1.2, 0.05, 0.5)
    found = evaluate(scores, y, groups, DETECTION, p_values)
    assert list(found.groups) == ["a", "b", "c"]
    for name, figures in [*found.groups.items(), ("all", found.overall)]:
        rows = np.full(300, True) if name == "all" else groups == name
        assert isinstance(figures, BinaryFigures)
        here, score = y[rows], scores[rows, 0]
        assert (figures.n_negative, figures.n_positive) == (sum(here == 0), sum(here == 1))
        assert figures.roc_auc.value == metrics.roc_auc(here, score)
        assert figures.tpr_at_5_fpr == metrics.tpr_at_fpr(here, score, 0.05)
        assert figures.accuracy == np.mean((score > 0) == here)
        assert figures.brier == pytest.approx(np.mean((1 / (1 + np.exp(-score)) - here) ** 2))
        n_called, n_human = np.sum(score[here == 0] >= 1.2), np.sum(here == 0)
        assert [rate.promised_fpr for rate in figures.rates] == [0.05, 0.01, 0.001]
        assert figures.rates[0].achieved_fpr == metrics.share_interval(n_called, n_human)
        assert figures.rates[0].achieved_fpr.value == n_called / n_human
        assert figures.rates[0].tpr == np.mean(score[here == 1] >= 1.2)
        assert figures.rates[1].achieved_fpr.value == figures.rates[1].tpr == 0
    assert isinstance(found.overall, BinaryFigures)
    assert found.overall.roc_auc.low < found.overall.roc_auc.value < found.overall.roc_auc.high


def test_classes_that_do_not_occur_do_not_lower_macro_f1() -> None:
    figures = evaluate(np.eye(4)[[0, 1]], np.array([0, 1]), ["g"] * 2, tuple("abcd"), NO_P).overall
    assert isinstance(figures, MulticlassFigures)
    assert figures.macro_f1 == 1.0
    assert figures.f1 == {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}
    assert np.array(figures.confusion).shape == (4, 4)


@pytest.mark.parametrize("evaluation", [binary(3), multiclass()], ids=["binary", "multiclass"])
def test_json_is_valid_and_undefined_figures_are_null(evaluation: Evaluation) -> None:
    plain = evaluation.to_dict()
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert list(plain) == ["classes", "overall", "groups", "n_bad", "plots"]


def test_json_of_one_class() -> None:
    p_values = np.array([0.5, 0.05])
    one_class = evaluate(
        np.array([[-1.0], [2.0]]), np.array([0, 0]), ["g"] * 2, DETECTION, p_values
    )
    overall = one_class.to_dict()["overall"]
    assert overall["roc_auc"] == {"value": None, "low": None, "high": None}
    assert overall["tpr_at_1_fpr"] is None
    half = {"value": 0.5, "low": 1 - 0.975**0.5, "high": 0.975**0.5}
    none = {"value": 0.0, "low": 0.0, "high": 1 - 0.025**0.5}
    assert overall["rates"] == [
        {"promised_fpr": fpr, "achieved_fpr": pytest.approx(achieved), "tpr": None}
        for fpr, achieved in ((0.05, half), (0.01, none), (0.001, none))
    ]
    assert "nan" not in json.dumps(one_class.to_dict()).lower()
    assert "ROC AUC - (95 % interval - to -)" in str(one_class)


def test_numbers_are_the_single_figures() -> None:
    found = binary().numbers()
    assert found["roc_auc"] == 0.9375
    assert set(found) == {
        "n_negative", "n_positive", "roc_auc", "tpr_at_1_fpr", "tpr_at_5_fpr", "brier", "ece",
        "accuracy", "f1",
    }  # fmt: skip
    assert set(multiclass().numbers()) == {"n", "accuracy", "macro_f1"}


def test_plots_are_named_once_they_are_drawn(tmp_path) -> None:
    drawn = binary().with_plots([tmp_path / "roc.png", tmp_path / "scores.png"])
    assert (
        str(drawn).splitlines()[-1] == f"plots: {tmp_path / 'roc.png'}, {tmp_path / 'scores.png'}"
    )
    assert drawn.to_dict()["plots"] == [str(tmp_path / "roc.png"), str(tmp_path / "scores.png")]
    assert "scores=" not in repr(drawn)
