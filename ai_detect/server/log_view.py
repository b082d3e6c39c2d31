"""The log for the page: its last records by level, and the whole file."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ai_detect import log

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_RECORDS = 1000

_MAX_LINES = 20_000  # looked through, for records of a level that is rare
_MAX_CHARS = 20_000  # shown of a record, whose traceback may be long
_PIECE = 1 << 16
_RECORD = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?P<level>[A-Z]+) \d+ (?P<logger>\S+) (?P<message>.*)",
    re.DOTALL,
)


def records(log_file: Path, *, count: int, level: str) -> list[dict[str, str]]:
    """Return the last records of a level or above it, oldest first, each as time, level, logger and message."""
    least = logging.getLevelNamesMapping()[level]
    found: list[dict[str, str]] = []
    rest: list[str] = []  # of the record whose first line comes next, the last line first
    for line in reversed(log.tail(log_file, _MAX_LINES)):
        first = _RECORD.fullmatch(line)
        if not first:
            rest.append(line)
            continue
        whole, rest = [first["message"], *reversed(rest)], []
        if logging.getLevelNamesMapping().get(first["level"], 0) >= least:
            found.append({**first.groupdict(), "message": "\n".join(whole)[:_MAX_CHARS]})
        if len(found) == count:
            break
    return found[::-1]


def contents(log_file: Path) -> Iterator[bytes]:
    """Yield the log as it is now, piece by piece; nothing if there is none yet."""
    with suppress(FileNotFoundError), log_file.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
