"""From bytes to hashed n-gram counts and scores: the Numba kernels every path goes through.

A text is normalised to its canonical form (tokens joined by single spaces, see `text.py`), every token and n-gram is
hashed to 64 bits, and the top bits of the hash are its bucket. Word n-grams fill the buckets 0 ... n_features - 1,
character n-grams, where asked for, the next n_features: each block is counted and L2-normalised by itself.

`count` (training) and `score` (prediction) share all of that and differ only in what they do with the counts of a
document, so a text gets the same features on every path. All kernels release the GIL and keep no state: batches may be
cut and spread over threads in any way without changing a bit of the result.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from ai_detect.text import DROP, SPACE, WORD, CodePointTable, PackedTexts, Undone, code_point_table

# Odd 64-bit multipliers: the finalisers of SplitMix64 (Steele, Lea & Flood 2014) and the golden ratio.
_SEED = np.uint64(0x9E3779B97F4A7C15)
_TOKEN = np.uint64(0xBF58476D1CE4E5B9)
_NGRAM = np.uint64(0x94D049BB133111EB)
_SHIFT = np.uint64(31)

# How many output bytes one source byte can become (see scripts/make_unicode_table.py), and room for a last separator.
_MAX_GROWTH = 4

# Columns of the statistics that come with each text.
STATISTICS = ("words", "function_words", *(kind.name.lower() for kind in Undone if kind))
_N_STATISTICS = len(STATISTICS)
_UNDONE_COLUMN = 1  # kind k of Undone is counted in column _UNDONE_COLUMN + k

# Words of grammar, which make up some 40 % of English whatever it is about, and nearly nothing of another language.
FUNCTION_WORDS = (
    "the of and to a in is that it for on with as are be this have not they by or from at an but we can which "
    "their you he was will if has more there would what so about who when do than been were his its our I them "
    "these because my"
).split()
_N_FUNCTION_SLOTS = 1 << 10  # sparse: most other words meet an empty slot

# Sublinear term frequency 1 + ln(count), precomputed for the counts that occur in practice.
_LOG_TF = np.concatenate(([0.0], 1.0 + np.log(np.arange(1, 1024)))).astype(np.float64)


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


@njit(nogil=True, cache=True)
def canonicalise(data, start, stop, pages, entries, pool, out, statistics):
    """Write the canonical form of data[start:stop] to `out`; count what was undone; return its length in bytes."""
    length = 0
    last = SPACE
    i = start
    while i < stop:
        lead = data[i]
        size = 1
        if lead < 0x80:
            entry = entries[lead]
        else:
            code_point, size = decode(data, i, stop)
            entry = entries[(np.int64(pages[code_point >> 8]) << 8) | (code_point & 255)]
        undone = (entry >> 4) & 7
        if undone > 0:
            statistics[_UNDONE_COLUMN + undone] += 1
        first = entry & 3
        if first == SPACE:
            last = SPACE
        elif first != DROP:
            if (first | last) != WORD and length > 0:
                out[length] = 32
                length += 1
            n_replacement = (entry >> 8) & 63
            if n_replacement == 0:
                for j in range(i, i + size):
                    out[length] = data[j]
                    length += 1
            else:
                offset = entry >> 14
                for j in range(offset, offset + n_replacement):
                    out[length] = pool[j]
                    length += 1
            last = (entry >> 2) & 3
        i += size
    return length


@njit(nogil=True, cache=True)
def decode(data, i, stop):
    """Return the code point that starts at data[i] >= 0x80 and its size in bytes; U+FFFD and 1 if it is not UTF-8."""
    lead = np.int64(data[i])
    if 0xC2 <= lead < 0xE0:
        size, code_point = 2, lead & 0x1F
    elif 0xE0 <= lead < 0xF0:
        size, code_point = 3, lead & 0x0F
    elif 0xF0 <= lead < 0xF5:
        size, code_point = 4, lead & 0x07
    else:
        return np.int64(0xFFFD), 1
    if i + size > stop:
        return np.int64(0xFFFD), 1
    for j in range(i + 1, i + size):
        if data[j] & 0xC0 != 0x80:
            return np.int64(0xFFFD), 1
        code_point = (code_point << 6) | np.int64(data[j] & 0x3F)
    return (code_point, size) if code_point < 0x110000 else (np.int64(0xFFFD), 1)


@njit(nogil=True, cache=True)
def hash_tokens(canonical, length, hashes):
    """Write the 64-bit hash of each token to `hashes`; return their number."""
    n_tokens = 0
    h = _SEED
    for i in range(length):
        byte = canonical[i]
        if byte == 32:
            hashes[n_tokens] = h ^ (h >> _SHIFT)
            n_tokens += 1
            h = _SEED
        else:
            h = (h ^ np.uint64(byte)) * _TOKEN
    if length > 0:
        hashes[n_tokens] = h ^ (h >> _SHIFT)
        n_tokens += 1
    return n_tokens


@njit(nogil=True, cache=True)
def add_word_ngrams(hashes, n_tokens, smallest, largest, shift, buckets):
    """Write the bucket of every word n-gram to `buckets`; return their number."""
    n = 0
    for i in range(n_tokens):
        h = _SEED
        for k in range(min(largest, n_tokens - i)):
            h = (h + hashes[i + k]) * _NGRAM
            h ^= h >> _SHIFT
            if k + 1 >= smallest:
                buckets[n] = np.int64(h >> shift)
                n += 1
    return n


@njit(nogil=True, cache=True)
def add_char_ngrams(canonical, length, smallest, largest, shift, buckets):
    """Write the bucket of every character n-gram (code points, spaces included) to `buckets`; return their number."""
    n = 0
    for i in range(length):
        if canonical[i] & 0xC0 == 0x80:  # inside a code point
            continue
        h = _SEED
        j = i
        for k in range(largest):
            if j == length:
                break
            h = (h ^ np.uint64(canonical[j])) * _NGRAM
            j += 1
            while j < length and canonical[j] & 0xC0 == 0x80:
                h = (h ^ np.uint64(canonical[j])) * _NGRAM
                j += 1
            if k + 1 >= smallest:
                mixed = (h ^ (h >> _SHIFT)) * _TOKEN
                buckets[n] = np.int64(mixed >> shift)
                n += 1
    return n


@njit(nogil=True, cache=True)
def tally(buckets, n, keys, counts, used):
    """Count equal buckets with an open-addressing table that is empty (counts all 0) before.

    `used` receives the slots in order of first occurrence; their number is returned. The caller empties the table.
    """
    size = 64
    while size < 2 * n and size < len(keys):
        size *= 2
    mask = size - 1
    n_used = 0
    for i in range(n):
        bucket = buckets[i]
        slot = bucket & mask
        while counts[slot] > 0 and keys[slot] != bucket:
            slot = (slot + 1) & mask
        if counts[slot] == 0:
            keys[slot] = bucket
            used[n_used] = slot
            n_used += 1
        counts[slot] += 1
    return n_used


@njit(nogil=True, cache=True)
def term_frequency(count):
    """Sublinear term frequency, 1 + ln(count)."""
    return _LOG_TF[count] if count < len(_LOG_TF) else 1.0 + np.log(count)


@njit(nogil=True, cache=True)
def count_words(canonical, length):
    """Count the tokens that begin with a letter, a digit or a non-ASCII byte."""
    n = 0
    for i in range(length):
        byte = canonical[i]
        alphanumeric = 48 <= byte < 58 or 65 <= byte < 91 or 97 <= byte < 123 or byte >= 128
        if alphanumeric and (i == 0 or canonical[i - 1] == 32):
            n += 1
    return n


@njit(nogil=True, cache=True)
def count_function_words(hashes, n_tokens, function_words):
    """Count the tokens whose hash is in an open-addressing table of 64-bit hashes, 0 for an empty slot."""
    mask = np.uint64(len(function_words) - 1)
    n = 0
    for i in range(n_tokens):
        slot = hashes[i] & mask
        while function_words[slot] != 0:
            if function_words[slot] == hashes[i]:
                n += 1
                break
            slot = (slot + np.uint64(1)) & mask
    return n


@njit(nogil=True, cache=True)
def longest_text(offsets):
    """Return the size in bytes of the longest text."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@njit(nogil=True, cache=True)
