"""Prediction on a cluster: each table of a dataset is scored by one worker, into a file of its own.

tables -> tasks of a scheduler -> worker: fetch, score, write aside, rename or put -> counts -> here

The model reaches each worker once. A task may run more than once, after a failure or because its worker died: it gives
the same file again, byte for byte, in place of the first.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from ai_detect import prediction
from ai_detect.cluster import RETRIES, connected, finished, result, share
from ai_detect.data import Batch
from ai_detect.partitions import Partition, ResultFolder, fetched, find_partitions
from ai_detect.prediction import Question, Tally
from ai_detect.predictor import Predictor
from ai_detect.results import ResultsWriter, results_header
from ai_detect.sources import Source

logger = logging.getLogger(__name__)

Read = Callable[[Sequence[Source]], Iterator[Batch]]


def predict(
    dataset: str,
    output: str,
    predictor: Predictor,
    question: Question,
    read: Read,
    *,
    format: str,
    scheduler: str,
    n_workers: int,
) -> Tally:
    """Score a dataset on a cluster, and write a file of results for each of its tables.

    Args:
        dataset: a file, folder or pattern, on a disk that workers share or on object storage.
        output: the folder of results, there too; `_SUCCESS.json` in it says when all are there.
        predictor: the model.
        question: what is asked of each text.
        read: turns tables into batches.
        format: of the dataset, if it was given.
        scheduler: such as tcp://HOST:PORT; "" for processes on this machine.
        n_workers: how many of these.

    Raises:
        DataError: the dataset cannot be used as it is, or the results cannot be written.
        MissingExtraError: a package is not installed.
        UsageError: there is no cluster to use.
    """
    results_header(predictor, details=question.details, windows=question.windows)  # refuses
    partitions = find_partitions(dataset, format=format)
    folder = ResultFolder(output)
    with connected(scheduler, n_workers=n_workers) as client:
        folder.prepare(partitions)
        model = share(client, predictor)
        futures = client.map(
            _score,
            partitions,
            folder=folder,
            predictor=model,
            question=question,
            read=read,
            pure=False,
            retries=RETRIES,
        )
        tables = dict(zip(futures, partitions, strict=True))
        tallies: dict[str, Tally] = {}
        for future in finished(client, futures, "scoring"):
            tallies[tables[future].name] = result(future, tables[future].address)
    total = _sum_up(tallies[one.name] for one in partitions)
    listed = [
        {"file": one.name, "of": one.address, "rows": tallies[one.name].n_rows}
        for one in partitions
    ]
    summary = total.to_dict() | {"model": predictor.weights_sha256, "files": listed}
    folder.finish(tallies, summary)
    logger.info("%d tables scored, results in %s", len(partitions), output)
    return total


def _score(
    partition: Partition,
    *,
    folder: ResultFolder,
    predictor: Predictor,
    question: Question,
    read: Read,
) -> Tally:
    """Score one table, on a worker."""
    header = results_header(predictor, details=question.details, windows=question.windows)
    with fetched(partition) as source, folder.writing(partition.name) as path:
        writer = ResultsWriter(path, header)
        return prediction.run(predictor, read([source]), writer, question, n_jobs=1)


def _sum_up(tallies: Iterable[Tally]) -> Tally:
    """Add counts up."""
    total = Tally()
    for tally in tallies:
        total.n_rows += tally.n_rows
        total.called += tally.called
        total.problems += tally.problems
        total.lengths += tally.lengths
    return total
