"""From bytes to hashed n-gram counts and scores: the compiled path, for any number of texts.

The rules are those of `ngrams`. `count` (training) and `score` (prediction) share all of them and differ only in what
they do with the counts of a document, so a text gets the same features on every path. All kernels release the GIL:
batches may be cut and spread over threads in any way without changing a bit of the result.
"""

import threading
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect.compiled import njit
from ai_detect.ngrams import (
    LOG_TF,
    NGRAM,
    SEED,
    SHIFT,
    STATISTICS,
    TOKEN,
    UNDONE_COLUMN,
    NgramSpec,
    function_word_hashes,
    starts_word,
)
from ai_detect.prefetch import prefetch
from ai_detect.text import DROP, SPACE, WORD, PackedTexts, code_point_table

# How many output bytes one source byte can become (see scripts/make_unicode_table.py), and room for a last separator.
_MAX_GROWTH = 4
_N_STATISTICS = len(STATISTICS)
_NGRAMS, _KNOWN_NGRAMS = STATISTICS.index("ngrams"), STATISTICS.index("known_ngrams")
_N_FUNCTION_SLOTS = 1 << 12  # a byte each, so that they stay in the first cache
_SEPARATOR = np.uint8(32)
# The same byte eight times.
_HIGH_BITS, _LOW_BITS, _CASE_BIT = (
    np.uint64(byte * 0x0101010101010101) for byte in (0x80, 0x7F, 0x20)
)
_UP_TO_A, _BEYOND_Z, _UP_TO_0, _BEYOND_9 = (
    np.uint64((0x80 - bound) * 0x0101010101010101) for bound in b"a{0:"
)
# Most n-grams of a text that can be counted in 16 bits, which take half as much of the cache.
_FEW = 1 << 16
# Indices are unsigned in the inner loops: at each access by a signed one Numba asks whether it counts from the end.
_ONE, _EIGHT = np.uintp(1), np.uintp(8)

_kept = threading.local()


@njit(nogil=True, cache=True)
def tokenise(data, start, stop, table, out, hashes, statistics):  # noqa: PLR0912, PLR0915
    """Write the canonical form of data[start:stop] to `out` and the 64-bit hash of every token to `hashes`.

    Adds the words and what was undone to `statistics`. Both arrays have room for eight more than they hold. Returns the
    length of the canonical form in bytes and the number of tokens.
    """
    # One long function, since handing an array to another one costs two atomic operations: half of the speed.
    plain, case_bit, begins_word, pages, entries, pool = table
    i, stop = np.uintp(start), np.uintp(stop)
    n_data = np.uintp(len(data))
    length = n_tokens = np.uintp(0)
    n_words = 0
    last = np.int64(SPACE)
    h = SEED
    while i < stop:
        lead = data[i]
        if last != WORD and plain[lead]:
            # A run of ASCII letters and digits, which is most of any English text.
            n_words += 1
            out[length] = _SEPARATOR
            length += np.uintp(n_tokens > 0)
            h = SEED
            n = _EIGHT
            while n == _EIGHT:
                block = np.uint64(0)
                if i + _EIGHT <= n_data:
                    for k in range(_EIGHT):  # a single load
                        block |= np.uint64(data[i + k]) << np.uint64(_EIGHT * k)
                else:
                    for k in range(n_data - i):
                        block |= np.uint64(data[i + k]) << np.uint64(_EIGHT * k)
                n = min(plain_bytes(block, case_bit), stop - i)
                # The hashes of one byte, of two ... and of eight go where later tokens will be, and the one asked for
                # is picked: a loop of n turns would end where no branch predictor expects it.
                for k in range(_EIGHT):
                    out[length + k] = np.uint8(block >> np.uint64(_EIGHT * k))
                hashes[n_tokens] = h
                for k in range(_EIGHT):
                    h = (h ^ ((block >> np.uint64(_EIGHT * k)) & np.uint64(0xFF))) * TOKEN
                    hashes[n_tokens + k + _ONE] = h
                h = hashes[n_tokens + n]
                length += n
                i += n
            hashes[n_tokens] = h ^ (h >> SHIFT)
            n_tokens += _ONE
            last = np.int64(WORD)
            continue
        if lead == _SEPARATOR:
            last = np.int64(SPACE)
            i += _ONE
            continue
        size = _ONE
        if lead < 0x80:
            entry = np.int64(entries[lead])
        else:
            code_point, n_read = decode(data, np.int64(i), np.int64(stop))
            page, size = np.uintp(pages[code_point >> 8]), np.uintp(n_read)
            entry = np.int64(entries[(page << np.uintp(8)) | np.uintp(code_point & 255)])
        undone = (entry >> 4) & 7
        if undone > 0:
            statistics[UNDONE_COLUMN + undone] += 1
        if entry & 2:  # a space, or nothing at all
            last = last if entry & 3 == DROP else np.int64(SPACE)
            i += size
            continue
        offset, n_bytes = np.uintp(entry >> 14), np.uintp((entry >> 8) & 63)
        if (entry | last) & 3 != WORD:
            n_words += begins_word[pool[offset] if n_bytes else lead]
            out[length] = _SEPARATOR
            length += np.uintp(n_tokens > 0)
            n_tokens += _ONE
            h = SEED
        for j in range(n_bytes or size):
            byte = pool[offset + j] if n_bytes else data[i + j]
            if byte == _SEPARATOR:  # within a replacement of several tokens
                hashes[n_tokens - _ONE] = h ^ (h >> SHIFT)
                n_tokens += _ONE
                n_words += begins_word[pool[offset + j + _ONE]]
                h = SEED
            else:
                h = (h ^ np.uint64(byte)) * TOKEN
            out[length] = byte
            length += _ONE
        hashes[n_tokens - _ONE] = h ^ (h >> SHIFT)
        last = (entry >> 2) & 3
        i += size
    statistics[0] += n_words
    return np.int64(length), np.int64(n_tokens)


