"""The training texts as models see them that were trained without their fold: what new texts are to be like.

A model's own training texts have sharper scores than new ones, and no n-gram that it does not know. So the reference of
drift takes the out-of-fold scores, and the n-grams of a text against the document frequencies of all other folds.
Used by training only.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ai_detect.config import TrainConfig
from ai_detect.drift_reference import Reference, measure
from ai_detect.features import HashedTfidf, document_frequencies
from ai_detect.ngrams import STATISTICS
from ai_detect.predictor import obfuscation
from ai_detect.text import PackedTexts

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]


def reference(
    scores: Float64Array,
    statistics: Int32Array,
    unknown: Float64Array,
    groups: Mapping[str, npt.NDArray[np.bool_]],
) -> Reference:
    """Return the reference of drift.

    Args:
        scores: float64 (n, n_outputs), out of fold.
        statistics: int32 (n, len(STATISTICS)).
        unknown: float64 (n,), of `unknown_shares`.
        groups: name -> bool (n,), as in `Reference.build`.
    """
    column = dict(zip(STATISTICS, statistics.T, strict=True))
    values = measure(
        scores, column["words"], column["function_words"], obfuscation(statistics), unknown
    )
    has_words = column["words"] > 0
    return Reference.build(values, {name: mask & has_words for name, mask in groups.items()})


def unknown_shares(
    texts: PackedTexts, config: TrainConfig, *, folds: Int64Array, n_jobs: int
) -> Float64Array:
    """Return the share of the word n-grams of each text that too few texts of other folds have.

    Args:
        texts: n texts.
        config: the settings of the model, resolved; n-grams of characters are left out, and rules know all there is.
        folds: int64 (n,), the fold in which each text is held out.
        n_jobs: threads.

    Returns: float64 (n,), 0 for texts without an n-gram.
    """
    words = config.word_ngrams or (0, 0)
    if config.model == "heuristic" or words == (0, 0):
        return np.zeros(len(texts))
    counts = HashedTfidf(
        word_ngrams=words, n_bits=config.n_bits, lowercase=config.lowercase, n_jobs=n_jobs
    ).count(texts)
    df = document_frequencies(counts, np.arange(len(texts)))
    total = (counts @ np.ones(len(df), np.float32)).astype(np.float64)
    known = np.zeros(len(texts))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        is_known = df - document_frequencies(counts, rows) >= config.min_df
        known[rows] = (counts @ is_known.astype(np.float32))[rows]
    shares: Float64Array = 1.0 - np.divide(known, total, out=np.ones_like(total), where=total > 0)
    return shares
