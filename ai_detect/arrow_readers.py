"""CSV, TSV and Parquet, read by Arrow into tables without a copy for each row."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ai_detect.errors import DataError
from ai_detect.sources import TextStream, to_utf8
from ai_detect.tables import SAMPLE_ROWS, Chunk, Table, checked_chunk, is_word
from ai_detect.text import PackedTexts

# Parquet is read in portions of this size, as CSV is in blocks: with larger ones memory grows, speed does not.
_PORTION_BYTES = 2 << 20
_BUFFER_BYTES = 1 << 20  # of the file, for each column


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


def _csv_chunks(
    stream: TextStream, delimiter: str, header: list[str], wanted: Sequence[str]
) -> Iterator[Chunk]:
    """Parse a CSV file a block at a time, ragged rows kept in their places."""
    from ai_detect.csv_blocks import whole_rows  # loads Numba, which a single text does without

    numbers = {name: str(header.index(name)) for name in wanted}
    is_first = True
    for block in whole_rows(stream.file, stream.name, delimiter):
        columns, ragged = _parse_block(
            block, delimiter, len(header), set(numbers.values()), is_first
        )
        is_first = False
        chunk = {
            name: _with_gaps(columns[number], list(ragged)) for name, number in numbers.items()
        }
        yield checked_chunk(chunk, ragged, stream.undecodable)


def _parse_block(
    block: bytes, delimiter: str, n_columns: int, wanted: set[str], has_header: bool
) -> tuple[dict[str, PackedTexts], dict[int, str]]:
    """Parse whole rows of CSV.

    Columns go by number, since Arrow accepts fewer names than headers hold. Returns the wanted columns without the
    rows that have another number of fields than the header, and those: row number within the block -> reason.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: dict[int, str] = {}

    def set_aside(row: Any) -> str:
        fields = "1 field" if row.actual_columns == 1 else f"{row.actual_columns} fields"
        ragged[row.number - 1 - has_header] = f"{fields} where the header has {n_columns}"
        return "skip"

    names = [str(i) for i in range(n_columns)]
    table = arrow_csv.read_csv(
        pa.BufferReader(block),
        read_options=arrow_csv.ReadOptions(
            use_threads=False,  # else a ragged row has no number
            block_size=len(block) + 1,
            column_names=names,
            skip_rows_after_names=int(has_header),
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
    packed = {
        name: PackedTexts.concat([_packed(part) for part in table.column(name).chunks])
        for name in wanted
    }
    return packed, ragged


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


def parquet_table(name: str, file: Path | bytes, chunk_bytes: int) -> Table:
    """Read Parquet, a path or the bytes of a file, only the wanted columns and a few rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(
            pa.BufferReader(file) if isinstance(file, bytes) else file,
            pre_buffer=False,  # or it reads row groups far ahead
            buffer_size=_BUFFER_BYTES,  # or the columns of a row group at once
        )
    except (pa.ArrowException, OSError):
        raise DataError(
            f"{name} is not a whole Parquet file: it is empty, damaged or cut short. "
            "Copy or write it again."
        ) from None
    fields = list(opened.schema_arrow)

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        n_rows = _parquet_rows(opened.metadata, wanted, min(chunk_bytes, _PORTION_BYTES))
        try:
            batches = opened.iter_batches(n_rows, columns=list(wanted), use_threads=False)
            for batch in batches:
                columns = {column: _checked(batch.column(column)) for column in wanted}
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


def _checked(array: Any) -> PackedTexts:
    """Take a column of Parquet, whose strings nobody has checked."""
    import pyarrow as pa

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        try:
            array.validate(full=True)  # a third of the time that decoding takes
        except pa.ArrowInvalid:
            return _marked(_packed(array))
        return _packed(array)
    return _marked(_packed(array))


def _marked(texts: PackedTexts) -> PackedTexts:
    """Put `MARK` for what is not UTF-8."""
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
