"""A form with one file, streamed to disk as it comes in: no more of it is in memory than one piece."""

import asyncio
import errno
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ai_detect.server.problems import Problem
from ai_detect.server.wording import FIELDS

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MAX_FIELD_BYTES = 1000
_MAX_NAME = 100
_FILE = "file"
_UNUSUAL = re.compile(r"[^\w .,()\[\]+-]")
# What a name may end in. Only this is taken from it for the name on disk.
_SUFFIX = re.compile(r"\.(?:(?:csv|tsv|jsonl|ndjson)(?:\.gz)?|parquet)$", re.IGNORECASE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Upload:
    """What came in. name: as given, for people; file: on disk, in the folder; fields: the form's others."""

    name: str
    file: str
    fields: dict[str, str]


async def receive(
    pieces: AsyncIterator[bytes], content_type: str, folder: Path, *, pause_seconds: int
) -> Upload:
    """Write the file of a form into a folder.

    Args:
        pieces: of the body.
        content_type: of the request.
        folder: to write to.
        pause_seconds: the longest wait for a piece.

    Raises:
        Problem: it is no such form, the sender stopped, or the disk is full.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Send a form (multipart/form-data) with the file in its field `file`.",
        )
    form = _Form(folder)
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks())
        while True:
            async with asyncio.timeout(pause_seconds):
                piece = await anext(pieces, None)
            if piece is None:
                break
            await asyncio.to_thread(parser.write, piece)
        parser.finalize()
    except FormParserError as error:
        raise _wrong("The form is not as multipart/form-data has to be.") from error
    except TimeoutError as error:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            f"Nothing came in for {pause_seconds} s: send the file again.",
        ) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Problem(
            HTTPStatus.INSUFFICIENT_STORAGE,
            "The disk of the service is full: remove old jobs and try again.",
        ) from error
    finally:
        form.close()
    return form.upload()


class _Form:
    """What the callbacks of the parser have gathered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fields: dict[str, bytearray] = {}
        self._field: str = ""
        self._name = self._file = ""
        self._sink: IO[bytes] | None = None
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._is_whole = False

    def callbacks(self) -> "MultipartCallbacks":
        """Return what the parser is to call."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def close(self) -> None:
        """Close the file."""
        if self._sink:
            self._sink.close()

    def upload(self) -> Upload:
        """Return what came in, if that is whole.

        Raises:
            Problem: there is no file, or the form breaks off.
        """
        if not self._is_whole:
            raise _wrong("The form breaks off before its end.")
        if not self._file:
            raise _wrong("The form has no file in its field `file`.")
        given = {name: value.decode("utf-8", "replace") for name, value in self._fields.items()}
        return Upload(self._name, self._file, given)

    def _begin_part(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _open_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field == _FILE:
            self._open_file(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif self._field in FIELDS:
            self._fields[self._field] = bytearray()
        else:
            raise _wrong(f"The fields of the form are {_FILE}, {', '.join(FIELDS)}.")

    def _open_file(self, name: str) -> None:
        suffix = _SUFFIX.search(name)
        if not suffix:
            raise _wrong("The file is .csv, .tsv, .jsonl (each also .gz) or .parquet, by its name.")
        if self._sink:
            raise _wrong("The form has more than one file; give one.")
        base = re.split(r"[/\\]", name)[-1]
        self._name = _UNUSUAL.sub("_", base)[-_MAX_NAME:]
        self._file = f"input{suffix[0].lower()}"
        self._sink = (self._folder / self._file).open("wb")

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._field == _FILE and self._sink:
            self._sink.write(data[start:end])
            return
        value = self._fields[self._field]
        value.extend(data[start:end])
        if len(value) > _MAX_FIELD_BYTES:
            raise _wrong(f"The field {self._field} has more than {_MAX_FIELD_BYTES} bytes.")

    def _end(self) -> None:
        self._is_whole = True


def _wrong(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
