"""Training on datasets larger than memory: one pass over the texts, then passes over their hashed counts on disk.

dataset -> batches -> counts -> Spool;  of each text only numbers stay in memory, some hundred bytes
Spool -> passes of SGD -> members and their out-of-fold scores -> the same scaling, calibration and profiles as ever
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ai_detect import ensemble, kernels, training
from ai_detect.config import TrainConfig
from ai_detect.data import Batch, check_enough, sort_out_copies, text_digests, warn_of_rows
from ai_detect.errors import DataError, UsageError
from ai_detect.labels import CLASSES, encode_labels, label_meaning
from ai_detect.ngrams import NgramSpec
from ai_detect.spool import Spool
from ai_detect.streaming_sgd import Counted
from ai_detect.text import PackedTexts
from ai_detect.training import Facts, TrainedModel

logger = logging.getLogger(__name__)

Int64Array = npt.NDArray[np.int64]


@dataclass
class Rows:
    """What stays in memory of the texts: numbers, and each different label and population once.

    digests, groups: uint64 (n,) hashes of the text and of its group's name; labels, populations: (n,) of shared str.
    """

    n_read: int = 0
    n_bytes: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    digests: list[Any] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    populations: list[str] = field(default_factory=list)
    statistics: list[Any] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, batch: Batch, good: Int64Array, texts: PackedTexts) -> None:
        """Take the numbers of the good rows of a batch, whose texts these are."""
        self.n_read += len(batch.ids)
        self.n_bytes += texts.n_bytes
        self.problems.update(batch.problems.values())
        self.digests.append(_hashes(text_digests(texts)))
        names = [(batch.groups or [])[row].encode("utf-8", "replace") for row in good]
        self.groups.append(_hashes([hashlib.blake2b(name).digest() for name in names]))
        self.labels += self._shared(batch.labels, good)
        self.populations += self._shared(batch.populations, good)

    def extend(self, other: "Rows") -> None:
        """Take the numbers of the texts that follow."""
        self.n_read += other.n_read
        self.n_bytes += other.n_bytes
        self.problems.update(other.problems)
        self.digests += other.digests
        self.groups += other.groups
        self.labels += other.labels
        self.populations += other.populations
        self.statistics += other.statistics

    def _shared(self, values: list[str] | None, good: Int64Array) -> list[str]:
        return [self._names.setdefault(one, one) for one in ((values or [])[i] for i in good)]


def run(
    batches: Iterator[Batch],
    config: TrainConfig,
    *,
    dataset: str,
    package_version: str,
    folder: Path,
    n_jobs: int,
) -> TrainedModel:
    """Train on batches of labelled texts, each of them read once.

    Args:
        batches: with labels and groups.
        config: settings, as the user gave them. N-grams left open are chosen by the first batch.
        dataset: the name of the dataset, for the manifest.
        package_version: of ai_detect, for the manifest.
        folder: where the counts are kept meanwhile.
        n_jobs: threads.

    Raises:
        DataError: the labels are of one class or of mixed kinds, there are too few texts, or the disk is full.
        UsageError: the settings ask for another model than the ensemble.
    """
    if config.model != "ensemble":
        raise UsageError(
            f"--streaming trains the ensemble; leave it out for --model={config.model}."
        )
    first = next(batches)
    config = _resolved(config, first)
    spec = NgramSpec(
        config.word_ngrams or (0, 0), config.char_ngrams or (0, 0), config.n_bits, config.lowercase
    )
    with Spool(folder, spec.n_features) as spool, ThreadPoolExecutor(n_jobs) as pool:
        rows = Rows()
        for batch in _with(first, batches):
            _spool(batch, spec, rows, spool, pool, n_jobs)
        spool.seal()
        kept, facts = facts_of(rows, dataset)
        logger.info("settings: %s", config.to_dict())
        logger.info("training on %d texts, %.1f MB", len(kept), rows.n_bytes / 1e6)
        groups = np.concatenate(rows.groups)[kept].astype(object)
        folds = ensemble.assign_folds(facts.y, groups, config.n_folds, config.seed)
        counted = Counted(spool, spec, kept, facts.y, folds, config, pool)
        trained = counted.train(is_grouped=ensemble.keeps_groups_whole(groups, folds))
        facts = replace(facts, unknown=counted.unknown_shares())
    return training.describe(trained, facts, config, package_version=package_version)


def _resolved(config: TrainConfig, batch: Batch) -> TrainConfig:
    labels = [label for i, label in enumerate(batch.labels or ()) if i not in batch.problems]
    words = kernels.statistics(batch.texts)[:, 0]
    return config.resolved(
        detection={label_meaning(label) for label in labels} <= set(CLASSES),
        median_words=float(np.median(words)),
    )


def _with(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    with tqdm(desc="reading", unit=" texts", disable=None, leave=False) as bar:
        for batch in (one for part in ((first,), others) for one in part):
            yield batch
            bar.update(len(batch.ids))


def _spool(
    batch: Batch, spec: NgramSpec, rows: Rows, spool: Spool, pool: ThreadPoolExecutor, n_jobs: int
) -> None:
    """Count the n-grams of the good rows of a batch and keep them on disk."""
    good = np.array([i for i in range(len(batch.ids)) if i not in batch.problems], np.int64)
    texts = batch.texts.take(good) if batch.problems else batch.texts
    rows.add(batch, good, texts)
    if not len(good):
        return
    for counted in pool.map(lambda part: kernels.count(part, spec), texts.split(n_jobs)):
        indptr, indices, values, statistics = counted
        spool.append(indptr, indices, values)
        rows.statistics.append(statistics)


def facts_of(rows: Rows, dataset: str) -> tuple[Int64Array, Facts]:
    """Leave out copies; return the rows kept, and what is told of them."""
    check_enough(len(rows.labels), rows.n_read)
    digests, labels = np.concatenate(rows.digests), np.array(rows.labels, object)
    _, first, number = np.unique(digests, return_index=True, return_inverse=True)
    is_copy, is_conflicting = sort_out_copies(labels, first[number], np.ones(len(labels), bool))
    kept = np.flatnonzero(~is_copy & ~is_conflicting)
    n_copies, n_conflicting = int(is_copy.sum()), int(is_conflicting.sum())
    warn_of_rows(dataset, rows.problems, n_copies, n_conflicting)
    check_enough(len(kept), rows.n_read)
    code, y = encode_labels(labels[kept])
    if len(code.classes) == 2 and min(np.bincount(y)) < 2:
        raise DataError(ensemble.ONE_TEXT)
    fingerprint = hashlib.sha256(digests[kept].astype("<u8").tobytes())
    fingerprint.update("\0".join(labels[kept]).encode())
    data = {
        "dataset": dataset,
        "rows": rows.n_read,
        "texts": len(kept),
        "classes": {name: int(np.sum(y == i)) for i, name in enumerate(code.classes)},
        "groups": len(np.unique(np.concatenate(rows.groups)[kept])),
        "left_out": dict(rows.problems),
        "duplicates": n_copies,
        "conflicting": n_conflicting,
        "sha256": fingerprint.hexdigest(),
    }
    statistics = np.concatenate(rows.statistics)[kept]
    populations = np.array(rows.populations, object)[kept]
    return kept, Facts(code, y, statistics, populations, data, np.zeros(len(kept)))


def _hashes(digests: list[bytes]) -> npt.NDArray[np.uint64]:
    """Return the first 8 bytes of each digest as a number: among ten million the odds of two alike are 1 in 400,000."""
    return np.frombuffer(b"".join(one[:8] for one in digests), "<u8")
