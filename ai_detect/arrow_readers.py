"""CSV, TSV and Parquet, read by Arrow into tables without a copy for each row."""

import csv
import io
import mmap
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import IO, Any, NamedTuple

import numpy as np

from ai_detect.errors import DataError
from ai_detect.sources import TextStream, to_utf8
from ai_detect.tables import SAMPLE_ROWS, Chunk, Table, checked_chunk, is_word
from ai_detect.text import PackedTexts

CSV_PIECE_BYTES = 2 << 20
CSV_BLOCK_BYTES = 16 << 20  # Arrow reads rows of at most one block


def csv_table(stream: TextStream, delimiter: str) -> Table:
    """Read CSV or TSV: Python the header and a sample, Arrow the rows."""
    delimiter = delimiter or _delimiter(stream.head)
    rows = _csv_sample(stream, delimiter)
    if not rows:
        raise DataError(f"The header of {stream.name} cannot be read; expected names of columns.")
    header, sample = rows[0], rows[1:]
    wordy = (
        name
        for i, name in enumerate(header)
        if not sample or any(is_word(row[i]) for row in sample if i < len(row))
    )
    return Table(
        tuple(header), tuple(wordy), lambda wanted: _csv_chunks(stream, delimiter, header, wanted)
    )


def _delimiter(head: bytes) -> str:
    """Tell the delimiter from the header: a comma, or else what spreadsheets put in its place."""
    line = head.splitlines()[0]
    return next((mark for mark in ",\t;" if mark.encode() in line), ",")


def _csv_sample(stream: TextStream, delimiter: str) -> list[list[str]]:
    """Parse the header and the first rows, as far as the stream's head goes."""
    lines = io.StringIO(stream.head.decode("utf-8", "replace"), newline="")
    rows = []
    try:
        for row in filter(None, csv.reader(lines, delimiter=delimiter)):
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                return rows
    except csv.Error:  # a field of over 128 KiB ends the sample
        return rows
    return rows if stream.is_whole or len(rows) <= 2 else rows[:-1]  # the last row may be cut


class _RaggedRow(NamedTuple):
    row: int  # counted from 0 over the file, header excluded
    reason: str
    is_open: bool  # it holds an odd number of quotation marks


def _csv_chunks(
    stream: TextStream, delimiter: str, header: list[str], wanted: Sequence[str]
) -> Iterator[Chunk]:
    """Put the ragged rows of a CSV file, which Arrow leaves out, back in their places."""
    numbers = {name: str(header.index(name)) for name in wanted}
    last_column = str(len(header) - 1)
    ragged: deque[_RaggedRow] = deque()
    start, is_open = 0, False
    for block in _csv_blocks(
        stream, delimiter, len(header), {*numbers.values(), last_column}, ragged
    ):
        n_whole = len(block[last_column])
        here: list[_RaggedRow] = []
        while ragged and ragged[0].row <= start + n_whole + len(here):
            here.append(ragged.popleft())
        n_rows = n_whole + len(here)
        if here and here[-1].row == start + n_rows - 1:
            is_open = here[-1].is_open
        elif n_whole:  # a line break stands only within quotation marks
            is_open = "\n" in block[last_column][n_whole - 1] and not _ends_quoted(stream)
        bad = {one.row - start: one.reason for one in here}
        columns = {name: _with_gaps(block[number], list(bad)) for name, number in numbers.items()}
        yield checked_chunk(columns, bad, stream.undecodable)
        start += n_rows
    if is_open:
        raise DataError(
            f"{stream.name} ends within quotation marks: one is opened in or before row "
            f"{start - 1} and never closed. Close it, or double those that are part of a text."
        )


