"""A training run from a corpus to what a model folder holds: settings resolved, model fitted, measured, described."""

import logging
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect import calibration, ensemble, kernels, profiles
from ai_detect.calibration import HUMAN, LLM
from ai_detect.config import TrainConfig
from ai_detect.data import Corpus
from ai_detect.drift_reference import ALL
from ai_detect.ensemble import Trained
from ai_detect.evaluation import Evaluation, evaluate
from ai_detect.labels import LabelCode, encode_labels
from ai_detect.profiles import Profile
from ai_detect.scorer import Arrays
from ai_detect.text import table_fingerprint
from ai_detect.unseen import reference, unknown_shares

logger = logging.getLogger(__name__)

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]

# Words from which a band of lengths begins, and the human texts that make a population of its own in a band. All from
# 200 words on are together: too few populations have many longer ones to stand for other careful writers.
BANDS = (50, 100, 200)
MIN_POPULATION = 500
# Of essays there are few populations, and the ESL one of 705 long texts has some that no learner wrote: it is pooled.
MIN_ESSAY_POPULATION = 1000

_SINGLY = "them, but may have seen others of their group, since a class has one group only: expect less elsewhere."


@dataclass(frozen=True)
class TrainedModel:
    """Everything a model folder will hold, and the out-of-fold evaluation behind it."""

    manifest: dict[str, Any]
    arrays: Arrays
    card: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Plan:
    """What a training run may be told about its texts beyond their labels.

    weights: float64 (n,), 0 for texts to leave out; folds: int64 (n,), the fold each text is held out in for p-values;
    known_folds: int64 (n,), others for the probability; calibrates: bool (n,), texts good enough to measure by;
    essay: bool (n,), the texts that the profile `essay` is for.
    """

    weights: Float64Array
    folds: Int64Array
    known_folds: Int64Array
    calibrates: npt.NDArray[np.bool_]
    essay: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """What a model was trained on, as far as it is told of.

    code: the classes; y: int64 (n,), class numbers; statistics: int32 (n, len(STATISTICS)) of the texts;
    populations: str objects (n,); data: the entry of that name in the manifest; unknown: float64 (n,), the share of the
    n-grams of each text that no other fold has.
    """

    code: LabelCode
    y: Int64Array
    statistics: Int32Array
    populations: npt.NDArray[np.object_]
    data: dict[str, Any]
    unknown: Float64Array


def run(
    corpus: Corpus,
    config: TrainConfig,
    *,
    dataset: str,
    package_version: str,
    plan: Plan | None = None,
    n_jobs: int,
) -> TrainedModel:
    """Train on a corpus.

    Args:
        corpus: texts with labels and groups.
        config: settings, as the user gave them.
        dataset: the name of the dataset, for the manifest.
        package_version: of ai_detect, for the manifest.
        plan: weights, folds and essays, where they are known better than the rules know them.
        n_jobs: threads.

    Raises:
        DataError: the labels are of one class or of mixed kinds.
    """
    code, y = encode_labels(corpus.labels)
    with ThreadPoolExecutor(n_jobs) as pool:
        statistics = np.concatenate(list(pool.map(kernels.statistics, corpus.texts.split(n_jobs))))
    median_words = float(np.median(statistics[:, 0]))
    config = config.resolved(detection=code.detection, median_words=median_words)
    logger.info("settings: %s", config.to_dict())
    counts = {name: int(np.sum(y == number)) for number, name in enumerate(code.classes)}
    logger.info(
        "training on %d texts, %.1f MB: %s",
        len(y),
        corpus.texts.n_bytes / 1e6,
        _shortened(counts),
    )
    trained = ensemble.train(
        corpus.texts,
        y,
        corpus.groups,
        config,
        weights=plan.weights if plan else None,
        folds=plan.folds if plan else None,
        known_folds=plan.known_folds if plan else None,
        n_jobs=n_jobs,
    )
    facts = Facts(
        code,
        y,
        statistics,
        corpus.populations,
        {
            "dataset": dataset,
            "rows": corpus.n_rows,
            "texts": len(y),
            "classes": counts,
            "groups": len({str(group) for group in corpus.groups}),
            "left_out": dict(corpus.problems),
            "duplicates": corpus.n_duplicates,
            "conflicting": corpus.n_conflicting,
            "sha256": corpus.fingerprint,
        },
        unknown_shares(corpus.texts, config, folds=trained.folds, n_jobs=n_jobs),
    )
    return describe(trained, facts, config, package_version=package_version, plan=plan)