def _scratch(longest, words, chars, n_bits):
    """Allocate the working memory for texts of up to `longest` bytes."""
    capacity = _MAX_GROWTH * longest + 1
    per_block = max((words[1] - words[0] + 1), (chars[1] - chars[0] + 1))
    # A token or a character takes at least one byte of the canonical form; words take two, with their separator.
    n_ngrams = capacity * per_block
    slots = 64
    while slots < 2 * n_ngrams and slots < (2 << n_bits):
        slots *= 2
    return (
        np.empty(capacity, np.uint8),
        np.empty(capacity, np.uint64),
        np.empty(n_ngrams, np.int64),
        np.empty(slots, np.int64),
        np.zeros(slots, np.int64),
        np.empty(slots, np.int64),
    )


@njit(nogil=True, cache=True)
def _block_buckets(block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets):
    """Fill `buckets` with the n-grams of one block (0 words, 1 characters); return their number."""
    shift = np.uint64(64 - n_bits)
    if block == 0:
        return add_word_ngrams(hashes, n_tokens, words[0], words[1], shift, buckets)
    return add_char_ngrams(canonical, length, chars[0], chars[1], shift, buckets)


@njit(nogil=True, cache=True)
def _count(data, offsets, pages, entries, pool, function_words, words, chars, n_bits, statistics):
    canonical, hashes, buckets, keys, counts, used = _scratch(
        longest_text(offsets), words, chars, n_bits
    )
    n_rows = len(offsets) - 1
    indptr = np.zeros(n_rows + 1, np.int64)
    indices = np.empty(max(1024, offsets[-1] - offsets[0]), np.int32)
    values = np.empty(len(indices), np.float32)
    n = 0
    for row in range(n_rows):
        length = canonicalise(
            data, offsets[row], offsets[row + 1], pages, entries, pool, canonical, statistics[row]
        )
        n_tokens = hash_tokens(canonical, length, hashes)
        statistics[row, 0] = count_words(canonical, length)
        statistics[row, 1] = count_function_words(hashes, n_tokens, function_words)
        for block in range(2):
            if (words, chars)[block][1] == 0:
                continue
            n_ngrams = _block_buckets(
                block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets
            )
            n_used = tally(buckets, n_ngrams, keys, counts, used)
            if n + n_used > len(indices):
                indices = np.concatenate((indices, np.empty(len(indices) + n_used, np.int32)))
                values = np.concatenate((values, np.empty(len(values) + n_used, np.float32)))
            for i in range(n_used):
                slot = used[i]
                indices[n] = keys[slot] + (block << n_bits)
                values[n] = counts[slot]
                counts[slot] = 0
                n += 1
        indptr[row + 1] = n
    return indptr, indices[:n].copy(), values[:n].copy()


