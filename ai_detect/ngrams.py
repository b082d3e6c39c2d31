"""Which n-grams are counted and how they are hashed, and one text's worth of it in NumPy.

A text is normalised to its canonical form (tokens joined by single spaces, see `text.py`), every token and n-gram is
hashed to 64 bits, and the top bits of the hash are its bucket. Word n-grams fill the buckets 0 ... n_features - 1,
character n-grams, where asked for, the next n_features: each block is counted and L2-normalised by itself.

`kernels` does this compiled, for any number of texts. Loading a compiler takes longer than reading an essay, though, so
a process that is given a single text does without, and `tests/test_ngrams.py` holds both to the same bits.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ai_detect.reading import code_points, read
from ai_detect.text import Undone, code_point_table

UInt64Array = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]

# Odd 64-bit multipliers: the finalisers of SplitMix64 (Steele, Lea & Flood 2014) and the golden ratio.
SEED = np.uint64(0x9E3779B97F4A7C15)
TOKEN = np.uint64(0xBF58476D1CE4E5B9)
NGRAM = np.uint64(0x94D049BB133111EB)
SHIFT = np.uint64(31)

# Columns of the statistics that come with each text.
STATISTICS = (
    "words",
    "function_words",
    *(kind.name.lower() for kind in Undone if kind),
    "ngrams",
    "known_ngrams",  # those with a weight; 0 where no weights are asked for
)
UNDONE_COLUMN = 1  # kind k of Undone is counted in column UNDONE_COLUMN + k

# Words of grammar, which make up some 40 % of English whatever it is about, and nearly nothing of another language.
FUNCTION_WORDS = (
    "the of and to a in is that it for on with as are be this have not they by or from at an but we can which "
    "their you he was will if has more there would what so about who when do than been were his its our I them "
    "these because my"
).split()

# Sublinear term frequency 1 + ln(count), precomputed for the counts that occur in practice.
LOG_TF = np.concatenate(([0.0], 1.0 + np.log(np.arange(1, 1 << 14)))).astype(np.float64)


@dataclass(frozen=True)
class NgramSpec:
    """Which n-grams are counted, and into how many buckets.

    word_ngrams, char_ngrams: smallest and largest n, (0, 0) for none; n_bits: 2**n_bits buckets a block.
    """

    word_ngrams: tuple[int, int] = (1, 3)
    char_ngrams: tuple[int, int] = (0, 0)
    n_bits: int = 20
    lowercase: bool = False

    @property
    def blocks(self) -> tuple[bool, bool]:
        """Whether there are word n-grams, and whether there are character n-grams."""
        return self.word_ngrams[1] > 0, self.char_ngrams[1] > 0

    @property
    def n_features(self) -> int:
        """Number of columns: 2**n_bits for words, as many again if there are character n-grams."""
        return (1 + self.blocks[1]) << self.n_bits


@dataclass(frozen=True)
class Counted:
    """The features of one text before they are weighed.

    blocks: for words and for characters, the buckets int32 in order of first occurrence and how often each occurs,
    int64; statistics: int32 (len(STATISTICS),).
    """

    blocks: tuple[tuple[Int32Array, npt.NDArray[np.int64]], ...]
    statistics: Int32Array


def count_one(text: str, spec: NgramSpec) -> Counted:
    """Count the n-grams of one text, as `kernels.count` does."""
    canonical = read(text, lowercase=spec.lowercase).canonical
    hashes = token_hashes(canonical)
    blocks, n_ngrams = [], 0
    for buckets in (
        word_buckets(hashes, spec) if spec.blocks[0] else np.zeros(0, np.int32),
        char_buckets(canonical, spec) if spec.blocks[1] else np.zeros(0, np.int32),
    ):
        found, first, count = np.unique(buckets, return_index=True, return_counts=True)
        order = np.argsort(first)
        blocks.append((found[order], count[order]))
        n_ngrams += len(buckets)
    statistics = _statistics(text, canonical, hashes, lowercase=spec.lowercase)
    statistics[STATISTICS.index("ngrams")] = n_ngrams
    return Counted(tuple(blocks), statistics)


def undone_counts(text: str) -> dict[str, int]:
    """Return how many characters of each kind the normalisation undoes in a text, by the names of `Undone`."""
    table = code_point_table(False)
    points = code_points(text)
    entries = table.entries[(table.pages[points >> 8].astype(np.int64) << 8) | (points & 255)]
    counts = np.bincount(entries >> 4 & 7, minlength=len(Undone))
    return {kind.name.lower(): int(counts[kind]) for kind in Undone if kind}


def token_hashes(canonical: str) -> UInt64Array:
    """Return the hash of each token, uint64 (n_tokens,), of one text in its canonical form."""
    data = np.frombuffer(canonical.encode(), np.uint8)
    if not len(data):
        return np.zeros(0, np.uint64)
    space = np.flatnonzero(data == ord(" "))
    first = np.concatenate(([0], space + 1))
    length = np.concatenate((space, [len(data)])) - first
    h = _absorb(np.full(len(first), SEED), data, first, length, TOKEN)
    return h ^ (h >> SHIFT)


def word_buckets(hashes: UInt64Array, spec: NgramSpec) -> Int32Array:
    """Return the bucket of every word n-gram, by where it begins and then by its length."""
    smallest, largest = spec.word_ngrams
    h = np.full(len(hashes), SEED)
    found = np.zeros((len(hashes), largest), np.uint64)
    for k in range(min(largest, len(hashes))):
        h = (h[: len(hashes) - k] + hashes[k:]) * NGRAM
        h ^= h >> SHIFT
        found[: len(h), k] = h
    return _in_order(found, smallest, spec.n_bits)


def char_buckets(canonical: str, spec: NgramSpec) -> Int32Array:
    """Return the bucket, without that of the block, of every character n-gram, by where it begins and its length."""
    smallest, largest = spec.char_ngrams
    data = np.frombuffer(canonical.encode(), np.uint8)
    first = np.flatnonzero(data & 0xC0 != 0x80)
    length = np.diff(np.append(first, len(data)))
    h = np.full(len(first), SEED)
    found = np.zeros((len(first), largest), np.uint64)
    for k in range(min(largest, len(first))):
        h = _absorb(h[: len(first) - k], data, first[k:], length[k:], NGRAM)
        found[: len(h), k] = (h ^ (h >> SHIFT)) * TOKEN
    return _in_order(found, smallest, spec.n_bits)


def _absorb(
    h: UInt64Array,
    data: npt.NDArray[np.uint8],
    first: npt.NDArray[np.intp],
    length: npt.NDArray[np.intp],
    multiplier: np.uint64,
) -> UInt64Array:
    """Take data[first:first + length] into each hash, byte by byte."""
    h = h.copy()
    for i in range(int(length.max(initial=0))):
        longer = length > i
        h[longer] = (h[longer] ^ data[first[longer] + i].astype(np.uint64)) * multiplier
    return h


def _in_order(hashes: UInt64Array, smallest: int, n_bits: int) -> Int32Array:
    """Turn hashes (n, largest), of which the last rows hold fewer and fewer, into a row of buckets."""
    n, largest = hashes.shape
    fits = np.arange(n)[:, None] + np.arange(1, largest + 1) <= n
    fits[:, : smallest - 1] = False
    buckets: Int32Array = (hashes[fits] >> np.uint64(64 - n_bits)).astype(np.int32)
    return buckets


def _statistics(text: str, canonical: str, hashes: UInt64Array, *, lowercase: bool) -> Int32Array:
    data = np.frombuffer(canonical.encode(), np.uint8)
    starts = data[np.concatenate(([True], data[:-1] == ord(" ")))[: len(data)]]
    statistics = np.zeros(len(STATISTICS), np.int32)
    statistics[0] = np.sum(starts_word()[starts])
    statistics[1] = np.sum(np.isin(hashes, function_word_hashes()))
    for kind, n in zip(
        (kind for kind in Undone if kind), undone_counts(text).values(), strict=True
    ):
        statistics[UNDONE_COLUMN + kind] = n
    return statistics


@cache
def starts_word() -> npt.NDArray[np.uint8]:
    """Return which bytes begin a word rather than punctuation, uint8 (256,)."""
    return np.array([byte >= 0x80 or chr(byte).isalnum() for byte in range(256)], np.uint8)


@cache
def function_word_hashes() -> UInt64Array:
    """Return the hashes of the function words, in lower case and capitalised."""
    forms = {form for word in FUNCTION_WORDS for form in (word, word.capitalize())}
    return token_hashes(" ".join(sorted(forms)))
