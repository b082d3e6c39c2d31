"""What every format is read into: a table of named columns, handed out as chunks of packed UTF-8.

A reader knows nothing of texts and labels. A row that it cannot read stays in its place,
empty, with the reason beside it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ai_detect.sources import MARK
from ai_detect.text import PackedTexts

SAMPLE_ROWS = 200  # rows looked at to tell columns of words from columns of numbers


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows: the wanted columns, and row number within the chunk -> why it is bad."""

    columns: dict[str, PackedTexts]
    bad: dict[int, str]


@dataclass(frozen=True)
class Table:
    """An open table: its columns, those that hold words rather than numbers, and its rows."""

    columns: tuple[str, ...]
    wordy: tuple[str, ...]
    chunks: Callable[[Sequence[str]], Iterator[Chunk]]


def listed(names: Sequence[str], most: int = 20) -> str:
    """Name columns or labels in a message; one too long to be a name is a text, and not shown."""
    shown = [
        repr(name) if len(name) <= 40 else f"(a name of {len(name)} letters)"
        for name in names[:most]
    ]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_word(value: object) -> bool:
    """Whether a value is text, and neither missing, a number nor a truth value."""
    if not isinstance(value, str) or value.strip().lower() in ("", "true", "false"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def checked_chunk(columns: dict[str, PackedTexts], bad: dict[int, str], undecodable: str) -> Chunk:
    """Find the rows that hold `MARK`, and put the usual replacement character there."""
    columns = dict(columns)
    for name, texts in columns.items():
        data = texts.data.tobytes()
        if MARK[:1] in data and MARK in data:  # a single byte is found ten times as fast
            places = [match.start() for match in re.finditer(MARK, data)]
            rows = np.searchsorted(texts.offsets, places, side="right") - 1
            bad |= dict.fromkeys(rows.tolist(), undecodable)
            data = data.replace(MARK, "\ufffd".encode())
            columns[name] = PackedTexts(np.frombuffer(data, np.uint8), texts.offsets)
    return Chunk(columns, bad)
