"""Texts as the kernels see them: packed UTF-8, and the table that normalises it.

X, the input of every model here, is a `PackedTexts`: n texts end to end in one byte array. It is the layout of an Arrow
string column, so files of that kind reach the kernels without a copy.

The canonical form of a text is its tokens joined by single spaces, where a token is a run of letters, digits and
combining marks, or one punctuation mark or symbol. On the way there everything that a careless or a hostile hand can
change without changing what is read is undone, one code point at a time and hence exactly: line breaks and runs of
spaces, typographic quotes and dashes, accents and ligatures, full-width and mathematical letters, letters of other
scripts that look like Latin ones, zero-width and control characters, markdown marks. The table behind it is made by
`scripts/make_unicode_table.py`; `kernels.tokenise` reads it in the hot path, `canonical_text` does so in Python.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

_TABLE = Path(__file__).with_name("unicode_table.npz")

UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PackedTexts:
    """n texts end to end as UTF-8.

    data: uint8 (n_bytes,); offsets: int64 (n + 1,), ascending; text i is `data[offsets[i]:offsets[i + 1]]`.
    Bytes that are not UTF-8 are allowed: they count as U+FFFD.
    """

    data: UInt8Array
    offsets: Int64Array

    @classmethod
    def pack(cls, texts: Iterable[str | bytes]) -> "PackedTexts":
        """Put texts end to end. Lone surrogates, which UTF-8 cannot hold, become `?`."""
        encoded = [
            text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in texts
        ]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @classmethod
    def concat(cls, parts: Sequence["PackedTexts"]) -> "PackedTexts":
        """Join batches of texts into one, in order."""
        data = [part.data[part.offsets[0] : part.offsets[-1]] for part in parts]
        lengths = [np.diff(part.offsets) for part in parts]
        offsets = np.zeros(sum(len(length) for length in lengths) + 1, np.int64)
        if parts:
            np.cumsum(np.concatenate(lengths), out=offsets[1:])
        return cls(np.concatenate(data) if parts else np.zeros(0, np.uint8), offsets)

    @property
    def n_bytes(self) -> int:
        """Bytes of text held, between the first and the last offset."""
        return int(self.offsets[-1] - self.offsets[0])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        start, stop = self.offsets[row], self.offsets[row + 1]
        return self.data[start:stop].tobytes().decode("utf-8", "replace")

    def split(self, n_parts: int) -> list["PackedTexts"]:
        """Cut into at most `n_parts` runs of texts with about equal bytes each, without copying."""
        goals = self.offsets[0] + self.n_bytes * np.arange(1, n_parts) // n_parts
        edges = np.unique(np.concatenate(([0], np.searchsorted(self.offsets, goals), [len(self)])))
        if len(edges) == 1:
            return [self]
        return [
            PackedTexts(self.data, self.offsets[start : stop + 1])
            for start, stop in pairwise(edges)
        ]

    def take(self, rows: npt.NDArray[np.intp]) -> "PackedTexts":
        """Return the texts at the given row numbers, in that order."""
        spans = zip(self.offsets[rows], self.offsets[rows + 1], strict=True)
        return PackedTexts.pack(self.data[start:stop].tobytes() for start, stop in spans)


# What a code point is to the tokeniser. The values are chosen so that two neighbours belong to one token
# exactly if (left | right) == WORD.
WORD, PUNCTUATION, SPACE, DROP = range(4)


class Undone(IntEnum):
    """What kind of change the normalisation undid at a code point."""

    NOTHING = 0
    TYPOGRAPHY = 1
    MARKDOWN = 2
    INVISIBLE = 3
    LOOKALIKE = 4
    ODD_SPACE = 5


@dataclass(frozen=True)
class CodePointTable:
    """code point -> class, kind of change undone, and replacement.

    pages: uint16 (4352,), indexed by code point >> 8; entries: uint32 (256 * n_pages,), see `pack_entry`;
    pool: uint8, canonical UTF-8 of all replacements end to end.
    """

    pages: npt.NDArray[np.uint16]
    entries: npt.NDArray[np.uint32]
    pool: UInt8Array

    def entry(self, char: str) -> int:
        """Return the packed entry of one character."""
        code_point = ord(char)
        return int(self.entries[(int(self.pages[code_point >> 8]) << 8) | (code_point & 255)])


def pack_entry(first: int, last: int, undone: Undone, length: int, offset: int) -> int:
    """Pack one table entry.

    Bits 0-1: class of its first token; 2-3: of its last; 4-6: what is undone; 8-13: length of the replacement in bytes
    (0: the character stays); 14-31: offset of the replacement in the pool.
    """
    return first | last << 2 | int(undone) << 4 | length << 8 | offset << 14


@cache
def table_fingerprint() -> str:
    """Return the SHA-256 of the shipped table: a model scores rightly only with the one it was trained with."""
    return hashlib.sha256(_TABLE.read_bytes()).hexdigest()


@cache
def code_point_table(lowercase: bool) -> CodePointTable:
    """Return the shipped table; with `lowercase`, letters are folded to lower case as well."""
    prefix = "lower" if lowercase else "cased"
    with np.load(_TABLE, allow_pickle=False) as table:
        return CodePointTable(*(table[f"{prefix}_{name}"] for name in ("pages", "entries", "pool")))


def canonical_text(text: str, *, lowercase: bool = False) -> str:
    """Return the tokens of a text joined by single spaces: the kernel's canonical form, for reading and for tests."""
    table = code_point_table(lowercase)
    out: list[str] = []
    last = SPACE
    for char in text:
        entry = table.entry(char)
        first = entry & 3
        if first == SPACE:
            last = SPACE
        elif first != DROP:
            if out and (first | last) != WORD:
                out.append(" ")
            length, offset = entry >> 8 & 63, entry >> 14
            replacement = table.pool[offset : offset + length].tobytes().decode()
            out.append(replacement if length else char)
            last = entry >> 2 & 3
    return "".join(out)
