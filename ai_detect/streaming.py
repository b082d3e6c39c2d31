"""Batches of any dataset through a model, in order, in memory that does not grow."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from ai_detect.data import Batch
from ai_detect.errors import DataError
from ai_detect.predictor import Predictions, Predictor
from ai_detect.profiles import Profile


def scored(
    predictor: Predictor, batches: Iterator[Batch], profile: Profile | None, n_jobs: int
) -> Iterator[tuple[Batch, Predictions]]:
    """Score batches in threads while the next ones are read, and return them in order.

    At most n_jobs batches are in flight, so memory does not grow with the dataset.
    """
    with ThreadPoolExecutor(n_jobs) as pool:
        flight: deque[tuple[Batch, Future[Predictions]]] = deque()
        for batch in batches:
            flight.append((batch, pool.submit(predictor.predict, batch.texts, profile)))
            if len(flight) > n_jobs:
                done, predictions = flight.popleft()
                yield done, predictions.result()
        for done, predictions in flight:
            yield done, predictions.result()


def without_first(batches: Iterator[Batch], n_rows: int) -> Iterator[Batch]:
    """Leave out batches that hold the first rows, as many as were there when the same dataset was read before.

    Raises:
        DataError: the batches end elsewhere, so that it is another dataset now.
    """
    left = n_rows
    for batch in batches:
        if not left:
            yield batch
            continue
        left -= len(batch.ids)
        if left < 0:
            break
    if left:
        raise DataError(
            "The dataset has changed since the run that --resume is to continue: run predict without --resume."
        )


def first_rows(batches: Iterator[Batch], limit: int) -> Iterator[tuple[str, str, str]]:
    """Yield id, text and problem ("" for none) of the first `limit` rows, or of all if it is 0."""
    rows = (
        (row_id, batch.texts[i], batch.problems.get(i, ""))
        for batch in batches
        for i, row_id in enumerate(batch.ids)
    )
    return islice(rows, limit or None)