@njit(nogil=True, cache=True)
def plain_bytes(block, case_bit):
    """Return how many of eight bytes, the lowest first, come before one that is no ASCII letter or digit.

    All eight at once, by additions that carry into the highest bit of a byte if it is beyond a bound. `case_bit` is
    `_CASE_BIT` if capitals are letters, else 0.
    """
    low = block & _LOW_BITS
    letter = low | case_bit
    is_letter = (letter + _UP_TO_A) & ~(letter + _BEYOND_Z)
    is_digit = (low + _UP_TO_0) & ~(low + _BEYOND_9)
    others = (~(is_letter | is_digit) | block) & _HIGH_BITS
    return np.uintp(popcount((others - np.uint64(1)) & ~others) >> np.uint64(3))


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
def add_word_ngrams(hashes, n_tokens, smallest, largest, shift, buckets):
    """Write the bucket of every word n-gram to `buckets`; return their number."""
    n_full = max(n_tokens - largest + 1, 0)  # tokens with which an n-gram of each length begins
    # The usual lengths as constants: LLVM then takes eight tokens at a time.
    if smallest == 1 and largest == 3:
        n = _word_ngrams(hashes, 0, n_full, 1, 3, shift, buckets, 0)
    else:
        n = _word_ngrams(hashes, 0, n_full, smallest, largest, shift, buckets, 0)
    for i in range(n_full, n_tokens):
        n = _word_ngrams(hashes, i, i + 1, smallest, n_tokens - i, shift, buckets, n)
    return n


@njit(nogil=True, cache=True)
def _word_ngrams(hashes, first, end, smallest, largest, shift, buckets, n):
    """Write the buckets of all n-grams that begin with tokens `first` to `end`, behind `n` others."""
    n = np.uintp(n)
    for i in range(np.uintp(first), np.uintp(end)):
        h = SEED
        for k in range(np.uintp(largest)):
            h = (h + hashes[i + k]) * NGRAM
            h ^= h >> SHIFT
            if k + _ONE >= np.uintp(smallest):
                buckets[n] = np.int32(h >> shift)
                n += _ONE
    return np.int64(n)


