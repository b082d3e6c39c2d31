"""Where a dataset's bytes come from: a file, the files of a folder or of a pattern, or standard input.

Text reaches its reader as one stream of UTF-8, unpacked and transcoded on the way, whatever it was
on disk. Bytes that cannot be decoded become `MARK`, so that a reader can tell which row they
spoil.
"""

import codecs
import glob
import gzip
import io
import logging
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from ai_detect.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logger = logging.getLogger(__name__)

FORMATS = {
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "txt": "txt",
}
PEEK_BYTES = 1 << 20
PIECE_BYTES = 1 << 16  # the C library keeps larger pieces when they are freed, here and there
MARK = "\ufdd0".encode()  # a noncharacter: valid UTF-8 that no real text holds

_GZIPPED = ("csv", "tsv", "jsonl")
_EXPECTED = ".csv, .tsv, .jsonl, .ndjson (each also .gz), .parquet or .txt"
_UNDECODED = re.compile("[\ud800-\udfff]")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_MAX_CONTROL_SHARE = 0.01
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an old Office document (.xls, .doc)",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True)
class Source:
    """One table to read: a file, all .txt files of a folder, or standard input (no path)."""

    paths: tuple[Path, ...]
    format: str  # "" only for standard input: to be told from its first bytes
    gzipped: bool = False
    stem: str = ""  # names the file's rows where it is one of a folder

    @property
    def name(self) -> str:
        """What messages call it."""
        if not self.paths:
            return "standard input"
        return str(self.paths[0] if len(self.paths) == 1 else self.paths[0].parent)


@dataclass(frozen=True)
class TextStream:
    """A stream of UTF-8, with a look at its first `PEEK_BYTES` or so, which it still holds."""

    name: str
    file: IO[bytes]
    head: bytes
    is_whole: bool  # the head is all there is
    undecodable: str  # why a row with MARK in it is bad


def find_sources(dataset: str, *, format: str = "") -> list[Source]:
    """Name the tables that make a dataset, in reading order.

    Args:
        dataset: a file, a folder, a pattern such as `essays/*.csv` or `**/*.parquet`, or `-` for standard input.
        format: one of `FORMATS`, for files whose suffix does not tell.

    Raises:
        DataError: nothing is there, or nothing that can be read.
        UsageError: the format is unknown.
    """
    format = check_format(format)
    if dataset == "-":
        return [Source((), format)]
    path = Path(dataset)
    try:
        if not dataset or not path.exists():
            if not glob.has_magic(dataset):
                raise DataError(
                    f"There is no file or folder {dataset!r}; check --dataset, or pass - for stdin."
                )
            matches = map(Path, glob.glob(dataset, recursive=True))
            return _sources_of(matches, f"The pattern {dataset}", format)
        if path.is_dir():
            return _sources_of(path.iterdir(), f"The folder {path}", format)
    except OSError as error:
        raise unreadable(dataset, error) from error
    source = file_source(path, format)
    if source is None:
        raise DataError(
            f"The format of {path} is not known by its name; expected {_EXPECTED}. "
            "Rename it, or say it with --format."
        )
    return [source]


def _sources_of(found: Iterable[Path], whose: str, format: str) -> list[Source]:
    """Take the data files among some paths, or else the .txt files as one table."""
    files = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    known = [source for path in files if (source := file_source(path, format, in_folder=True))]
    tables = [source for source in known if source.format != "txt"]
    texts = tuple(source.paths[0] for source in known if source.format == "txt")
    if not known:
        raise DataError(f"{whose} holds no data file; expected {_EXPECTED}.")
    n_read = len(tables) or len(texts)
    logger.info("%s: %s files to read, %s others left out", whose, n_read, len(files) - n_read)
    return tables or [Source(texts, "txt", stem=texts[0].parent.name)]


def file_source(path: Path, format: str, *, in_folder: bool = False) -> Source | None:
    """Tell a file's format from its name, unless it is given; None where the name does not tell.

    Args:
        path: of the file, which need not be there.
        format: one of the values of `FORMATS`, or "".
        in_folder: whether it is one of several, so that its name names its rows.
    """
    name = path.name
    gzipped = name.lower().endswith(".gz")
    if gzipped:
        name = name[: -len(".gz")]
    stem, _, suffix = name.rpartition(".")
    format = format or FORMATS.get(suffix.lower(), "")
    if not format or (gzipped and format not in _GZIPPED):
        return None
    return Source((path,), format, gzipped, (stem or name) if in_folder else "")


def unreadable(name: str, error: OSError) -> DataError:
    """Say in one sentence that a file cannot be read; the system's reason has no data in it."""
    return DataError(f"{name} cannot be read: {error.strerror or 'the file is damaged'}.")


