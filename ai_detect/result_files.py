"""Where results go: a file written aside that in the end is either whole and new, or untouched; or standard output.

    .NAME.<random>.part    an ordinary run: gone if it fails
    .NAME.part             a run that can be continued: it stays if the run fails or is killed, with
    .NAME.progress         JSON: what the run is of, and how far it is on the disk

A checkpoint brings the rows to the disk before the progress that counts them, and the progress is renamed into place.
So whenever a run is killed, the progress tells of bytes that are there. What stands behind them is cut off when a run
goes on.
"""

import fcntl
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from ai_detect.errors import DataError

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What takes bytes: all that the formats need to know of a file."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


class ResultFile:
    """A file beside its target, which it replaces when it is whole."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.state: Mapping[str, Any] = {}  # of the run to continue, empty at the start of one

    def open(self) -> Sink:
        """Open the file aside, in the target's folder, which is made if need be.

        Raises:
            DataError: it cannot be written there.
        """
        with self.failures():
            if self.target.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        return self._file

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Note how far the run is; here nothing is kept of it."""

    def commit(self) -> None:
        """Put the file in place of the target.

        Raises:
            DataError: the disk is full, or the file cannot be written for another reason.
        """
        with self.failures():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._aside, self.target)

    def abandon(self) -> None:
        """Close the file after a failure, and remove it."""
        with suppress(OSError):  # closing writes what is left, which the full disk refuses
            self._file.close()
        self._aside.unlink(missing_ok=True)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn the failures of writing into sentences."""
        try:
            yield
        except OSError as error:
            raise DataError(
                f"The results cannot be written to {self.target}: {error.strerror}. "
                "A file that was there before is untouched."
            ) from error

    def _open(self) -> IO[bytes]:
        handle, name = tempfile.mkstemp(
            prefix=f".{self.target.name}.", suffix=".part", dir=self.target.parent
        )
        self._aside = Path(name)
        self._aside.chmod(0o666 & ~_umask())
        return open(handle, "wb")


class ContinuedFile(ResultFile):
    """A result file that a later run of the same kind continues if this one is interrupted.

    origin: what the run is of, in plain values; another run with an equal one gives the same rows.
    """

    def __init__(self, target: Path, origin: Mapping[str, Any]) -> None:
        super().__init__(target)
        self._aside = target.with_name(f".{target.name}.part")
        self._progress = target.with_name(f".{target.name}.progress")
        self._origin = json.loads(json.dumps(origin))

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Note that the run is so far: what was written till now stays, whatever happens next."""
        with self.failures():
            self._file.flush()
            os.fsync(self._file.fileno())
            done = {"origin": self._origin, "bytes": self._file.tell(), "state": dict(state)}
            aside = self._progress.with_name(f"{self._progress.name}.tmp")
            with aside.open("w", encoding="ascii") as file:
                json.dump(done, file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._progress)

    def commit(self) -> None:
        """Put the file in place of the target; the progress is no longer needed."""
        super().commit()
        self._progress.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close the file and keep it."""
        with suppress(OSError):
            self._file.close()
        if self._progress.exists():
            logger.warning(
                "what is done so far is kept beside %s: the same command goes on from there",
                self.target,
            )

    def _open(self) -> IO[bytes]:
        handle = os.open(self._aside, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(handle)
            done = self._read_progress(os.fstat(handle).st_size)
        except BaseException:
            os.close(handle)
            raise
        file = open(handle, "r+b")  # noqa: SIM115 - closed by commit or abandon
        self.state = done["state"] if done else {}
        if not done:
            self._progress.unlink(missing_ok=True)  # of an older run, before its bytes are gone
        file.truncate(done["bytes"] if done else 0)
        file.seek(0, os.SEEK_END)
        return file

    def _lock(self, handle: int) -> None:
        """Keep other runs off until this process ends, in whatever way."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_in_place = os.fstat(handle).st_ino == self._aside.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            is_in_place = False
        if not is_in_place:  # or moved over the target by a run that finished just now
            raise DataError(
                f"Another run with --resume is writing {self.target}: wait for it to end."
            )

    def _read_progress(self, n_bytes: int) -> Mapping[str, Any]:
        """Return the progress of the run to continue, empty if there is none.

        Raises:
            DataError: what is left there is of another run, or damaged.
        """
        anew = f"delete {self._aside} to start anew"
        if not n_bytes or not self._progress.exists():
            return {}
        try:
            done: dict[str, Any] = json.loads(self._progress.read_text("ascii"))
            origin, _, is_there = done["origin"], done["state"], done["bytes"] <= n_bytes
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{self._progress} is damaged: {anew}.") from error
        if not is_there:
            raise DataError(f"{self._aside} is shorter than it was: {anew}.")
        changed = [name for name in self._origin if origin.get(name) != self._origin[name]]
        if changed:
            raise DataError(
                f"--resume cannot continue the run that was to write {self.target}: since then the "
                f"{' and the '.join(changed)} changed. Run it as it was begun, or {anew}."
            )
        return done


class StandardOutput(ResultFile):
    """Standard output, where rows appear as they are written."""

    def __init__(self) -> None:
        super().__init__(Path("-"))

    def open(self) -> Sink:
        """Take standard output."""
        return _Utf8(sys.stdout)

    def commit(self) -> None:
        """Write what is still held back."""
        with self.failures():
            sys.stdout.flush()

    def abandon(self) -> None:
        """Leave what is written: it cannot be taken back."""

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Turn the failures of writing into sentences; a reader that went away is none."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DataError(
                f"The results cannot be written to standard output: {error.strerror}."
            ) from error


class _Utf8:
    """A stream of text that takes UTF-8."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        return self._stream.write(data.decode())


def _umask() -> int:
    """Return the mask of permissions for new files, which Python can only read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
