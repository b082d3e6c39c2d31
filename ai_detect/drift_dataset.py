"""A dataset counted by the bins of a drift reference: to be compared, or to be the reference itself."""

import logging
from collections import Counter

from ai_detect.columns import BY_RULE, Columns
from ai_detect.data import read_batches
from ai_detect.drift import Counts, Reference
from ai_detect.predictor import Predictor
from ai_detect.streaming import scored

logger = logging.getLogger(__name__)


def count_dataset(
    predictor: Predictor,
    reference: Reference,
    dataset: str,
    *,
    columns: Columns = BY_RULE,
    format: str = "",
    encoding: str = "utf-8",
    n_jobs: int = 1,
) -> Counts:
    """Return the counts of the texts of a dataset; rows that cannot be scored are left out.

    Args:
        predictor: the model.
        reference: the bins, of the same model.
        dataset: as for `read_batches`, like all that follows.
        columns: the columns to read.
        format: where the name of a file does not tell.
        encoding: of text files.
        n_jobs: threads.

    Raises:
        DataError: the dataset cannot be used as it is.
        UsageError: the format or the encoding is unknown.
    """
    counts = Counts.none(reference)
    problems: Counter[str] = Counter()
    batches = read_batches(dataset, columns=columns, format=format, encoding=encoding)
    for batch, predictions in scored(predictor, batches, None, n_jobs):
        counts += Counts.of(reference, predictions)
        problems.update(batch.problems.values())
    if problems:
        logger.warning("rows left out: %s", dict(problems))
    return counts
