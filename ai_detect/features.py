"""TF-IDF of hashed n-grams as a scikit-learn transformer around the counting kernel; used by training only.

X is a sequence of texts (`PackedTexts`, or any iterable of str); the result is a CSR matrix. With enough buckets it is
the matrix of `TfidfVectorizer(sublinear_tf=True)` on the same tokens, columns in another order.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ai_detect import kernels
from ai_detect.ngrams import NgramSpec
from ai_detect.text import PackedTexts

# Texts are counted in pieces of about this size, so that the growing arrays of the kernel stay in cache reach.
_PIECE_BYTES = 4 << 20


class HashedTfidf(TransformerMixin, BaseEstimator):
    """Hashed word and character n-grams, sublinear tf, smooth idf, each block L2-normalised.

    Args:
        word_ngrams: smallest and largest n of word n-grams; (0, 0) for none.
        char_ngrams: smallest and largest n of character n-grams; (0, 0) for none.
        n_bits: 2**n_bits buckets for each block.
        lowercase: fold letters to lower case.
        min_df: buckets seen in fewer training texts than this count for nothing, like those never seen.
        n_jobs: threads.

    Attributes (after `fit`):
        idf_: float32 (n_features,), ln((1 + n) / (1 + df)) + 1 as in scikit-learn; 0 where df < min_df.
    """

    def __init__(
        self,
        *,
        word_ngrams: tuple[int, int] = (1, 3),
        char_ngrams: tuple[int, int] = (0, 0),
        n_bits: int = 20,
        lowercase: bool = False,
        min_df: int = 1,
        n_jobs: int = 1,
    ) -> None:
        self.word_ngrams = word_ngrams
        self.char_ngrams = char_ngrams
        self.n_bits = n_bits
        self.lowercase = lowercase
        self.min_df = min_df
        self.n_jobs = n_jobs

    @property
    def spec(self) -> NgramSpec:
        """The n-grams of this transformer as the kernels take them."""
        return NgramSpec(self.word_ngrams, self.char_ngrams, self.n_bits, self.lowercase)

    def fit(self, X: PackedTexts | Iterable[str], y: Any = None) -> Self:
        """Learn the inverse document frequencies."""
        self._learn_idf(self.count(X))
        return self

    def fit_transform(self, X: PackedTexts | Iterable[str], y: Any = None) -> csr_matrix:
        """Learn the inverse document frequencies and return the matrix, counting only once."""
        counts = self.count(X)
        self._learn_idf(counts)
        return self._weigh(counts)

    def transform(self, X: PackedTexts | Iterable[str]) -> csr_matrix:
        """Return the TF-IDF matrix, float32 (n, n_features)."""
        check_is_fitted(self)
        return self._weigh(self.count(X))

    def count(self, X: PackedTexts | Iterable[str]) -> csr_matrix:
        """Return how often each n-gram occurs in each text, float32 (n, n_features), whatever was fitted."""
        texts = as_packed(X)
        pieces = texts.split(1 + texts.n_bytes // _PIECE_BYTES)
        with ThreadPoolExecutor(self.n_jobs) as pool:
            counted = list(pool.map(lambda piece: kernels.count(piece, self.spec)[:3], pieces))
        lengths = np.concatenate([np.diff(indptr) for indptr, _, _ in counted])
        indptr = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        indices = np.concatenate([piece[1] for piece in counted])
        values = np.concatenate([piece[2] for piece in counted])
        return csr_matrix(
            (values, indices, indptr), shape=(len(texts), self.spec.n_features), copy=False
        )

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Name the columns by block and bucket: hashing keeps no n-grams."""
        check_is_fitted(self)
        blocks = ("word", "char")[: self.spec.n_features >> self.n_bits]
        return np.array([f"{b}_{i}" for b in blocks for i in range(1 << self.n_bits)], object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _learn_idf(self, counts: csr_matrix) -> None:
        df = document_frequencies(counts, np.arange(counts.shape[0]))
        self.idf_ = inverse_frequencies(df, counts.shape[0], self.min_df)

    def _weigh(self, counts: csr_matrix) -> csr_matrix:
        kernels.weigh(
            counts.indptr, counts.indices, counts.data, self.idf_, np.int64(1) << self.n_bits
        )
        counts.eliminate_zeros()
        return counts


def document_frequencies(counts: csr_matrix, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return in how many of these rows each n-gram occurs, int64 (n_features,)."""
    df = np.zeros(counts.shape[1], np.int64)
    kernels.document_frequencies(counts.indptr, counts.indices, rows, df)
    return df


def inverse_frequencies(
    df: npt.NDArray[np.int64], n_texts: int, min_df: int
) -> npt.NDArray[np.float32]:
    """Return ln((1 + n) / (1 + df)) + 1 of n-grams that occur in `df` texts; 0 where these are fewer than `min_df`."""
    idf = np.log((1 + n_texts) / (1 + df)) + 1
    return np.where(df >= max(1, min_df), idf, 0.0).astype(np.float32)


def as_packed(X: PackedTexts | Iterable[str]) -> PackedTexts:
    """Return X as packed texts; refuse what is not a sequence of strings, as scikit-learn's vectorizers do."""
    if isinstance(X, PackedTexts):
        return X
    if isinstance(X, str):
        raise ValueError("Iterable over raw text documents expected, string object received.")
    texts = list(X)
    if not all(isinstance(text, (str, bytes)) for text in texts):
        raise ValueError("X must hold texts (str), one a row.")
    return PackedTexts.pack(texts)
