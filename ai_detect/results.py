"""The rows of results.csv, and a writer that leaves a file either whole and new, or untouched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import shifted
from ai_detect.data import Batch
from ai_detect.errors import UsageError
from ai_detect.predictor import Predictions, Predictor
from ai_detect.result_files import ContinuedFile, ResultFile, StandardOutput
from ai_detect.row_formats import format_of, open_rows

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
    """Write a table of results aside and move it over the target when all rows are there.

    The ending of the name tells the format: .jsonl, .parquet, and CSV for any other. The path `-`
    is standard output, where rows appear as they are written.

    Args:
        path: of the file.
        header: the names of its columns.
        origin: what the rows are made of, for a run that can be continued; None for one that cannot.

    Raises:
        UsageError: the format is not one of these, or cannot be continued.

    Example:
        >>> with ResultsWriter("-", ["id", "generated"]) as results:
        ...     results.write_rows([("a1", 0.25)])
        id,generated
        a1,0.25
    """

    def __init__(
        self, path: Path | str, header: Sequence[str], *, origin: Mapping[str, Any] | None = None
    ) -> None:
        self._format = format_of(str(path), resumes=origin is not None)
        self._header = header
        self._file = StandardOutput() if str(path) == "-" else _result_file(Path(path), origin)

    @property
    def state(self) -> Mapping[str, Any]:
        """What `checkpoint` was last given in the run that is continued; empty if there is none."""
        return self._file.state

    def __enter__(self) -> Self:
        """Open the file aside.

        Raises:
            DataError: it cannot be written there, or the run there is another one.
        """
        sink = self._file.open()
        with self._abandoning(), self._file.failures():
            self._rows = open_rows(self._format, sink, self._header, is_begun=bool(self.state))
        return self

    def write_rows(self, rows: Iterable[Sequence[object]]) -> None:
        """Append rows, each with one value per column of the header.

        Raises:
            DataError: the disk is full, or the file cannot be written for another reason.
        """
        with self._file.failures():
            self._rows.write(rows)

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Note that all rows written so far belong to the given state of the run, which is not empty."""
        self._file.checkpoint(state)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Put the file in place, or abandon it if anything failed."""
        if kind is not None:
            with suppress(
                OSError
            ):  # what ends a table is of no use now, but a full disk may refuse it
                self._rows.close()
            self._file.abandon()
            return
        with self._abandoning():
            with self._file.failures():
                self._rows.close()
            self._file.commit()

    @contextmanager
    def _abandoning(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._file.abandon()
            raise


def _result_file(path: Path, origin: Mapping[str, Any] | None) -> ResultFile:
    return ResultFile(path) if origin is None else ContinuedFile(path, origin)
