"""The rows of results.csv, and a writer that leaves a file either whole and new, or untouched."""

import csv
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import shifted
from ai_detect.data import Batch
from ai_detect.errors import DataError, UsageError
from ai_detect.predictor import Predictions, Predictor

_DETAILS = ("verdict", "words", "p_value", "obfuscation", "reason")


def results_header(
    predictor: Predictor, *, details: bool, windows: bool = False
) -> tuple[str, ...]:
    """Return the columns of the results: a valid Kaggle submission for detection.

    Raises:
        UsageError: details are asked for, and the model tells other classes apart than human and llm.
    """
    if not predictor.detection:
        if details:
            raise UsageError(
                f"--details goes with human/llm models; this one tells {len(predictor.classes)} classes apart "
                "and gives id, label and probability."
            )
        return ("id", "label", "probability")
    if windows and not details:
        raise UsageError("--windows adds a column to --details: give both.")
    if not details:
        return ("id", "generated")
    *others, reason = _DETAILS
    return ("id", "generated", *others, *(("windows",) if windows else ()), reason)


def prediction_rows(
    predictor: Predictor,
    batch: Batch,
    predictions: Predictions,
    *,
    fpr: float,
    prior: float,
    details: bool,
    flagged_windows: npt.NDArray[np.float64] | None = None,
) -> tuple[list[tuple[object, ...]], list[str]]:
    """Return the rows of a batch, and the verdict (detection) or label of each good one.

    A bad row keeps its place with an empty prediction and, with details, its reason. flagged_windows: float64 (n,), the
    share of each text's windows that are called llm by themselves, for one more column.
    """
    good = [row for row in range(len(batch.ids)) if row not in batch.problems]
    if predictor.detection:
        called, reasons = predictor.verdicts(predictions, fpr)
        rows: list[tuple[object, ...]] = list(
            zip(batch.ids, shifted(predictions.probability[:, 1], prior).tolist(), strict=True)
        )
        if details:
            columns: list[npt.NDArray[Any]] = [
                predictions.words,
                predictions.p_value,
                predictions.obfuscation,
            ]
            if flagged_windows is not None:
                columns.append(flagged_windows)
            extra = zip(called, *(column.tolist() for column in columns), reasons, strict=True)
            rows = [row + more for row, more in zip(rows, extra, strict=True)]
    else:
        best = predictions.probability.argmax(axis=1)
        called = [predictor.classes[number] for number in best]
        rows = list(
            zip(batch.ids, called, predictions.probability.max(axis=1).tolist(), strict=True)
        )
    for row, reason in batch.problems.items():
        empty = ("",) * (len(rows[row]) - 1)
        rows[row] = (batch.ids[row], *empty[:-1], reason) if details else (batch.ids[row], *empty)
    return rows, [called[row] for row in good]


class ResultsWriter:
    """Write a CSV file aside and move it over the target when all rows are there.

    Numbers are written as Python shows them, so that no digit is lost. The path `-` is standard
    output, where rows appear as they are written.

    Example:
        >>> with ResultsWriter("-", ["id", "generated"]) as results:
        ...     results.write_rows([("a1", 0.25)])
        id,generated
        a1,0.25
    """

    def __init__(self, path: Path | str, header: Sequence[str]) -> None:
        self._target = Path(path)
        self._is_stdout = str(path) == "-"
        self._header = header
        self._aside: Path | None = None

    def __enter__(self) -> Self:
        """Open the file aside, in the target's folder, which is made if need be.

        Raises:
            DataError: it cannot be written there.
        """
        try:
            self._file = sys.stdout if self._is_stdout else self._open_aside()
            self._writer = csv.writer(_UnixLines(self._file), lineterminator="\r\n")
            self._writer.writerow(self._header)
        except OSError as error:
            self._discard()
            raise self._failure(error) from error
        return self

    def write_rows(self, rows: Iterable[Sequence[object]]) -> None:
        """Append rows, each with one value per column of the header.

        Raises:
            DataError: the disk is full, or the file cannot be written for another reason.
        """
        try:
            self._writer.writerows(rows)
        except OSError as error:
            raise self._failure(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put the file in place, or remove it if anything failed."""
        if kind is not None:
            self._discard()
            return
        try:
            self._file.flush()
            if self._aside:
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._aside, self._target)
        except OSError as failure:
            self._discard()
            raise self._failure(failure) from failure

    def _open_aside(self) -> IO[str]:
        if self._target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        self._target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{self._target.name}.", suffix=".part", dir=self._target.parent
        )
        self._aside = Path(name)
        self._aside.chmod(0o666 & ~_umask())
        return open(handle, "w", encoding="utf-8", errors="replace", newline="")

    def _discard(self) -> None:
        if self._aside:
            with suppress(OSError):  # closing writes what is left, which the full disk refuses
                self._file.close()
            self._aside.unlink(missing_ok=True)

    def _failure(self, error: OSError) -> DataError:
        if self._is_stdout:
            return DataError(f"The results cannot be written to standard output: {error.strerror}.")
        return DataError(
            f"The results cannot be written to {self._target}: {error.strerror}. "
            "A file that was there before is untouched."
        )


class _UnixLines:
    """A file whose rows end in a line feed alone.

    Python quotes a lone carriage return within a value only where it is part of the line's end.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _umask() -> int:
    """Return the mask of permissions for new files, which Python can only read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
