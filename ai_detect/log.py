"""The one logger: everything to a file that several processes may share, progress to stderr.

    logging.getLogger("ai_detect.*") -> data/log_file.log   every record and traceback, rotating
                                     -> stderr              one short line each: the progress

Only the command line and the server call `configure`; every other module takes
`logging.getLogger(__name__)`. The command line tells the user about errors by itself, so stderr
leaves its records out. All records reach the root logger too, where other tools may listen.
"""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO

from concurrent_log_handler import ConcurrentRotatingFileHandler

MAX_BYTES = 10_000_000
BACKUPS = 5
_BLOCK = 1 << 16

_logger = logging.getLogger("ai_detect")
_warnings = logging.getLogger("py.warnings")


def configure(log_file: Path, *, quiet: bool = False, verbose: bool = False) -> None:
    """Send the records of this package to a file and to stderr; a later call replaces this one.

    Nothing is opened before the first record. A file that cannot be written costs one warning,
    never a run.

    Args:
        log_file: The file to append to; its folder is made when needed.
        quiet: Show warnings only on stderr. The file holds everything all the same.
        verbose: Take DEBUG records too, in both places.
    """
    close()
    file = LogFile(log_file)
    _logger.addHandler(file)
    # Warnings of libraries are for the log: on a terminal they frighten, and seldom tell a user what to do.
    logging.captureWarnings(True)
    _warnings.addHandler(file)
    _logger.addHandler(_Progress(logging.WARNING if quiet else logging.NOTSET))
    _logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def close() -> None:
    """Take away what `configure` set up and close the file."""
    logging.captureWarnings(False)
    for handler in list(_logger.handlers):
        if isinstance(handler, (LogFile, _Progress)):
            _logger.removeHandler(handler)
            _warnings.removeHandler(handler)
            handler.close()


class LogFile(ConcurrentRotatingFileHandler):
    """A rotating file that several processes append to, with a hidden lock file beside it."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        super().__init__(
            path,
            maxBytes=max_bytes,
            backupCount=backups,
            encoding="utf-8",
            unicode_error_policy="replace",
        )
        self.setFormatter(_FileFormatter())
        self._warned = False

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record. The folder may be missing, or removed meanwhile."""
        with suppress(OSError):  # what is wrong with the folder shows when the file is opened in it
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say once that the file cannot be written, and let the work go on."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, RuntimeError)):  # RuntimeError: no lock to be had
            super().handleError(record)  # a wrong logging call: a bug to be seen
            return
        # What could not be written must not stay in the buffer, to fail again at exit.
        stream, self.stream = self.stream, None
        if stream:
            with suppress(OSError):
                stream.close()
        if not self._warned:
            self._warned = True
            reason = getattr(error, "strerror", None) or error
            _write_line(
                f"warning: the log file {self.baseFilename} cannot be written ({reason}); "
                "the work goes on without it."
            )


class _FileFormatter(logging.Formatter):
    """`2025-01-31T12:00:00.123+01:00 INFO 4711 ai_detect.data message`: one record, one line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return (
            datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        # A file name may hold a line break; a record must not look like two.
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return super().formatMessage(record)


class _Progress(logging.Handler):
    """Short lines on stderr, whatever that is at the moment, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "ai_detect.cli" or _root_prints():
            return
        word = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        _write_line(word + record.getMessage())


def _write_line(message: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # stderr may be closed, full or None
        sys.stderr.write(f"ai_detect: {message}\n")
        sys.stderr.flush()


def _root_prints() -> bool:
    """Whether the root logger prints by itself, so that records would show twice."""
    return any(
        isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout)
        for handler in logging.getLogger().handlers
    )


def tail(log_file: Path, lines: int) -> list[str]:
    """Return the last lines of the log, oldest first, reading no more of it than that needs.

    What a rotation has just moved away counts: the older files fill up what the newest one lacks.
    """
    found: deque[str] = deque()
    for path in [log_file, *_older_files(log_file)]:
        if len(found) >= lines:
            break
        if path.exists():  # the newest is not there between a rotation and the next record
            found.extendleft(reversed(_last_lines(path, lines - len(found))))
    return list(found)


def _last_lines(path: Path, lines: int) -> list[str]:
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        end = b""
        while start > 0 and end.count(b"\n") <= lines:
            size = min(_BLOCK, start)
            start = file.seek(start - size)
            end = file.read(size) + end
    return end.decode("utf-8", "replace").split("\n")[:-1][-lines:]


def _older_files(log_file: Path) -> list[Path]:
    """Return the names that rotation gives, newest first."""
    return [log_file.with_name(f"{log_file.name}.{number}") for number in range(1, BACKUPS + 1)]


def follow(
    log_file: Path, *, pause: Callable[[], object] = lambda: time.sleep(0.5)
) -> Iterator[str]:
    """Yield each line appended to the log from now on, for ever, across rotations.

    Args:
        log_file: The log; it may not exist yet.
        pause: Called whenever all there is has been yielded.
    """
    with ExitStack() as opened:
        file: IO[bytes] = opened.enter_context(_open(log_file) or BytesIO())
        file.seek(0, os.SEEK_END)
        rest = b""
        while True:
            successor = _successor(file, log_file)  # before reading: what came until then is read
            *whole, rest = (rest + file.read()).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            newer = _open(successor) if successor else None
            if newer:
                opened.close()
                file, rest = opened.enter_context(newer), b""
            else:
                pause()


def _successor(file: IO[bytes], log_file: Path) -> Path | None:
    """Return the file that was begun after an open one, which rotation has renamed; else None."""
    if isinstance(file, BytesIO):  # none was there to open
        return log_file
    newer = None
    for path in [log_file, *_older_files(log_file)]:
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
            newer = path
    return newer


def _open(path: Path) -> IO[bytes] | None:
    with suppress(FileNotFoundError):
        return path.open("rb")
    return None