def check_format(format: str) -> str:
    """Return the format that a name stands for, "" for none.

    Raises:
        UsageError: the format is unknown.
    """
    if format and format.lower() not in FORMATS:
        raise UsageError(f"--format={format} is unknown; expected one of {', '.join(FORMATS)}.")
    return FORMATS[format.lower()] if format else ""


def check_encoding(encoding: str) -> None:
    """Refuse a name that is no text encoding.

    Raises:
        UsageError: the encoding is unknown.
    """
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError, ValueError):
        raise UsageError(
            f"--encoding={encoding} is unknown; expected a name like utf-8, utf-16 or cp1252."
        ) from None


@contextmanager
def open_bytes(source: Source) -> Iterator[IO[bytes]]:
    """Open the source's only file, or standard input, unpacked.

    Every failure to read within the block is told as a DataError.
    """
    with ExitStack() as stack:
        try:
            if not source.paths:
                yield sys.stdin.buffer
            elif source.gzipped:
                file = stack.enter_context(gzip.open(source.paths[0], "rb"))
                yield cast(IO[bytes], file)
            else:
                yield stack.enter_context(source.paths[0].open("rb"))
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise DataError(
                f"{source.name} is a damaged gzip archive: its contents do not match its length "
                "or checksum. Copy or download it again."
            ) from None
        except OSError as error:
            raise unreadable(source.name, error) from None


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file piece by piece."""
    return iter(lambda: file.read(PIECE_BYTES), b"")


def open_text(name: str, raw: Iterator[bytes], encoding: str) -> TextStream:
    """Turn the pieces of a file into a stream of UTF-8 without byte order mark or blank start.

    Raises:
        DataError: the file is empty, binary, or in another encoding.
    """
    first = b"".join(islice(raw, PEEK_BYTES // PIECE_BYTES))
    _refuse_binary(name, first, encoding)
    decoded = to_utf8(chain([first], raw), encoding)
    try:
        head = next(decoded, b"").removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
        rest = next(decoded, b"")
    except UnicodeError:
        raise wrong_encoding(name, encoding) from None
    if not head:
        raise DataError(f"{name} is empty; expected a header and at least one row.")
    joined = _Joined(chain([head, rest], decoded, [b"\n"]))  # the last line has an end, too
    file = io.BufferedReader(joined, PEEK_BYTES)
    return TextStream(name, file, head, not rest, f"not {encoding.upper()}")


def wrong_encoding(name: str, encoding: str) -> DataError:
    """Say that a file's bytes do not fit the encoding."""
    return DataError(f"{name} is not encoded as {encoding}; pass its own with --encoding.")


def to_utf8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Transcode pieces of a file, with `MARK` for what cannot be decoded; no piece is empty."""
    if codecs.lookup(encoding).name == "utf-8":
        yield from _checked_utf8(chunks)
        return
    for text in codecs.iterdecode(chunks, encoding, errors="surrogateescape"):
        yield _marked(text)


def _checked_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Hand pieces of UTF-8 on as they are, cut between letters."""
    held = b""
    for chunk in chunks:
        data = held + chunk if held else chunk
        end = len(data) if data.isascii() else _end_of_letters(data)
        data, held = (data, b"") if end == len(data) else (data[:end], data[end:])
        try:
            str(data, "utf-8")
        except UnicodeDecodeError:
            data = _marked(data.decode("utf-8", "surrogateescape"))
        if data:
            yield data
    if held:
        yield _marked(held.decode("utf-8", "surrogateescape"))


def _end_of_letters(data: bytes) -> int:
    """Return where the last letter starts if it may be cut off, else the length."""
    for back in range(1, min(len(data), 3) + 1):
        byte = data[-back]
        if byte >= 0xC0:  # the first byte tells how many there are: 2, 3 or 4
            return len(data) - back if back < 2 + (byte >= 0xE0) + (byte >= 0xF0) else len(data)
        if byte < 0x80:
            break
    return len(data)


def _marked(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _UNDECODED.sub(MARK.decode(), text).encode()


def _refuse_binary(name: str, head: bytes, encoding: str) -> None:
    """Refuse what is no text at all, and say what it looks like."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{name} looks like {kind}, not text; expected {_EXPECTED}.")
    if codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
        return  # where NUL bytes are half of every letter
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{name} is UTF-16; save it as UTF-8, or pass --encoding=utf-16.")
    if b"\0" in head:
        raise DataError(
            f"{name} holds NUL bytes, so it is binary or UTF-16; save it as UTF-8 text, "
            "or pass its --encoding."
        )
    n_control = len(head) - len(head.translate(None, _CONTROL))
    if n_control > _MAX_CONTROL_SHARE * len(head):
        raise DataError(f"{name} looks like a binary file, not text; expected {_EXPECTED}.")


class _Joined(io.RawIOBase):
    """An iterator of pieces, read as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        target = memoryview(buffer)
        size = min(len(target), len(self._left))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