def _csv_blocks(
    stream: TextStream,
    delimiter: str,
    n_columns: int,
    wanted: set[str],
    ragged: deque[_RaggedRow],
) -> Iterator[dict[str, PackedTexts]]:
    """Read a CSV file a block at a time, and a last block of no rows.

    Columns go by number, since Arrow accepts fewer names than headers hold. Rows of another number
    of fields than the header go to `ragged`, at the latest when their block is handed out.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def set_aside(row: Any) -> str:
        fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
        reason = f"{fields} where the header has {n_columns}"
        ragged.append(_RaggedRow(row.number - 2, reason, row.text.count('"') % 2 == 1))
        return "skip"

    names = [str(i) for i in range(n_columns)]
    n_read = 0
    try:
        reader = arrow_csv.open_csv(
            _RowBlocks(stream.file),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,  # else a ragged row has no number
                block_size=CSV_BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=1,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,  # the stream is UTF-8 already
                include_columns=sorted(wanted),
                column_types=dict.fromkeys(names, pa.large_binary()),
            ),
        )
        for batch in reader:
            yield {name: _packed(batch.column(name)) for name in wanted}
            n_read += batch.num_rows
    except pa.ArrowInvalid:  # its message quotes the row
        raise DataError(
            f"{stream.name} has, after {n_read} good rows, one over {CSV_BLOCK_BYTES >> 20} MB or a "
            "quotation mark that is never closed; shorten the one or close the other."
        ) from None
    yield dict.fromkeys(wanted, PackedTexts.pack([]))


class _RowBlocks:
    """A CSV file in blocks as small as its rows allow.

    Arrow keeps up to 32 blocks ahead and refuses a row that spans more than two. So a block is one
    piece, and more only until it holds the end of a row.
    """

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._within_quotes = False

    def read(self, size: int) -> memoryview:
        block = mmap.mmap(-1, size)  # given back when freed; bytes would stay with the C library
        while block.tell() + CSV_PIECE_BYTES <= size:
            piece = self._file.read(CSV_PIECE_BYTES)
            block.write(piece)
            if not piece or self._ends_a_row(piece):
                break
        return memoryview(block)[: block.tell()]

    def _ends_a_row(self, piece: bytes) -> bool:
        within_quotes = self._within_quotes
        self._within_quotes ^= piece.count(b'"') % 2 == 1
        for mark in re.finditer(b'["\r\n]', piece):
            if mark[0] == b'"':
                within_quotes = not within_quotes
            elif not within_quotes:
                return True
        return False


def _ends_quoted(stream: TextStream) -> bool:
    return stream.tail().rstrip().endswith(b'"')


def _with_gaps(texts: PackedTexts, rows: Sequence[int]) -> PackedTexts:
    """Insert empty texts, so that they have the given row numbers."""
    before = np.array(rows, np.int64) - np.arange(len(rows))
    return PackedTexts(texts.data, np.insert(texts.offsets, before, texts.offsets[before]))


def _packed(array: Any) -> PackedTexts:
    """Take an Arrow array of any type that has a text form; bytes of strings are not copied."""
    import pyarrow as pa

    try:
        array = array.cast(pa.large_binary())
    except pa.ArrowNotImplementedError:  # numbers, truth values, dates
        array = array.cast(pa.large_string()).cast(pa.large_binary())
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return PackedTexts(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64))
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return PackedTexts(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]], bounds - bounds[0])


def parquet_table(name: str, file: IO[bytes], chunk_bytes: int) -> Table:
    """Read Parquet, only the wanted columns and a few rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file)
    except (pa.ArrowException, OSError):
        raise DataError(
            f"{name} is not a whole Parquet file: it is empty, damaged or cut short. "
            "Copy or write it again."
        ) from None
    fields = list(opened.schema_arrow)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        n_rows = _parquet_rows(opened.metadata, wanted, chunk_bytes)
        try:
            for batch in opened.iter_batches(batch_size=n_rows, columns=list(wanted)):
                columns = {column: _marked(_packed(batch.column(column))) for column in wanted}
                yield checked_chunk(columns, {}, "not UTF-8")
        except pa.ArrowNotImplementedError:
            kinds = [f"{field.name} ({field.type})" for field in fields if field.name in wanted]
            raise DataError(
                f"{name} has a column that holds no words or numbers, among {', '.join(kinds)}."
            ) from None
        except (pa.ArrowException, OSError):
            raise DataError(f"{name} is damaged; copy or write it again.") from None

    wordy = tuple(field.name for field in fields if _holds_words(field.type))
    return Table(tuple(field.name for field in fields), wordy, chunks)


def _holds_words(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(
        is_kind(kind)
        for is_kind in (
            types.is_string,
            types.is_large_string,
            types.is_string_view,
            types.is_binary,
            types.is_large_binary,
            types.is_binary_view,
        )
    )


def _parquet_rows(metadata: Any, wanted: Sequence[str], chunk_bytes: int) -> int:
    """Tell how many rows hold about `chunk_bytes` of the wanted columns."""
    size = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        columns = (group.column(j) for j in range(group.num_columns))
        size += sum(c.total_uncompressed_size for c in columns if c.path_in_schema in wanted)
    n_rows: int = metadata.num_rows * chunk_bytes // max(size, 1)
    return min(max(n_rows, 1), 1 << 16)


def _marked(texts: PackedTexts) -> PackedTexts:
    """Put `MARK` for what is not UTF-8 in strings of Parquet, which nobody has checked."""
    starts = texts.data[texts.offsets[:-1][np.diff(texts.offsets) > 0]]
    try:
        str(texts.data.data, "utf-8")
        is_utf8 = not ((starts & 0xC0) == 0x80).any()  # no letter is cut in two by a boundary
    except UnicodeDecodeError:
        is_utf8 = False
    if is_utf8:
        return texts
    rows = pairwise(texts.offsets.tolist())
    raw = (texts.data[start:stop].tobytes() for start, stop in rows)
    return PackedTexts.pack(b"".join(to_utf8(iter([one]), "utf-8")) for one in raw)
