"""Hashed counts of texts in a temporary file, to be read again in any order: what streaming training keeps of texts.

A record is the buckets of a text (int32) and how often each occurs (uint16, at most 65,535). The file has no name, so
the system frees it when the process ends, in whatever way.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ai_detect.errors import DataError

Int64Array = npt.NDArray[np.int64]

_BYTES = np.dtype(np.int32).itemsize + np.dtype(np.uint16).itemsize
_MOST = np.iinfo(np.uint16).max
_PORTION = 8 << 20  # counts read at a time: some 10,000 essays, 64 MB


class Spool:
    """Counts on disk, text after text; a context manager that frees them.

    Args:
        folder: where the file is to be; it needs some three times the room of the texts.
        n_features: buckets there are.
    """

    def __init__(self, folder: Path, n_features: int) -> None:
        self._n_features = n_features
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise self._failure(error) from error
        self._lengths: list[Int64Array] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # closing writes what is left, which the full disk refuses
            self._file.close()

    def append(
        self,
        indptr: Int64Array,
        indices: npt.NDArray[np.int32],
        counts: npt.NDArray[np.float32],
    ) -> None:
        """Append texts, as the CSR arrays that `kernels.count` gives.

        Raises:
            DataError: the disk is full.
        """
        values = np.minimum(counts, _MOST).astype(np.uint16)
        bounds = indptr.tolist()
        records = [
            part[start:stop].tobytes()
            for start, stop in pairwise(bounds)
            for part in (indices, values)
        ]
        try:
            self._file.write(b"".join(records))
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from error
        self._lengths.append(np.diff(indptr))

    def seal(self) -> None:
        """Say that all texts are there; only now they can be read."""
        self._n_counts = np.concatenate([np.zeros(0, np.int64), *self._lengths])
        self._starts = (np.cumsum(self._n_counts) - self._n_counts) * _BYTES

    def portions(self, rows: Int64Array) -> Iterator[tuple[slice, csr_matrix]]:
        """Read the given texts in their order, in portions of bounded size.

        Yields: which of `rows` these are, m of them, and their counts, float32 (m, n_features), to be changed at will.
        """
        ends = np.cumsum(self._n_counts[rows])
        start = 0
        while start < len(rows):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _PORTION, side="right")))
            yield slice(start, stop), self._read(rows[start:stop])
            start = stop

    def _read(self, rows: Int64Array) -> csr_matrix:
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(self._n_counts[rows], out=indptr[1:])
        indices, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
        bounds, handle = indptr.tolist(), self._file.fileno()
        for i, place in enumerate(self._starts[rows].tolist()):
            start, stop = bounds[i], bounds[i + 1]
            n = stop - start
            raw = os.pread(handle, n * _BYTES, place)
            indices[start:stop] = np.frombuffer(raw, np.int32, n)
            values[start:stop] = np.frombuffer(raw, np.uint16, n, 4 * n)
        shape = (len(rows), self._n_features)
        return csr_matrix((values, indices, indptr), shape=shape, copy=False)

    def _failure(self, error: OSError) -> DataError:
        return DataError(
            f"--streaming cannot keep the counts of the texts beside the model: {error.strerror}. It needs some three "
            "times the room of the texts there, for as long as it trains: free some, or choose another --model_dir."
        )