@njit(nogil=True, cache=True)
def add_char_ngrams(canonical, length, smallest, largest, shift, buckets):
    """Write the bucket of every character n-gram (code points, spaces included) to `buckets`; return their number."""
    n = 0
    for i in range(length):
        if canonical[i] & 0xC0 == 0x80:  # inside a code point
            continue
        h = SEED
        j = i
        for k in range(largest):
            if j == length:
                break
            h = (h ^ np.uint64(canonical[j])) * NGRAM
            j += 1
            while j < length and canonical[j] & 0xC0 == 0x80:
                h = (h ^ np.uint64(canonical[j])) * NGRAM
                j += 1
            if k + 1 >= smallest:
                mixed = (h ^ (h >> SHIFT)) * TOKEN
                buckets[n] = np.int32(mixed >> shift)
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
    mask = np.uintp(size - 1)
    n_used = np.uintp(0)
    for i in range(np.uintp(n)):
        bucket = buckets[i]
        slot = np.uintp(bucket) & mask
        while counts[slot] > 0 and keys[slot] != bucket:
            slot = (slot + _ONE) & mask
        if counts[slot] == 0:
            keys[slot] = bucket
            used[n_used] = slot
            n_used += _ONE
        counts[slot] += 1
    return np.int64(n_used)


@njit(nogil=True, cache=True)
def term_frequency(count):
    """Sublinear term frequency, 1 + ln(count)."""
    return LOG_TF[count] if count < len(LOG_TF) else 1.0 + np.log(count)


