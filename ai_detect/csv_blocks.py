"""Cut a stream of CSV into blocks of whole rows.

Arrow parses blocks fast, but has to be told where rows end, and its own streaming reader works ahead in a thread that
may outlive the program. The rules of quoting are Arrow's: a quotation mark counts at the start of a field only, and a
doubled one within a quoted field stands for itself.
"""

from collections.abc import Iterator
from typing import IO

import numpy as np

from ai_detect.compiled import njit
from ai_detect.errors import DataError

PIECE_BYTES = 2 << 20
MAX_ROW_BYTES = 64 << 20

_FIELD_START, _PLAIN, _QUOTED, _QUOTE_WITHIN = range(4)
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


@njit(nogil=True, cache=True)
def scan(piece, state, delimiter):
    """Run the quoting rules over a piece; return the state after it and the end of its last whole row, 0 if none."""
    end = 0
    for i in range(len(piece)):
        byte = piece[i]
        if state == _QUOTED:
            if byte == _QUOTE:
                state = _QUOTE_WITHIN
        elif byte == _QUOTE and state != _PLAIN:
            state = _QUOTED  # a field begins, or the mark was doubled
        elif byte in (_NEWLINE, _RETURN):
            state = _FIELD_START
            end = i + 1
        elif byte == delimiter:
            state = _FIELD_START
        else:
            state = _PLAIN
    return state, end


def whole_rows(file: IO[bytes], name: str, delimiter: str) -> Iterator[bytes]:
    """Yield the stream in blocks that end where a row ends.

    Raises:
        DataError: a row is longer than `MAX_ROW_BYTES`, or a quotation mark is never closed.
    """
    state = _FIELD_START
    begun: list[bytes] = []  # pieces of a row that has not ended yet
    while piece := file.read(PIECE_BYTES):
        state, end = scan(np.frombuffer(piece, np.uint8), state, ord(delimiter))
        if end:
            yield b"".join((*begun, piece[:end]))
            begun = []
        begun.append(piece[end:])
        if sum(map(len, begun)) > MAX_ROW_BYTES:
            raise DataError(
                f"{name} has a row of over {MAX_ROW_BYTES >> 20} MB, or a quotation mark that is never closed; "
                "shorten the one or close the other."
            )
    if state == _QUOTED:
        raise DataError(
            f"{name} ends within quotation marks: one is opened in its last {sum(map(len, begun))} bytes and never "
            "closed. Close it, or double those that are part of a text."
        )
    if any(begun):
        yield b"".join(begun)
