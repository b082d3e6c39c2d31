"""The files that were uploaded to be scored: started, listed, run again and removed, by any worker of the service.

Uploaded texts are kept with their job and go with it; nothing else of the service keeps any.
"""

import asyncio
import logging
import os
import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import ai_detect
from ai_detect.server.job_files import CANCELLED, FAILED, ID, STATUSES, Job, JobFiles, now
from ai_detect.server.problems import Problem
from ai_detect.server.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

_STOP_SECONDS = 2.0
_POLL_SECONDS = 0.05
_BUSY_SECONDS = 10
_PACKAGE_ROOT = Path(ai_detect.__file__).parents[1]


@dataclass(frozen=True)
class Arrival:
    """A job whose file is still coming in; its lock is held."""

    id: str
    files: JobFiles
    lock: int


class Jobs:
    """The jobs in a folder that several processes may share.

    Args:
        settings: limits, and where things are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.jobs_dir
        self._processes: set[asyncio.subprocess.Process] = set()
        self._watchers: set[asyncio.Task[None]] = set()

    def listed(self) -> list[Job]:
        """Return the jobs but for those that were removed and are still stopping, newest first."""
        found = [job for files in self._all() if (job := files.read())]
        kept = [job for job in found if job.status != CANCELLED]
        return sorted(kept, key=lambda job: job.created, reverse=True)

    def counts(self) -> dict[str, int]:
        """Return how many jobs have each status."""
        counted = Counter(job.status for files in self._all() if (job := files.read()))
        return {status: counted[status] for status in STATUSES}

    def find(self, job_id: str) -> tuple[Job, JobFiles]:
        """Return a job and its files.

        Raises:
            Problem: there is none.
        """
        files = JobFiles(self._folder / job_id)
        job = files.read() if ID.fullmatch(job_id) else None
        if job is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such job; it may have been removed.")
        return job, files

    def arrive(self) -> Arrival:
        """Make room for a file and a folder to put it in.

        Raises:
            Problem: too many wait already.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        job_id = uuid.uuid4().hex
        files = JobFiles(self._folder / job_id)
        files.folder.mkdir(mode=0o700)
        lock = files.lock()
        assert lock is not None
        return Arrival(job_id, files, lock)

    def forget(self, arrival: Arrival) -> None:
        """Remove a job whose file did not come in."""
        shutil.rmtree(arrival.files.folder, ignore_errors=True)
        os.close(arrival.lock)

    async def begin(
        self, arrival: Arrival, *, name: str, file: str, options: dict[str, Any]
    ) -> Job:
        """Start the process of a job whose file is there."""
        job = Job(arrival.id, name, file, options, created=now())
        return await self._start(job, arrival.files, arrival.lock)

    async def rerun(self, job_id: str) -> Job:
        """Start a job again that has ended, from the file that was kept.

        Raises:
            Problem: there is none, or it has not ended.
        """
        job, files = self.find(job_id)
        if job.status == CANCELLED:
            raise Problem(HTTPStatus.CONFLICT, "This job is being removed: send the file again.")
        # A job has ended a moment before its process has.
        lock = None if job.is_alive else await _in_time(files.lock)
        if lock is None:
            raise Problem(HTTPStatus.CONFLICT, "This job has not ended: wait, or cancel it.")
        files.result.unlink(missing_ok=True)
        return await self._start(job.anew(), files, lock)

    async def remove(self, job_id: str) -> bool:
        """Stop a job and remove its files; False if its process is still busy stopping, and will be removed later."""
        job, files = self.find(job_id)
        files.ask_to_stop()
        if not await _in_time(files.remove):
            return False
        logger.info("job %s removed", job.id)
        return True

    async def stop(self) -> None:
        """End the processes of this worker's jobs, which leave word that they can be run again."""
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=_STOP_SECONDS)
        for process in self._processes:
            process.kill()

    async def _start(self, job: Job, files: JobFiles, lock: int) -> Job:
        """Hand a job with its lock over to a process of its own."""
        try:
            files.write(job)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ai_detect.server.job_process"),
                *(
                    str(files.folder),
                    str(self._settings.data_dir),
                    str(self._settings.limits.max_rows),
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(lock,),
                env={**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH", ""))},
            )
        except OSError as error:
            files.write(job.ended(FAILED, f"No process could be started: {error.strerror}."))
            raise
        finally:
            os.close(lock)
        self._processes.add(process)
        watcher = asyncio.create_task(self._watch(process))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        logger.info("job %s begins", job.id)
        return job

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._processes.discard(process)

    def _all(self) -> list[JobFiles]:
        try:
            return [JobFiles(path) for path in self._folder.iterdir() if ID.fullmatch(path.name)]
        except FileNotFoundError:
            return []

    def _sweep(self) -> None:
        """Remove the oldest ended jobs beyond what is kept, cancelled ones, and files that never came in whole."""
        limits = self._settings.limits
        n_alive = n_kept = n_bytes = 0
        every = [(files.read(), files) for files in self._all()]
        every.sort(key=lambda found: found[0].created if found[0] else "", reverse=True)
        for job, files in every:
            if job is None or files.is_cancelled:
                files.remove()
            elif job.is_alive:
                n_alive += 1
            else:
                n_kept, n_bytes = n_kept + 1, n_bytes + files.size()
                if n_kept >= limits.max_kept_jobs or n_bytes > limits.max_kept_bytes:
                    files.remove()
        if n_alive >= limits.max_jobs:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{n_alive} files wait or are at work already: try again when one of them is done.",
                retry_after=_BUSY_SECONDS,
            )


async def _in_time(given: Callable[[], T | None]) -> T | None:
    """Return what a function gives as soon as that is something, or None after some seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _STOP_SECONDS
    while (found := given()) is None or found is False:
        if loop.time() > until:
            return None
        await asyncio.sleep(_POLL_SECONDS)
    return found


def _with_root(path: str) -> str:
    """Return a search path on which a new interpreter finds this very package."""
    return os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), path)))
