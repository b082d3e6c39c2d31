"""Open a table of any format; JSONL and plain text files are read here, the others by Arrow."""

import codecs
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from ai_detect.arrow_readers import csv_table, parquet_table
from ai_detect.errors import DataError
from ai_detect.sources import (
    MARK,
    PEEK_BYTES,
    Source,
    TextStream,
    check_encoding,
    open_bytes,
    open_text,
    pieces,
    to_utf8,
    wrong_encoding,
)
from ai_detect.tables import SAMPLE_ROWS, Chunk, Table, is_word, listed
from ai_detect.text import PackedTexts

MAX_LINE_BYTES = 32 << 20  # a text of 10 MB, escaped as JSON, and its neighbours


@contextmanager
def open_table(source: Source, *, encoding: str, chunk_bytes: int) -> Iterator[Table]:
    """Open one table of a dataset.

    Args:
        source: which one.
        encoding: of text files; Parquet is always UTF-8.
        chunk_bytes: about how much text a chunk holds, where the format leaves the choice.

    Raises:
        DataError: it is not what its name says, is damaged, empty, or has two columns of one name.
        UsageError: the encoding is unknown.
    """
    check_encoding(encoding)
    if source.format == "txt":
        yield _text_files(source, encoding, chunk_bytes)
        return
    with open_bytes(source) as file:
        try:
            table = _open(source, file, encoding, chunk_bytes)
            _refuse_repeated(source.name, table.columns)
            yield table
        except UnicodeError:
            raise wrong_encoding(source.name, encoding) from None


def _open(source: Source, file: IO[bytes], encoding: str, chunk_bytes: int) -> Table:
    """Read the columns of a table; standard input may have to tell its format first."""
    raw = pieces(file)
    if source.format == "parquet" and source.paths:
        return parquet_table(source.name, source.paths[0], chunk_bytes)
    if not source.paths:
        first = next(raw, b"")
        if source.format == "parquet" or (not source.format and first.startswith(b"PAR1")):
            return parquet_table(source.name, first + file.read(), chunk_bytes)
        raw = chain([first] if first else [], raw)
    stream = open_text(source.name, raw, encoding)
    if source.format == "jsonl" or (not source.format and stream.head.lstrip().startswith(b"{")):
        return _jsonl(stream, chunk_bytes)
    return csv_table(stream, "\t" if source.format == "tsv" else "")


def _refuse_repeated(name: str, columns: Sequence[str]) -> None:
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise DataError(
            f"{name} has more than one column called {listed(repeated)}; rename all but one."
        )


def _jsonl(stream: TextStream, chunk_bytes: int) -> Table:
    """Read one JSON object a line; the columns are the keys met in the first ones."""
    lines = _lines(stream.file)
    first: list[bytes] = []
    size = 0
    while size < PEEK_BYTES and len(first) < SAMPLE_ROWS and (line := next(lines, b"")):
        first.append(line)
        size += len(line)
    objects = [_json_object(line) for line in first]
    columns = tuple(dict.fromkeys(key for row in objects if row for key in row))
    if not columns:
        raise DataError(
            f"{stream.name} does not start with JSON objects; expected one on each line."
        )
    wordy = tuple(name for name in columns if any(is_word(row.get(name)) for row in objects if row))

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        rows = (_json_row(line, wanted, stream.undecodable) for line in chain(first, lines))
        return _gathered(rows, wanted, chunk_bytes)

    return Table(columns, wordy, chunks)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Read lines that are not blank; of one that is too long, so much that this can be seen."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if line.strip():
            yield line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES + 1)


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_row(line: bytes, wanted: Sequence[str], undecodable: str) -> "_Row":
    """Parse one line into the wanted cells, or find out why it cannot be used."""
    if len(line) > MAX_LINE_BYTES:
        return _Row([], f"line over {MAX_LINE_BYTES >> 20} MB")
    if MARK in line:
        return _Row([], undecodable)
    row = _json_object(line)
    if row is None:
        return _Row([], "not a JSON object")
    values = [row.get(name) for name in wanted]
    if any(isinstance(value, list | dict) for value in values):
        return _Row([], "a list or an object where a value is expected")
    return _Row([_json_cell(value) for value in values])


def _json_cell(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return b"" if is_missing else json.dumps(value).encode()


class _Row(NamedTuple):
    cells: list[bytes]  # one per wanted column; none in a bad row
    reason: str = ""


def _gathered(rows: Iterable[_Row], wanted: Sequence[str], chunk_bytes: int) -> Iterator[Chunk]:
    """Pack rows that come one by one."""
    held: list[_Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(map(len, row.cells))
        if size >= chunk_bytes:
            yield _chunk(held, wanted)
            held, size = [], 0
    if held:
        yield _chunk(held, wanted)


def _chunk(rows: Sequence[_Row], wanted: Sequence[str]) -> Chunk:
    empty = [b""] * len(wanted)
    columns = zip(*(row.cells or empty for row in rows), strict=True)
    packed = {name: PackedTexts.pack(cells) for name, cells in zip(wanted, columns, strict=True)}
    return Chunk(packed, {i: row.reason for i, row in enumerate(rows) if row.reason})


def _text_files(source: Source, encoding: str, chunk_bytes: int) -> Table:
    """Read one text a file; its id is the name of the file without the suffix."""

    def row(path: Path | None, wanted: Sequence[str]) -> _Row:
        with open_bytes(Source((path,) if path else (), "txt")) as file:
            raw = file.read(MAX_LINE_BYTES)
        try:
            text = b"".join(to_utf8(iter([raw]), encoding)).removeprefix(codecs.BOM_UTF8)
        except UnicodeError:
            text = MARK
        if MARK in text:
            return _Row([], f"not {encoding.upper()}")
        cells = {"id": path.stem.encode("utf-8", "replace") if path else b"", "text": text}
        return _Row([cells[name] for name in wanted])

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        paths = source.paths or (None,)
        return _gathered((row(path, wanted) for path in paths), wanted, chunk_bytes)

    return Table(("id", "text"), ("text",), chunks)