@njit(nogil=True, cache=True)
def longest_text(offsets):
    """Return the size in bytes of the longest text."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@njit(nogil=True, cache=True)
def _scratch(longest, words, chars):
    """Allocate the working memory for texts of up to `longest` bytes: canonical form, hashes and buckets."""
    capacity = _MAX_GROWTH * longest + 1
    per_block = max((words[1] - words[0] + 1), (chars[1] - chars[0] + 1))
    # A token or a character takes at least one byte of the canonical form; words take two, with their separator.
    return (
        np.empty(capacity + 8, np.uint8),
        np.empty(capacity + 8, np.uint64),
        np.empty(capacity * per_block, np.int32),
    )


@njit(nogil=True, cache=True)
def _block_buckets(block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets):
    """Fill `buckets` with the n-grams of one block (0 words, 1 characters); return their number."""
    shift = np.uint64(64 - n_bits)
    if block == 0:
        return add_word_ngrams(hashes, n_tokens, words[0], words[1], shift, buckets)
    return add_char_ngrams(canonical, length, chars[0], chars[1], shift, buckets)


@njit(nogil=True, cache=True)
def keep_known(buckets, n, first, vocabulary):
    """Replace each bucket by the row of its weights, leaving out those without; return how many are left.

    There is no branch to mispredict: what is unknown is overwritten by the next one.
    """
    n_known = np.uintp(0)
    for i in range(np.uintp(n)):
        bucket = np.uint32(buckets[i]) + np.uint32(first)
        word = np.uintp(bucket >> np.uint32(6))
        bits = vocabulary[word, 0]
        bit = np.uint64(1) << np.uint64(bucket & np.uint32(63))
        buckets[n_known] = np.int32(vocabulary[word, 1] + popcount(bits & (bit - np.uint64(1))))
        n_known += np.uintp((bits & bit) != 0)
    return np.int64(n_known)


@njit(nogil=True, cache=True)
def popcount(x):
    """Count the bits set, in the form that LLVM turns into one instruction (Warren, Hacker's Delight, 5-1)."""
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit(nogil=True, cache=True)
def count_function_words(hashes, n_tokens, slots, known):
    """Count the tokens that are function words: `slots` names the only one of the `known` hashes a token can have."""
    mask = np.uint64(len(slots) - 1)
    n = 0
    for i in range(np.uintp(n_tokens)):
        n += known[slots[hashes[i] & mask]] == hashes[i]
    return n


@njit(nogil=True, cache=True)
def _count(data, offsets, table, function_words, words, chars, n_bits, statistics):
    canonical, hashes, buckets = _scratch(longest_text(offsets), words, chars)
    slots = 64
    while slots < 2 * len(buckets) and slots < (2 << n_bits):
        slots *= 2
    keys, used = np.empty(slots, np.int32), np.empty(slots, np.int32)
    counts = np.zeros(slots, np.int32)
    n_rows = len(offsets) - 1
    indptr = np.zeros(n_rows + 1, np.int64)
    indices = np.empty(max(1024, offsets[-1] - offsets[0]), np.int32)
    values = np.empty(len(indices), np.float32)
    n = 0
    for row in range(n_rows):
        length, n_tokens = tokenise(
            data,
            offsets[row],
            offsets[row + 1],
            table,
            canonical,
            hashes,
            statistics[row],
        )
        statistics[row, 1] = count_function_words(hashes, n_tokens, *function_words)
        for block in range(2):
            if (words, chars)[block][1] == 0:
                continue
            n_ngrams = _block_buckets(
                block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets
            )
            statistics[row, _NGRAMS] += n_ngrams
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
    table,
    function_words,
    words,
    chars,
    n_bits,
    vocabulary,
    weights,
    counts,
    statistics,
    out,
):
    canonical, hashes, buckets = _scratch(longest_text(offsets), words, chars)
    used = np.empty(min(len(buckets), len(weights)) + 1, np.int32)
    totals = np.empty(out.shape[1], np.float64)
    for row in range(len(offsets) - 1):
        length, n_tokens = tokenise(
            data,
            offsets[row],
            offsets[row + 1],
            table,
            canonical,
            hashes,
            statistics[row],
        )
        statistics[row, 1] = count_function_words(hashes, n_tokens, *function_words)
        for block in range(2):
            if (words, chars)[block][1] == 0:
                continue
            n_ngrams = _block_buckets(
                block, canonical, length, hashes, n_tokens, words, chars, n_bits, buckets
            )
            n_known = keep_known(buckets, n_ngrams, block << n_bits, vocabulary)
            statistics[row, _NGRAMS] += n_ngrams
            statistics[row, _KNOWN_NGRAMS] += n_known
            if n_known < _FEW:
                _add_scores(buckets, n_known, counts, weights, used, totals, out[row])
            else:
                many = np.zeros(len(weights), np.int64)
                _add_scores(buckets, n_known, many, weights, used, totals, out[row])


@njit(nogil=True, cache=True)
def _add_scores(rows, n, counts, weights, used, totals, out):
    """Add to `out` the scores of one block of a text, given a row of the weights for each of its n-grams.

    `counts`, one for each row of the weights, are all 0 before and after; `totals`, one for each output, is scratch.
    """
    n_used = np.uintp(0)
    for i in range(np.uintp(n)):
        at = np.uintp(rows[i])
        prefetch(weights, at)
        used[n_used] = at
        n_used += np.uintp(counts[at] == 0)
        counts[at] += 1
    n_outputs = np.uintp(len(out))
    totals[:] = 0.0
    first = squares = 0.0  # the total of the first output, often the only one, stays in a register
    for i in range(n_used):
        at = np.uintp(used[i])
        value = term_frequency(counts[at]) * weights[at, 0]
        counts[at] = 0
        squares += value * value
        first += value * weights[at, 1]
        for k in range(_ONE, n_outputs):
            totals[k] += value * weights[at, _ONE + k]
    totals[0] = first
    if squares > 0.0:
        norm = 1.0 / np.sqrt(squares)
        for k in range(n_outputs):
            out[k] += totals[k] * norm


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


@njit(nogil=True, cache=True)
def document_frequencies(indptr, indices, rows, df):
    """Add to `df` in how many of these rows each bucket occurs."""
    for row in rows:
        for i in range(indptr[row], indptr[row + 1]):
            df[np.uintp(indices[i])] += 1


