"""A job on disk: a folder of its own with the file, the state, the result, and a lock that says whether it is alive.

data/jobs/ID/input.csv      what was uploaded, under a name of ours
             state.json     the job; only who holds the lock writes it, aside and then renamed
             results.csv    there as soon as the job is done
             owner          locked by the process at work; the kernel lets go of it however that ends
             cancel         there if somebody asked to stop; the folder goes as soon as nobody is at work in it
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

ID = re.compile(r"[0-9a-f]{32}")
N_BINS = 20

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATUSES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
ALIVE = (QUEUED, RUNNING)

_DIED = "The process of this job ended before the job was done. Run it again."


@dataclass(frozen=True)
class Job:
    """The state of a job.

    name: of the file as it was given, for people only; file: its name here; bytes_read, bytes_total: of text, the total
    estimated from the file; verdicts: rows by verdict or class; histogram: rows by probability; problems: bad rows by
    reason; options: as given; created, finished: times in UTC, "" for not yet.
    """

    id: str
    name: str
    file: str
    options: dict[str, Any]
    status: str = QUEUED
    rows: int = 0
    bytes_read: int = 0
    bytes_total: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=lambda: [0] * N_BINS)
    problems: dict[str, int] = field(default_factory=dict)
    error: str = ""
    created: str = ""
    finished: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether it waits or is at work."""
        return self.status in ALIVE

    def anew(self) -> Self:
        """Return the job as it was before it ran."""
        fresh = Job(self.id, self.name, self.file, self.options, created=self.created)
        return replace(self, **{**asdict(fresh), "bytes_total": self.bytes_total})

    def ended(self, status: str, error: str = "") -> Self:
        """Return the job as it ends now."""
        return replace(self, status=status, error=error, finished=now())

    def to_dict(self) -> dict[str, Any]:
        """Return what is told of it."""
        told = asdict(self)
        del told["file"]
        return told


@dataclass(frozen=True)
class JobFiles:
    """Where the files of a job are."""

    folder: Path

    @property
    def result(self) -> Path:
        """The predictions."""
        return self.folder / "results.csv"

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return (self.folder / "cancel").exists()

    def ask_to_stop(self) -> None:
        """Leave word for the process at work."""
        with suppress(FileNotFoundError):  # just removed
            (self.folder / "cancel").touch()

    def lock(self) -> int | None:
        """Take the job, for as long as the file descriptor is open in any process; None if another one has it."""
        try:
            lock = os.open(self.folder / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def write(self, job: Job) -> None:
        """Replace the state; for the holder of the lock."""
        aside = self.folder / ".state.json.tmp"
        with aside.open("w", encoding="utf-8") as file:
            json.dump(asdict(job), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.folder / "state.json")

    def read(self) -> Job | None:
        """Return the job, marked as failed if its process is gone; None if there is none, or it is still coming in."""
        try:
            return self._read()
        except FileNotFoundError:  # removed meanwhile, too
            return None

    def _read(self) -> Job:
        job = self.stored()
        if self.is_cancelled:
            return job.ended(CANCELLED)
        if not job.is_alive:
            return job
        with self._taken() as is_ours:
            if is_ours:
                job = self.stored()  # what it may have written before it let go
                if job.is_alive:
                    job = job.ended(FAILED, _DIED)
                    self.write(job)
        return job

    def remove(self) -> bool:
        """Remove everything, unless a process is at work on it."""
        with self._taken() as is_ours:
            if is_ours:
                shutil.rmtree(self.folder, ignore_errors=True)
        return is_ours or not self.folder.exists()

    def size(self) -> int:
        """Return the bytes that it takes."""
        with suppress(FileNotFoundError):  # removed meanwhile
            return sum(path.stat().st_size for path in self.folder.iterdir())
        return 0

    def stored(self) -> Job:
        """Return the job as its last owner left it."""
        return Job(**json.loads((self.folder / "state.json").read_text("utf-8")))

    @contextmanager
    def _taken(self) -> Iterator[bool]:
        lock = self.lock()
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)


def now() -> str:
    """Return the time in UTC, to the millisecond: jobs are sorted by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