def describe(
    trained: Trained,
    facts: Facts,
    config: TrainConfig,
    *,
    package_version: str,
    plan: Plan | None = None,
) -> TrainedModel:
    """Measure what was trained by its out-of-fold scores, and say all that a model folder says.

    Args:
        trained: the model and the scores.
        facts: what it was trained on.
        config: the settings, resolved.
        package_version: of ai_detect.
        plan: which texts to measure by, if that is known better than the rules know it.
    """
    code, y, words = facts.code, facts.y, facts.statistics[:, 0]
    # As float32, in which curves are kept: figures come from the very numbers that are compared later.
    scores = trained.out_of_fold.astype(np.float32).astype(np.float64)
    found = _profiles(scores[:, 0], y, words, facts.populations, plan) if code.detection else []
    p_values = found[0].p_values(scores[:, 0], words) if found else np.empty(0)
    evaluation = evaluate(scores, y, np.full(len(y), "out of fold"), code.classes, p_values)
    described, curves = profiles.to_arrays(found)
    if not trained.is_grouped:
        logger.warning(
            "a class comes from one group only, so texts were held out one by one: expect less on texts from elsewhere"
        )
    groups = _groups(y, plan, detection=code.detection)
    manifest: dict[str, Any] = {
        "package_version": package_version,
        "created": _created(),
        "task": {"classes": list(code.classes), "detection": code.detection},
        "config": config.to_dict(),
        "ngrams": {
            name: asdict(config)[name]
            for name in ("word_ngrams", "char_ngrams", "n_bits", "lowercase")
        },
        "data": facts.data,
        "metrics": {
            "out_of_fold": evaluation.to_dict()["overall"],
            "whole_groups_held_out": trained.is_grouped,
        },
        "normalisation": table_fingerprint(),
        "profiles": described,
        "drift": reference(scores, facts.statistics, facts.unknown, groups).to_dict(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "numba")},
    }
    if code.detection:
        below = float(np.quantile(scores[y == 1, 0], calibration.MISS_RATE))
        manifest["human_below"] = {"score": below, "miss_rate": calibration.MISS_RATE}
    arrays = trained.scorer.to_arrays() | curves
    return TrainedModel(manifest, arrays, model_card(manifest, code), evaluation)


def _profiles(
    scores: Float64Array,
    y: Int64Array,
    words: Int32Array,
    populations: npt.NDArray[np.object_],
    plan: Plan | None,
) -> list[Profile]:
    """Build the profiles of a detector from the out-of-fold scores of its human texts."""
    human = (y == 0) & (plan.calibrates if plan else True)
    everyone = "each population of human texts among the training texts"
    whom = {profiles.GENERAL: (everyone, human, MIN_POPULATION)}
    if plan:
        essayists = "student and ESL essays"
        whom["essay"] = (essayists, human & plan.essay, MIN_ESSAY_POPULATION)
    return [
        profiles.build(
            name,
            population,
            scores[rows],
            words[rows],
            populations[rows],
            bands=BANDS,
            min_texts=min_texts,
        )
        for name, (population, rows, min_texts) in whom.items()
    ]


def _groups(
    y: Int64Array, plan: Plan | None, *, detection: bool
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which texts stand for which writers when it comes to drift."""
    counted = plan.calibrates if plan else np.ones(len(y), np.bool_)
    if not detection:
        return {ALL: counted}
    return {HUMAN: counted & (y == 0), LLM: counted & (y == 1)}


def model_card(manifest: dict[str, Any], code: LabelCode) -> str:
    """Say in Markdown what the model is, what it was trained on and how well it did out of fold."""
    data = manifest["data"]
    lines = [
        "# Model card",
        "",
        f"Made by ai_detect {manifest['package_version']} on {manifest['created']} from `{data['dataset']}`.",
        "",
        f"- task: tell apart {_listed(code.classes)}",
        f"- data: {data['texts']} texts of {data['rows']} rows in {data['groups']} groups; SHA-256 `{data['sha256']}`",
        f"- classes: {_shortened(data['classes'])}",
        f"- settings: `{manifest['config']}`",
        "",
        "## Out of fold",
        "",
        "Measured on the training texts by models that had not seen "
        + ("any text of their group." if manifest["metrics"]["whole_groups_held_out"] else _SINGLY),
        "",
    ]
    figures = manifest["metrics"]["out_of_fold"]
    if len(code.classes) == 2:
        auc = figures["roc_auc"]
        lines.append(
            f"ROC AUC {auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f}), "
            f"Brier score {figures['brier']:.4f}."
        )
    else:
        lines.append(f"Accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}.")
    if code.detection:
        lines += [
            "",
            "| promised false-positive rate | achieved over all human texts | LLM texts caught |",
            "|---|---|---|",
        ]
        for rate in figures["rates"]:
            achieved = rate["achieved_fpr"]["value"]
            lines.append(f"| {rate['promised_fpr']:g} | {achieved:.4f} | {rate['tpr']:.4f} |")
        lines += [
            "",
            "A verdict is evidence to weigh, never proof: no text should be punished on it alone. The rates hold for "
            "human texts like those of the training data, and only for them.",
        ]
    return "\n".join(lines) + "\n"


def _created() -> str:
    """The time of the run in UTC; SOURCE_DATE_EPOCH, if set, makes the whole model folder reproducible."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _shortened(counts: dict[str, int]) -> str:
    shown = [f"{count} {name}" for name, count in list(counts.items())[:5]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more classes" if more > 0 else "")


def _listed(classes: tuple[str, ...]) -> str:
    return ", ".join(classes) if len(classes) <= 10 else f"{len(classes)} classes"
