"""The pictures of an evaluation, as PNG files: ROC curve, calibration, histogram of scores, confusion matrix."""

from pathlib import Path
from typing import Any

import numpy as np

from ai_detect import metrics
from ai_detect.errors import DataError
from ai_detect.evaluation import Evaluation
from ai_detect.scorer import probabilities


def draw(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Draw the plots that fit the task into `folder` and return their paths.

    Raises:
        DataError: the folder cannot be written.
    """
    from matplotlib.figure import Figure

    drawings = (
        {"roc": _roc, "calibration": _calibration, "scores": _scores}
        if len(evaluation.classes) == 2
        else {"confusion": _confusion}
    )
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, drawing in drawings.items():
            figure = Figure(figsize=(5, 4), dpi=120, layout="constrained")
            drawing(figure.subplots(), evaluation)
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1])
    except OSError as error:
        raise DataError(
            f"The plots cannot be written to {folder} ({error.strerror}): make it a folder this user can write."
        ) from error
    return tuple(paths)


def _shown(name: str) -> str:
    """Return a class name fit for a picture: not too long, and with no dollar sign taken for mathematics."""
    return (name if len(name) <= 30 else name[:29] + "\N{HORIZONTAL ELLIPSIS}").replace("$", r"\$")


def _roc(axes: Any, evaluation: Evaluation) -> None:
    y, scores = evaluation.y, evaluation.scores[:, 0]
    if 0 < y.sum() < len(y):
        fpr, tpr = metrics.roc_curve(y, scores)
        axes.plot(fpr, tpr, label=f"ROC AUC {metrics.roc_auc(y, scores):.4f}")
        axes.legend(loc="lower right")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC curve")


def _calibration(axes: Any, evaluation: Evaluation) -> None:
    probability = probabilities(evaluation.scores)[:, 1]
    bins = np.minimum((probability * 10).astype(np.int64), 9)
    count = np.bincount(bins, minlength=10)
    seen = count > 0
    stated = np.bincount(bins, weights=probability, minlength=10)[seen] / count[seen]
    observed = np.bincount(bins, weights=evaluation.y, minlength=10)[seen] / count[seen]
    axes.plot(stated, observed, marker="o")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    positive = _shown(evaluation.classes[1])
    axes.set(
        xlabel=f"stated probability of {positive}",
        ylabel=f"observed share of {positive}",
        title="Calibration",
    )


def _scores(axes: Any, evaluation: Evaluation) -> None:
    scores = evaluation.scores[:, 0]
    edges = np.histogram_bin_edges(scores, bins=50)
    for number, name in enumerate(evaluation.classes):
        axes.hist(scores[evaluation.y == number], bins=edges, alpha=0.6, label=_shown(name))
    axes.legend()
    axes.set(xlabel="score (log-odds)", ylabel="texts", title="Scores by class")


def _confusion(axes: Any, evaluation: Evaluation) -> None:
    matrix = np.asarray(evaluation.overall.confusion, float)
    image = axes.imshow(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), vmin=0, vmax=1)
    axes.figure.colorbar(image, label="share of the true class")
    if len(evaluation.classes) <= 20:
        names = [_shown(name) for name in evaluation.classes]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted class", ylabel="true class", title="Confusion matrix")
