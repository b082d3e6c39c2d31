"""Training on a cluster: texts and TF-IDF stay on the workers that read them, L-BFGS runs here on summed gradients.

tables -> workers: texts -> digests, labels, groups -> here: copies, folds -> workers: TF-IDF, gradients -> here: steps

The model and one model a fold are fitted in the same passes, for the out-of-fold scores that calibration and profiles
take. It is a logistic regression alone, the one of `ensemble` to three digits: SGD, another member, takes one text
after another, which workers cannot do together.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect import ensemble, kernels, training
from ai_detect.cluster import RETRIES, connected, finished, result
from ai_detect.cluster_matrix import ALL, ClusterMatrix
from ai_detect.cluster_prediction import Read
from ai_detect.config import TrainConfig
from ai_detect.ensemble import Trained
from ai_detect.errors import DataError, UsageError
from ai_detect.lockstep import minimise_together
from ai_detect.ngrams import NgramSpec
from ai_detect.partitions import Partition, fetched, find_partitions
from ai_detect.scorer import LinearScorer
from ai_detect.streaming_training import Rows, facts_of
from ai_detect.text import PackedTexts
from ai_detect.training import TrainedModel

logger = logging.getLogger(__name__)

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

MEMBER = "logistic_regression"

# L-BFGS takes the intercept for one more n-gram that every text has, of a usual value: as one of value 1 it would make
# all other steps small, and sixty of them do not lead as near to the minimum as twenty do.
_INTERCEPT = 0.03
_TOLERANCE = 1e-7
_MOST_STEPS = 300

_Groups = tuple[
    npt.NDArray[np.object_], Int64Array
]  # different names, and the number of each text's


def run(
    read: Read,
    config: TrainConfig,
    *,
    dataset: str,
    format: str,
    scheduler: str,
    package_version: str,
    n_jobs: int,
) -> TrainedModel:
    """Train on a dataset that workers read.

    Args:
        read: turns tables into batches with labels and groups.
        config: settings, as the user gave them.
        dataset: a file, folder or pattern, on a disk that workers share or on object storage.
        format: of the dataset, if it was given.
        scheduler: such as tcp://HOST:PORT; "" for processes on this machine.
        package_version: of ai_detect, for the manifest.
        n_jobs: how many processes.

    Raises:
        DataError: the dataset cannot be used as it is, or nothing in it tells the classes apart.
        MissingExtraError: a package is not installed.
        UsageError: there is no cluster to use, or another model is asked for than it can train.
    """
    if config.model != "ensemble":
        raise UsageError(
            f"--engine=dask trains by logistic regression; leave it out for --model={config.model}."
        )
    partitions = find_partitions(dataset, format=format)
    with connected(scheduler, n_workers=n_jobs) as client:
        texts, numbers = _read_all(client, partitions, read)
        parts, named = [part for part, _ in numbers], [groups for _, groups in numbers]
        rows = Rows()
        for part in parts:
            rows.extend(part)
        kept, facts = facts_of(rows, dataset)
        if len(facts.code.classes) > 2:
            raise UsageError(
                f"--engine=dask tells two classes apart, and the dataset has {len(facts.code.classes)}: leave it out."
            )
        config = config.resolved(
            detection=facts.code.detection, median_words=float(np.median(facts.statistics[:, 0]))
        )
        logger.info("settings: %s", config.to_dict())
        logger.info("training on %d texts, %.1f MB", len(kept), rows.n_bytes / 1e6)
        groups = np.concatenate([names[codes] for names, codes in named])[kept]
        folds = ensemble.assign_folds(facts.y, groups, config.n_folds, config.seed)
        spec = NgramSpec(
            config.word_ngrams or (0, 0),
            config.char_ngrams or (0, 0),
            config.n_bits,
            config.lowercase,
        )
        places = _places(kept, [len(part.labels) for part in parts], facts.y, folds)
        matrix = ClusterMatrix.build(client, texts, places, spec, min_df=config.min_df)
        del texts
        trained = fit(matrix, spec, facts.y, folds, config)
    trained = replace(trained, is_grouped=ensemble.keeps_groups_whole(groups, folds))
    facts = replace(facts, unknown=matrix.unknown)
    facts.data["tables"] = len(partitions)
    model = training.describe(trained, facts, config, package_version=package_version)
    model.manifest["members"] = [MEMBER]
    note = "\nTrained on a cluster: logistic regression alone, without the other members of the ensemble.\n"
    return replace(model, card=model.card + note)


def fit(
    matrix: ClusterMatrix, spec: NgramSpec, y: Int64Array, folds: Int64Array, config: TrainConfig
) -> Trained:
    """Fit the model and one model a fold, and calibrate.

    Args:
        matrix: the texts.
        spec: its n-grams.
        y: int64 (n,), class 0 or 1.
        folds: int64 (n,), in which each text is held out.
        config: the settings, resolved.

    Raises:
        DataError: there is nothing in the texts to tell the classes apart by.
    """
    buckets = np.flatnonzero(matrix.idf)
    if not len(buckets):
        raise DataError(ensemble.NO_NGRAM.format(min_df=config.min_df))
    weights = logistic_regressions(matrix, y, folds, config)
    member = SimpleNamespace(coef_=weights[:-1, :1].T, intercept_=weights[-1, :1])
    held_out = matrix.held_out(weights[:, 1:])[:, None]
    blend = ensemble.join({MEMBER: member}, {MEMBER: held_out}, folds, y, np.ones(len(y)))
    columns = np.column_stack((matrix.idf[buckets], blend.coef)).astype(np.float32)
    scorer = LinearScorer(spec, buckets, columns, blend.intercept)
    return Trained(scorer, blend.out_of_fold, folds, is_grouped=False)


def logistic_regressions(
    matrix: ClusterMatrix, y: Int64Array, folds: Int64Array, config: TrainConfig
) -> Float64Array:
    """Fit logistic regression to all texts and to all but each fold, in the same passes.

    Returns: float64 (n_columns + 1, 1 + n_folds), coefficients and, last, intercepts.
    """
    left_out = np.array([ALL, *range(int(folds.max()) + 1)])
    n_texts = np.array([np.bincount(y[folds != fold], minlength=2) for fold in left_out])
    shares = 0.5 / n_texts  # both classes count the same, and all texts together as one
    penalty = 1.0 / (config.C * n_texts.sum(axis=1))
    scale = np.ones((int(np.count_nonzero(matrix.idf)) + 1, 1))
    scale[-1] = _INTERCEPT

    def evaluate(points: Float64Array, which: Sequence[int]) -> tuple[Float64Array, Float64Array]:
        models = list(which)
        losses, gradients = matrix.losses_and_gradients(
            scale * points, left_out[models], shares[models]
        )
        coef = points[:-1]
        gradients *= scale
        gradients[:-1] += penalty[models] * coef
        return losses + 0.5 * penalty[models] * (coef**2).sum(axis=0), gradients

    return scale * minimise_together(
        evaluate,
        n_problems=len(left_out),
        size=len(scale),
        tolerance=_TOLERANCE,
        max_iterations=_MOST_STEPS,
    )


def _read_all(
    client: Any, partitions: Sequence[Partition], read: Read
) -> tuple[list[Any], list[tuple[Rows, _Groups]]]:
    """Have every table read; return futures of the texts, which stay, and what is known of them and their groups."""
    tables = client.map(_read, partitions, read=read, pure=False, retries=RETRIES)
    texts = client.map(_first, tables, pure=False)
    numbers = client.map(_second, tables, pure=False)
    names = dict(zip(numbers, partitions, strict=True))
    found = {one: result(one, names[one].address) for one in finished(client, numbers, "reading")}
    return texts, [found[one] for one in numbers]


def _read(partition: Partition, *, read: Read) -> tuple[PackedTexts, tuple[Rows, _Groups]]:
    """Read the good rows of a table, on a worker."""
    rows, texts, groups = Rows(), [], []
    with fetched(partition) as source:
        for batch in read([source]):
            good = np.array([i for i in range(len(batch.ids)) if i not in batch.problems], np.int64)
            texts.append(batch.texts.take(good) if batch.problems else batch.texts)
            rows.add(batch, good, texts[-1])
            rows.statistics.append(kernels.statistics(texts[-1]))
            groups += [(batch.groups or [])[row] for row in good]
    names, codes = np.unique(np.array(groups, np.str_), return_inverse=True)
    return PackedTexts.concat(texts), (rows, (names.astype(object), codes))


def _first(table: tuple[PackedTexts, Any]) -> PackedTexts:
    return table[0]


def _second(table: tuple[PackedTexts, tuple[Rows, _Groups]]) -> tuple[Rows, _Groups]:
    return table[1]


def _places(
    kept: Int64Array, lengths: Sequence[int], y: Int64Array, folds: Int64Array
) -> list[tuple[Int64Array, Int64Array, Int64Array]]:
    """Deal out to the tables which of their rows are kept, with their classes and folds."""
    starts = np.concatenate(([0], np.cumsum(lengths)))
    bounds = np.searchsorted(kept, starts)
    return [
        (kept[i:j] - start, y[i:j], folds[i:j])
        for start, i, j in zip(starts[:-1], bounds[:-1], bounds[1:], strict=True)
    ]