@cache
def _function_words() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """Return the hashes of the function words, in lower case and capitalised, and in which slot to look for which.

    No two of them share a slot, so that looking one up takes no loop: seen to below, for the list as it stands.
    """
    hashes = function_word_hashes()
    known = np.concatenate((np.zeros(1, np.uint64), hashes))  # 0: of no token
    slots = np.zeros(_N_FUNCTION_SLOTS, np.uint8)
    slots[known & np.uint64(_N_FUNCTION_SLOTS - 1)] = np.arange(len(known))
    if np.count_nonzero(slots) != len(hashes):
        raise AssertionError("two function words share a slot: choose another number of slots")
    return slots, known


@cache
def _table(lowercase: bool) -> tuple[Any, ...]:
    """Return the code point table as `tokenise` takes it.

    Before it stand which bytes mean themselves within a word, which bit to set in a letter to have it in lower case,
    and which bytes begin a word rather than punctuation.
    """
    table = code_point_table(lowercase)
    plain = np.zeros(256, np.bool_)
    plain[:0x80] = table.entries[:0x80] == WORD
    case_bit = np.uint64(0 if lowercase else _CASE_BIT)
    for byte in range(256):
        if plain[byte] != (plain_bytes(np.uint64(byte), case_bit) > 0):
            raise AssertionError("the table and `plain_bytes` differ about letters and digits")
    return plain, case_bit, starts_word(), table.pages, table.entries, table.pool


def _arguments(texts: PackedTexts, spec: NgramSpec) -> tuple[object, ...]:
    return (
        texts.data,
        texts.offsets,
        _table(spec.lowercase),
        _function_words(),
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


def _zeros(n: int) -> npt.NDArray[np.uint16]:
    """Return n or more zeros, the same ones at each call of a thread: the kernel leaves them as it found them.

    Fresh ones would cost a short text more page faults than it has tokens.
    """
    if not hasattr(_kept, "zeros") or len(_kept.zeros) < n:
        _kept.zeros = np.zeros(n, np.uint16)
    zeros: npt.NDArray[np.uint16] = _kept.zeros
    return zeros


def vocabulary(buckets: npt.NDArray[Any], n_features: int) -> npt.NDArray[np.uint64]:
    """Return the set of buckets in use as `score` looks them up: a bit for each bucket, and a rank for every 64.

    It is 32 times smaller than an array of rows, so that it stays in the cache of a core.

    Args:
        buckets: ascending bucket numbers.
        n_features: how many buckets there are.

    Returns: uint64 (n_features / 64 rounded up, 2); bit b of [w, 0] is set if bucket 64 w + b is in use, and [w, 1] is
        how many are in use before bucket 64 w.
    """
    in_use = np.zeros((-(-n_features // 64), 64), np.uint8)
    in_use.reshape(-1)[buckets] = 1
    result = np.zeros((len(in_use), 2), np.uint64)
    result[:, 0] = np.packbits(in_use, axis=1, bitorder="little").view("<u8")[:, 0]
    result[1:, 1] = np.cumsum(in_use.sum(axis=1, dtype=np.uint64))[:-1]
    return result


def score(
    texts: PackedTexts,
    spec: NgramSpec,
    vocabulary: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Go from bytes to linear scores in one pass, the TF-IDF matrix never being built.

    Args:
        texts: the texts.
        spec: which n-grams.
        vocabulary: which buckets have weights, see `vocabulary`.
        weights: float32 (n_rows, 1 + n_outputs), a row for each of these buckets in ascending order; column 0 is the
            idf, the others are coefficients.

    Returns: scores float64 (n, n_outputs), without intercept, and the statistics int32 (n, len(STATISTICS)).
    """
    statistics = np.zeros((len(texts), _N_STATISTICS), np.int32)
    out = np.zeros((len(texts), weights.shape[1] - 1), np.float64)
    _score(*_arguments(texts, spec), vocabulary, weights, _zeros(len(weights)), statistics, out)
    return out, statistics
