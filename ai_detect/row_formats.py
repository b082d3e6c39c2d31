"""The formats of results: rows of plain values as CSV, JSON Lines or Parquet, the same values in each, unrounded.

Rows come in any portions, and the bytes do not depend on these. An empty value, such as the prediction of a bad row, is
nothing between the commas of CSV and null elsewhere.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from ai_detect.errors import UsageError
from ai_detect.result_files import Sink

ROWS_PER_GROUP = 1 << 16  # of Parquet

Row = Sequence[object]


class RowFormat(Protocol):
    """Rows on their way into a file."""

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows, each with one value per column."""

    def close(self) -> None:
        """Write what belongs behind the last row."""


def format_of(path: str, *, resumes: bool = False) -> str:
    """Tell the format from the ending of a file name: csv unless it is one of the others; `-` is csv.

    Raises:
        UsageError: results are not written in that format, or not in one that can be continued.
    """
    ending = Path(path).suffix.lower()
    if ending == ".gz":
        raise UsageError(
            f"--output={path} asks for gzip: results are written as .csv, .jsonl or .parquet."
        )
    if ending == ".parquet" and resumes:
        raise UsageError(
            "--resume cannot continue a Parquet file, which is readable only when it is whole: "
            "write .csv or .jsonl."
        )
    return {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}.get(ending, "csv")


def open_rows(format: str, sink: Sink, header: Sequence[str], *, is_begun: bool) -> RowFormat:
    """Begin a table, or go on with one that is begun."""
    if format == "parquet":
        return ParquetRows(sink, header)
    return JsonRows(sink, header) if format == "jsonl" else CsvRows(sink, header, is_begun=is_begun)


class CsvRows:
    """CSV with a header. Numbers are written as Python shows them, so that no digit is lost."""

    def __init__(self, sink: Sink, header: Sequence[str], *, is_begun: bool = False) -> None:
        self._sink = sink
        self._lines: list[str] = []
        # Python quotes a lone carriage return within a value only where it is part of the line's end.
        self._writer = csv.writer(SimpleNamespace(write=self._lines.append), lineterminator="\r\n")
        if not is_begun:
            self.write([header])

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; lines end in a line feed alone."""
        self._writer.writerows(rows)
        text = "".join([line[:-2] + "\n" for line in self._lines])
        self._lines.clear()
        self._sink.write(text.encode("utf-8", "replace"))

    def close(self) -> None:
        """Do nothing: CSV ends with its last row."""


class JsonRows:
    """JSON Lines: one object a row."""

    def __init__(self, sink: Sink, header: Sequence[str]) -> None:
        self._sink = sink
        self._header = header

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        objects = (dict(zip(self._header, map(_or_none, row), strict=True)) for row in rows)
        text = "".join([json.dumps(one, ensure_ascii=False) + "\n" for one in objects])
        self._sink.write(text.encode("utf-8", "replace"))

    def close(self) -> None:
        """Do nothing: JSON Lines end with their last row."""


class ParquetRows:
    """Parquet: words as strings, probabilities and shares as float64, counts as int32."""

    def __init__(self, sink: Sink, header: Sequence[str]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        numbers = dict.fromkeys(("generated", "probability", "p_value", "windows"), pa.float64())
        kinds = numbers | dict.fromkeys(("words", "obfuscation"), pa.int32())
        self._schema = pa.schema([(name, kinds.get(name, pa.string())) for name in header])
        self._writer = parquet.ParquetWriter(sink, self._schema)
        self._held: list[Row] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; they reach the file a row group at a time."""
        self._held.extend(rows)
        while len(self._held) >= ROWS_PER_GROUP:
            self._write_group(self._held[:ROWS_PER_GROUP])
            del self._held[:ROWS_PER_GROUP]

    def close(self) -> None:
        """Write the last rows and the footer."""
        try:
            if self._held:
                self._write_group(self._held)
            self._writer.close()
        finally:
            self._writer.is_open = False  # else it tries once more, when nobody is there to be told

    def _write_group(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        columns = zip(*rows, strict=True)
        arrays = [
            pa.array([_arrow_value(value) for value in column], kind)
            for column, kind in zip(columns, self._schema.types, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def _or_none(value: object) -> object:
    return None if value == "" else value


def _arrow_value(value: object) -> Any:
    """Return a value for Arrow, which refuses lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() or None
    return value