@njit(nogil=True, cache=True)
def _score(
    data,
    offsets,
    pages,
    entries,
    pool,
    function_words,
    words,
    chars,
    n_bits,
    rows,
    weights,
    statistics,
    out,
):
    canonical, hashes, buckets, keys, counts, used = _scratch(
        longest_text(offsets), words, chars, n_bits
    )
    n_outputs = out.shape[1]
    sums = np.empty(n_outputs, np.float64)
    for row in range(len(offsets) - 1):
        length = canonicalise(
            data, offsets[row], offsets[row + 1], pages, entries, pool, canonical, statistics[row]
        )
        n_tokens = hash_tokens(canonical, length, hashes)
        statistics[row, 0] = count_words(canonical, length)
        statistics[row, 1] = count_function_words(hashes, n_tokens, function_words)
        for block in range(2):
            if (words, chars)[block][1] == 0:
                continue
            n_ngrams = _block_buckets(
                block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets
            )
            n_used = tally(buckets, n_ngrams, keys, counts, used)
            squares = 0.0
            sums[:] = 0.0
            for i in range(n_used):
                slot = used[i]
                at = keys[slot] + (block << n_bits)
                tf = term_frequency(counts[slot])
                counts[slot] = 0
                if len(rows) > 0:  # weights are kept for the buckets in use only
                    at = rows[at]
                    if at < 0:
                        continue
                value = tf * weights[at, 0]
                squares += value * value
                for k in range(n_outputs):
                    sums[k] += value * weights[at, 1 + k]
            if squares > 0.0:
                norm = 1.0 / np.sqrt(squares)
                for k in range(n_outputs):
                    out[row, k] += sums[k] * norm


