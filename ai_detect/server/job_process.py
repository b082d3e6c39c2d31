"""The process of one job: what `predict --details` does, with progress, for a file that was uploaded.

A process of its own, so that a large file neither holds up requests nor outlives a limit of memory at the service's
expense. It inherits the lock of its job, and ends when the service does: its standard input is a pipe that then closes.

    python -m ai_detect.server.job_process JOB_FOLDER DATA_DIR MAX_ROWS
"""

import fcntl
import logging
import os
import select
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from ai_detect import log
from ai_detect.columns import Columns
from ai_detect.data import Batch, read_batches
from ai_detect.errors import AiDetectError, DataError
from ai_detect.predictor import Predictions
from ai_detect.results import ResultsWriter, prediction_rows, results_header
from ai_detect.scorer import available_cores
from ai_detect.server.job_files import DONE, FAILED, N_BINS, RUNNING, JobFiles
from ai_detect.server.models import ServedModel
from ai_detect.server.wording import of_service
from ai_detect.streaming import scored

logger = logging.getLogger(
    "ai_detect.server.job_process"
)  # not __main__, which the log does not take

_BATCH_BYTES = 1 << 20  # after each, a look whether to stop
_TELL_SECONDS = 0.3
_TURN_SECONDS = 0.1
_NICENESS = 5  # requests come first


class _StoppedError(Exception):
    """The job is not wanted any more, or the service ends."""


def main() -> None:
    """Run the job named on the command line and leave its outcome in its folder."""
    folder, data_dir, max_rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    log.configure(data_dir / "log_file.log", quiet=True)
    os.nice(_NICENESS)
    work = _Work(JobFiles(folder), max_rows)
    try:
        with work.turn():
            work.run(ServedModel.load(data_dir))
        work.end(DONE)
    except _StoppedError as stopped:
        if work.files.is_cancelled:
            shutil.rmtree(folder, ignore_errors=True)  # what is left is swept
            logger.info("job %s removed", work.job.id)
        else:
            work.end(FAILED, str(stopped))
    except AiDetectError as error:
        work.end(FAILED, str(error))
    except Exception:  # the last place before the process ends
        logger.error("job %s failed", work.job.id, exc_info=True)
        work.end(FAILED, "This is a bug; the details are in the log.")


class _Work:
    """A job and how far it is."""

    def __init__(self, files: JobFiles, max_rows: int) -> None:
        self.files = files
        self.job = files.stored()
        self._max_rows = max_rows
        self._told = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other job is at work."""
        lock = os.open(self.files.folder.parent / ".turn", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _has_locked(lock):
                self._check()
                time.sleep(_TURN_SECONDS)
            yield
        finally:
            os.close(lock)

    def run(self, model: ServedModel) -> None:
        """Score the file and write the result, whole or not at all."""
        options = self.job.options
        profile = model.profile(options["profile"])
        fpr = model.rate(profile, options["fpr"])
        columns = Columns(text=options["text_column"], id=options["id_column"])
        file = self.files.folder / self.job.file
        self.job = replace(self.job, status=RUNNING, bytes_total=_text_bytes(file))
        self._tell()
        predictor = model.predictor
        batches = read_batches(
            str(file), columns=columns, encoding=options["encoding"], batch_bytes=_BATCH_BYTES
        )
        header = results_header(predictor, details=predictor.detection)
        with ResultsWriter(self.files.result, header) as writer:
            for batch, predictions in scored(predictor, batches, profile, available_cores()):
                self._check()
                rows, called = prediction_rows(
                    predictor,
                    batch,
                    predictions,
                    fpr=fpr,
                    prior=options["prior"],
                    details=predictor.detection,
                )
                writer.write_rows(rows)
                self._count(batch, predictions, called)

    def end(self, status: str, error: str = "") -> None:
        """Leave the outcome."""
        # A message may name the file, whose name here says nothing to anybody.
        error = of_service(error.replace(str(self.files.folder / self.job.file), self.job.name))
        read = self.job.bytes_total if status == DONE else self.job.bytes_read
        self.job = replace(self.job, bytes_read=read).ended(status, error)
        self.files.write(self.job)
        logger.info("job %s %s: %d rows %s", self.job.id, status, self.job.rows, error)

    def _count(self, batch: Batch, predictions: Predictions, called: list[str]) -> None:
        job = self.job
        good = np.delete(predictions.probability[:, -1], list(batch.problems))
        histogram = np.histogram(good, N_BINS, (0.0, 1.0))[0] + job.histogram
        self.job = replace(
            job,
            rows=job.rows + len(batch.ids),
            bytes_read=min(job.bytes_total, job.bytes_read + batch.texts.n_bytes),
            verdicts=dict(Counter(job.verdicts) + Counter(called)),
            histogram=histogram.tolist(),
            problems=dict(Counter(job.problems) + Counter(batch.problems.values())),
        )
        if self.job.rows > self._max_rows:
            raise DataError(
                f"{job.name} has more than {self._max_rows} rows, and no more are taken: cut it into several files."
            )
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self.files.write(self.job)
        self._told = time.monotonic()

    def _check(self) -> None:
        if self.files.is_cancelled:
            raise _StoppedError("Cancelled.")
        if select.select([sys.stdin], [], [], 0)[0]:  # never written to: it was closed
            raise _StoppedError("The service ended before this job was done. Run it again.")


def _has_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text_bytes(file: Path) -> int:
    """Estimate how many bytes of text a file holds: packed ones say it themselves."""
    packed = file.stat().st_size
    if file.suffix == ".gz":
        with file.open("rb") as tail:
            tail.seek(max(0, packed - 4))
            return max(packed, int.from_bytes(tail.read(4), "little"))
    if file.suffix == ".parquet":
        try:
            groups = pyarrow.parquet.ParquetFile(file).metadata
        except (pyarrow.ArrowException, OSError):
            return packed  # what is wrong with it, the reader says
        return sum(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
    return packed


if __name__ == "__main__":
    main()
