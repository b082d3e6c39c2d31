"""The TF-IDF matrix of texts that lie on many workers, and all that training asks of it; only sums travel.

    texts -> counts -> document frequencies, summed -> TF-IDF, which stays where its texts were read
    a pass: weights to each worker -> losses and gradients of its rows -> summed here

Parts that lie on one worker are added up there, so that each worker sends one gradient, whatever the number of parts.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.special import expit

from ai_detect import kernels
from ai_detect.cluster import RETRIES, result, share
from ai_detect.features import HashedTfidf, document_frequencies, inverse_frequencies
from ai_detect.ngrams import NgramSpec
from ai_detect.text import PackedTexts

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

ALL = -1  # for a fold: the model itself, which holds out nothing


@dataclass(frozen=True)
class Part:
    """Some texts on a worker.

    X: float32 (n, n_features), counts or TF-IDF; y: int64 (n,), class 0 or 1; folds: int64 (n,), in which each is held
    out.
    """

    X: csr_matrix
    y: Int64Array
    folds: Int64Array


@dataclass(frozen=True)
class ClusterMatrix:
    """Rows on workers.

    client: of Dask; parts: futures of `Part` with TF-IDF, its columns the buckets in use; idf: float32 (n_features,), 0
    for buckets not in use; unknown: float64 (n,), the share of the word n-grams of each text that no other fold has.
    """

    client: Any
    parts: list[Any]
    idf: npt.NDArray[np.float32]
    unknown: Float64Array

    @classmethod
    def build(
        cls,
        client: Any,
        texts: Sequence[Any],
        rows: Sequence[tuple[Int64Array, Int64Array, Int64Array]],
        spec: NgramSpec,
        *,
        min_df: int,
    ) -> "ClusterMatrix":
        """Count n-grams, sum up in how many texts each occurs, and weigh them.

        Args:
            client: of Dask.
            texts: futures of packed texts.
            rows: for each of these, which of its texts to take, their classes and their folds.
            spec: the n-grams.
            min_df: least texts that an n-gram is to occur in.
        """
        counts = [
            client.submit(_count, one, *mine, spec, pure=False, retries=RETRIES)
            for one, mine in zip(texts, rows, strict=True)
        ]
        n_folds = 1 + max(int(folds.max(initial=0)) for _, _, folds in rows)
        df = summed(client, _frequencies, counts, n_folds)
        idf = inverse_frequencies(df.sum(axis=0), sum(len(y) for _, y, _ in rows), min_df)
        shared = share(client, idf)
        parts = client.map(_weigh, counts, idf=shared, spec=spec, pure=False, retries=RETRIES)
        words = df[:, : 1 << spec.n_bits] if spec.word_ngrams != (0, 0) else df[:, :0]
        is_known = share(client, words.sum(axis=0) - words >= min_df)
        unknown = client.map(_unknown, counts, is_known=is_known, pure=False, retries=RETRIES)
        shares = np.concatenate([result(one, "a part") for one in unknown])
        return cls(client, parts, idf, shares)

    def losses_and_gradients(
        self, weights: Float64Array, folds: Int64Array, shares: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Return the log losses (m,) of m models and their gradients (n_columns + 1, m).

        Args:
            weights: float64 (n_columns + 1, m), coefficients and, last, intercepts.
            folds: int64 (m,), in which fold the texts are that a model is not to see, or `ALL`.
            shares: float64 (m, 2), what a text of each class counts in each model.
        """
        shared = share(self.client, weights.astype(np.float32))
        total = summed(self.client, _losses_and_gradients, self.parts, shared, folds, shares)
        return total[0], total[1:]

    def held_out(self, weights: Float64Array) -> Float64Array:
        """Return the score of each text by the model of its fold, float64 (n,); weights as above, a model a fold."""
        shared = share(self.client, weights)
        scores = self.client.map(_held_out, self.parts, weights=shared, pure=False, retries=RETRIES)
        return np.concatenate([result(one, "a part") for one in scores])


def summed(client: Any, function: Callable[..., Any], parts: Sequence[Any], *shared: Any) -> Any:
    """Sum a function over parts: for each thread of a worker over those that lie there, and then here."""
    sums = [
        client.submit(
            _total,
            function,
            shard,
            *shared,
            workers=[worker] if worker else None,
            allow_other_workers=bool(worker),  # it may die meanwhile
            pure=False,
            retries=RETRIES,
        )
        for (worker, _), shard in _shards(client, parts).items()
    ]
    total = 0.0
    for one in sums:
        total = total + result(one, "a part")
    return total