@njit(nogil=True, cache=True)
def weigh(indptr, indices, values, idf, block_start):
    """Turn counts into TF-IDF in place: (1 + ln count) * idf, each block of each row scaled to L2 norm 1."""
    for row in range(len(indptr) - 1):
        squares = np.zeros(2)
        for i in range(indptr[row], indptr[row + 1]):
            value = term_frequency(np.int64(values[i])) * idf[indices[i]]
            values[i] = value
            squares[np.int64(indices[i] >= block_start)] += value * value
        for i in range(indptr[row], indptr[row + 1]):
            square = squares[np.int64(indices[i] >= block_start)]
            if square > 0.0:
                values[i] /= np.sqrt(square)


@cache
def _function_word_table() -> npt.NDArray[np.uint64]:
    """Return the hashes of the function words, in lower case and capitalised, as an open-addressing table."""
    spelt = " ".join(
        sorted({form for word in FUNCTION_WORDS for form in (word, word.capitalize())})
    )
    canonical = np.frombuffer(spelt.encode(), np.uint8)
    hashes = np.empty(len(canonical), np.uint64)
    table = np.zeros(_N_FUNCTION_SLOTS, np.uint64)
    for h in hashes[: hash_tokens(canonical, len(canonical), hashes)]:
        slot = int(h) & (_N_FUNCTION_SLOTS - 1)
        while table[slot]:
            slot = (slot + 1) & (_N_FUNCTION_SLOTS - 1)
        table[slot] = h
    return table


def _arguments(texts: PackedTexts, spec: NgramSpec) -> tuple[object, ...]:
    table: CodePointTable = code_point_table(spec.lowercase)
    return (
        texts.data,
        texts.offsets,
        table.pages,
        table.entries,
        table.pool,
        _function_word_table(),
        spec.word_ngrams,
        spec.char_ngrams,
        spec.n_bits,
    )


def count(
    texts: PackedTexts, spec: NgramSpec
) -> tuple[
    npt.NDArray[np.int64],
    npt.NDArray[np.int32],
    npt.NDArray[np.float32],
    npt.NDArray[np.int32],
]:
    """Count the hashed n-grams of each text.

    Returns: the CSR arrays indptr int64 (n + 1,), indices int32 (nnz,) in order of first occurrence, counts float32
        (nnz,), and the statistics int32 (n, len(STATISTICS)) of each text.
    """
    statistics = np.zeros((len(texts), _N_STATISTICS), np.int32)
    indptr, indices, values = _count(*_arguments(texts, spec), statistics)
    return indptr, indices, values, statistics


def statistics(texts: PackedTexts) -> npt.NDArray[np.int32]:
    """Return the statistics of each text alone, int32 (n, len(STATISTICS))."""
    return count(texts, NgramSpec((1, 1), n_bits=8))[3]


def score(
    texts: PackedTexts,
    spec: NgramSpec,
    rows: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Go from bytes to linear scores in one pass, the TF-IDF matrix never being built.

    Args:
        texts: the texts.
        spec: which n-grams.
        rows: int32 (n_features,), bucket -> row of `weights` or -1; empty if every bucket has a row of its own.
        weights: float32 (n_rows, 1 + n_outputs); column 0 is the idf, the others are coefficients.

    Returns: scores float64 (n, n_outputs), without intercept, and the statistics int32 (n, len(STATISTICS)).
    """
    statistics = np.zeros((len(texts), _N_STATISTICS), np.int32)
    out = np.zeros((len(texts), weights.shape[1] - 1), np.float64)
    _score(*_arguments(texts, spec), rows, weights, statistics, out)
    return out, statistics
