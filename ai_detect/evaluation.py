"""What a set of scored texts says about a model: one frozen value that prints as a table and turns into JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect import metrics
from ai_detect.calibration import PROMISED_RATES, is_within
from ai_detect.metrics import Interval
from ai_detect.scorer import probabilities

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rate:
    """A promised false-positive rate and what came of it. NaN where there are no such texts.

    achieved_fpr: with the ends of its 95 % interval (Clopper & Pearson 1934).
    """

    promised_fpr: float
    achieved_fpr: Interval
    tpr: float


@dataclass(frozen=True)
class BinaryFigures:
    """Figures of one set of texts with two classes; the second class is the one looked for."""

    n_negative: int
    n_positive: int
    roc_auc: Interval
    tpr_at_1_fpr: float
    tpr_at_5_fpr: float
    brier: float
    ece: float
    accuracy: float
    f1: float
    confusion: list[list[int]]
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class MulticlassFigures:
    """Figures of one set of texts with more than two classes."""

    n: int
    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    confusion: list[list[int]]


Figures = BinaryFigures | MulticlassFigures


@dataclass(frozen=True)
class Evaluation:
    """Figures over all texts and for each group of them.

    n_bad: rows that could not be scored; plots: paths of the pictures, once drawn. scores and y stay out of print and
    JSON: the plots need them.
    """

    classes: tuple[str, ...]
    overall: Figures
    groups: dict[str, Figures]
    n_bad: int = 0
    plots: tuple[str, ...] = ()
    scores: Float64Array = field(default_factory=lambda: np.zeros((0, 1)), repr=False)
    y: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; figures that are not defined are null."""
        return {
            "classes": list(self.classes),
            "overall": _plain(asdict(self.overall)),
            "groups": {name: _plain(asdict(figures)) for name, figures in self.groups.items()},
            "n_bad": self.n_bad,
            "plots": list(self.plots),
        }

    def numbers(self) -> dict[str, float]:
        """Return the overall figures that are single numbers, for a tracker or a log."""
        figures = asdict(self.overall)
        if isinstance(self.overall, BinaryFigures):
            figures["roc_auc"] = self.overall.roc_auc.value
        return {
            name: float(value) for name, value in figures.items() if isinstance(value, (int, float))
        }

    def with_plots(self, paths: Sequence[Path]) -> "Evaluation":
        """Return a copy that names its plots."""
        return replace(self, plots=tuple(map(str, paths)))

    def __str__(self) -> str:
        lines = (
            _binary_table(self)
            if isinstance(self.overall, BinaryFigures)
            else _multiclass_table(self)
        )
        if self.n_bad:
            lines.append(
                f"rows that could not be scored and are left out (see the log): {self.n_bad}"
            )
        if self.plots:
            lines.append("plots: " + ", ".join(self.plots))
        return "\n".join(lines)


def evaluate(
    scores: Float64Array,
    y: Int64Array,
    groups: Sequence[str] | npt.NDArray[np.object_],
    classes: tuple[str, ...],
    p_values: Float64Array,
    *,
    n_bad: int = 0,
) -> Evaluation:
    """Compute all figures.

    Args:
        scores: float64 (n, n_outputs) as `LinearScorer` gives them.
        y: class numbers (n,).
        groups: the group of each text (n,).
        classes: class names by number.
        p_values: float64 (n,), of a detector; empty for other tasks.
        n_bad: rows that could not be scored, for the record.
    """
    group = np.asarray(groups, object).astype(str)
    names = np.unique(group)
    by_group = {}
    for name in names if len(names) > 1 else ():  # one group would only repeat the figures over all
        rows = group == name
        p = p_values[rows] if len(p_values) else p_values
        by_group[str(name)] = _figures(scores[rows], y[rows], classes, p, interval=False)
    overall = _figures(scores, y, classes, p_values, interval=True)
    return Evaluation(classes, overall, by_group, n_bad, (), scores, y)