def _shards(client: Any, parts: Sequence[Any]) -> dict[tuple[str, int], list[Any]]:
    """Put parts together that lie on one worker, for each of its threads; "" for parts that lie nowhere."""
    from distributed import as_completed

    list(as_completed(parts, loop=client.loop))
    n_threads, holders = client.nthreads(), client.who_has(parts)
    shards: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for i, part in enumerate(parts):
        # One whose worker died just now is made again wherever it is asked for.
        worker = next(iter(holders.get(part.key, ())), "")
        shards[worker, i % n_threads.get(worker, 1)].append(part)
    return shards


def _total(function: Callable[..., Any], parts: Sequence[Part], *shared: Any) -> Any:
    total = function(parts[0], *shared)
    for part in parts[1:]:
        total += function(part, *shared)
    return total


def _count(
    texts: PackedTexts, rows: Int64Array, y: Int64Array, folds: Int64Array, spec: NgramSpec
) -> Part:
    """Count the n-grams of some of the texts."""
    tfidf = HashedTfidf(
        word_ngrams=spec.word_ngrams,
        char_ngrams=spec.char_ngrams,
        n_bits=spec.n_bits,
        lowercase=spec.lowercase,
    )
    return Part(tfidf.count(texts.take(rows)), y, folds)


def _frequencies(part: Part, n_folds: int) -> Int64Array:
    """Return in how many texts of each fold each bucket occurs, int64 (n_folds, n_features)."""
    rows = (np.flatnonzero(part.folds == fold) for fold in range(n_folds))
    return np.stack([document_frequencies(part.X, of_fold) for of_fold in rows])


def _weigh(part: Part, *, idf: npt.NDArray[np.float32], spec: NgramSpec) -> Part:
    """Turn counts into TF-IDF with the buckets in use as columns."""
    counts = part.X.copy()  # others still count on it
    kernels.weigh(counts.indptr, counts.indices, counts.data, idf, np.int64(1) << spec.n_bits)
    counts.eliminate_zeros()
    column = np.cumsum(idf > 0, dtype=np.int32) - np.int32(1)
    shape = (counts.shape[0], int(column[-1]) + 1)
    X = csr_matrix((counts.data, column[counts.indices], counts.indptr), shape=shape)
    return Part(X, part.y, part.folds)


def _unknown(part: Part, *, is_known: npt.NDArray[np.bool_]) -> Float64Array:
    """Return the share of the word n-grams of each text that no other fold has, float64 (n,)."""
    words = part.X[:, : is_known.shape[1]]
    total = np.asarray(words.sum(axis=1, dtype=np.float64)).ravel()
    known = (words @ is_known.T.astype(np.float32))[np.arange(len(total)), part.folds]
    shares: Float64Array = 1.0 - np.divide(known, total, out=np.ones_like(total), where=total > 0)
    return shares


def _losses_and_gradients(
    part: Part, weights: npt.NDArray[np.float32], folds: Int64Array, shares: Float64Array
) -> Float64Array:
    """Return losses, below them gradients, below them those of the intercepts: float64 (n_columns + 2, m)."""
    # Model by model: with all of them side by side SciPy's products take more than twice as long.
    each = np.ascontiguousarray(weights[:-1].T)
    scores = np.stack([part.X @ one for one in each], axis=1).astype(np.float64) + weights[-1]
    counts = np.where(part.folds[:, None] != folds, shares[:, part.y].T, 0.0)
    y = part.y[:, None]
    losses = (counts * (np.logaddexp(0.0, scores) - y * scores)).sum(axis=0)
    slopes = counts * (expit(scores) - y)
    gradients = np.stack([part.X.T @ one for one in slopes.T.astype(np.float32)], axis=1)
    return np.vstack((losses, gradients, slopes.sum(axis=0)))


def _held_out(part: Part, *, weights: Float64Array) -> Float64Array:
    scores = part.X @ weights[:-1] + weights[-1]
    own: Float64Array = scores[np.arange(len(part.y)), part.folds]
    return own