def _figures(
    scores: Float64Array,
    y: Int64Array,
    classes: tuple[str, ...],
    p_values: Float64Array,
    *,
    interval: bool,
) -> Figures:
    probability = probabilities(scores)
    matrix = metrics.confusion(y, probability.argmax(axis=1), len(classes))
    f1 = metrics.f1_scores(matrix)
    if len(classes) > 2:
        named = {name: float(value) for name, value in zip(classes, f1, strict=True)}
        present = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
        return MulticlassFigures(
            len(y), metrics.accuracy(matrix), float(f1[present].mean()), named, matrix.tolist()
        )
    score, positive = scores[:, 0], probability[:, 1]
    auc = metrics.roc_auc(y, score)
    return BinaryFigures(
        n_negative=int(np.sum(y == 0)),
        n_positive=int(np.sum(y == 1)),
        roc_auc=metrics.roc_auc_interval(y, score) if interval else Interval(auc, np.nan, np.nan),
        tpr_at_1_fpr=metrics.tpr_at_fpr(y, score, 0.01),
        tpr_at_5_fpr=metrics.tpr_at_fpr(y, score, 0.05),
        brier=metrics.brier_score(y, positive),
        ece=metrics.expected_calibration_error(y, positive),
        accuracy=metrics.accuracy(matrix),
        f1=float(f1[1]),
        confusion=matrix.tolist(),
        rates=_rates(p_values, y) if len(p_values) else (),
    )


def _rates(p_values: Float64Array, y: Int64Array) -> tuple[Rate, ...]:
    found = []
    for fpr in PROMISED_RATES:
        called = is_within(p_values, fpr)
        achieved = metrics.share_interval(int(called[y == 0].sum()), int(np.sum(y == 0)))
        tpr = float(called[y == 1].mean()) if (y == 1).any() else float("nan")
        found.append(Rate(fpr, achieved, tpr))
    return tuple(found)


def _plain(value: Any) -> Any:
    """Replace NaN, which JSON does not have, by None, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _number(value: float, pattern: str = "{:.4f}") -> str:
    return "-" if np.isnan(value) else pattern.format(value)


def _percent(value: float) -> str:
    return _number(100 * value, "{:.1f} %")


def _percent_interval(share: Interval) -> str:
    if np.isnan(share.value):
        return "-"
    return f"{_percent(share.value)} ({100 * share.low:.1f}-{100 * share.high:.1f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: the first to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]


def _binary_table(evaluation: Evaluation) -> list[str]:
    figures = evaluation.overall
    assert isinstance(figures, BinaryFigures)
    negative, positive = evaluation.classes
    auc = figures.roc_auc
    (tn, fp), (fn, tp) = figures.confusion
    lines = [
        f"ROC AUC {_number(auc.value)} (95 % interval {_number(auc.low)} to {_number(auc.high)}), "
        f"Brier score {_number(figures.brier)}, calibration error {_number(figures.ece)}",
        f"at probability 0.5: accuracy {_number(figures.accuracy)}, F1 {_number(figures.f1)}; "
        f"{negative} called {negative} {tn}, called {positive} {fp}; "
        f"{positive} called {negative} {fn}, called {positive} {tp}",
        "",
    ]
    header = ["group", negative, positive, "ROC AUC", "TPR@1%FPR", "TPR@5%FPR"]
    for rate in figures.rates:
        header += [f"FPR@{100 * rate.promised_fpr:g}%", "TPR"]
    rows = []
    for name, group in [("all", figures), *sorted(evaluation.groups.items())]:
        assert isinstance(group, BinaryFigures)
        row = [name, str(group.n_negative), str(group.n_positive), _number(group.roc_auc.value)]
        row += [_percent(group.tpr_at_1_fpr), _percent(group.tpr_at_5_fpr)]
        for rate in group.rates:
            row += [_percent_interval(rate.achieved_fpr), _percent(rate.tpr)]
        rows.append(row)
    lines += _table(header, rows)
    if figures.rates:
        lines.append(
            f"FPR@x%: share of {negative} texts called {positive} where x % is promised, with its 95 % interval; "
            "then TPR."
        )
    return lines


def _multiclass_table(evaluation: Evaluation) -> list[str]:
    overall = evaluation.overall
    assert isinstance(overall, MulticlassFigures)
    rows = []
    for name, group in [("all", overall), *sorted(evaluation.groups.items())]:
        assert isinstance(group, MulticlassFigures)
        rows.append([name, str(group.n), _number(group.accuracy), _number(group.macro_f1)])
    lines = _table(["group", "texts", "accuracy", "macro F1"], rows)
    weakest = sorted(overall.f1.items(), key=lambda item: item[1])[:5]
    lines += [
        "",
        "weakest classes by F1: " + ", ".join(f"{name} {value:.3f}" for name, value in weakest),
    ]
    return lines
