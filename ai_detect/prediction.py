"""The run of `predict` over a dataset: batches are scored, turned into rows and written in order, and counted."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from ai_detect.calibration import MIN_WORDS
from ai_detect.data import Batch
from ai_detect.errors import UsageError
from ai_detect.explain import flagged_windows
from ai_detect.predictor import Predictor
from ai_detect.profiles import Profile
from ai_detect.results import ResultsWriter, prediction_rows
from ai_detect.site_profiles import SiteProfile
from ai_detect.sources import find_sources
from ai_detect.streaming import scored, without_first

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is asked of every text: whose promise, at which rate, and how much is told of the answer.

    site: the site profile that `profile` is of, if it is one.
    """

    profile: Profile | None
    fpr: float
    prior: float = 0.5
    details: bool = False
    windows: bool = False
    site: SiteProfile | None = None


@dataclass
class Tally:
    """What was counted on the way.

    called: rows by verdict (detection) or by label; problems: reason -> rows; lengths: int64 (10,), texts by the
    deciles of the lengths behind a site profile.
    """

    n_rows: int = 0
    called: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    lengths: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(10, np.int64))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "n_rows": self.n_rows,
            "called": dict(self.called),
            "problems": dict(self.problems),
            "lengths": self.lengths.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` was made of."""
        return cls(
            values["n_rows"],
            Counter(values["called"]),
            Counter(values["problems"]),
            np.array(values["lengths"], np.int64),
        )


def run(
    predictor: Predictor,
    batches: Iterator[Batch],
    writer: ResultsWriter,
    question: Question,
    *,
    n_jobs: int,
) -> Tally:
    """Score a dataset and write a row for each of its rows; go on where the writer's file ends.

    Args:
        predictor: the model.
        batches: the dataset, from its first row on.
        writer: of the results, not yet entered.
        question: what is asked of each text.
        n_jobs: threads.

    Raises:
        DataError: the dataset cannot be used as it is, or the results cannot be written.
    """
    with writer, tqdm(desc="scoring", unit=" texts", disable=None, leave=False) as bar:
        tally = Tally.from_dict(writer.state) if writer.state else Tally()
        if tally.n_rows:
            logger.info("going on after %d rows", tally.n_rows)
        rest = without_first(batches, tally.n_rows)
        for batch, predictions in scored(predictor, rest, question.profile, n_jobs):
            rows, called = prediction_rows(
                predictor,
                batch,
                predictions,
                fpr=question.fpr,
                prior=question.prior,
                details=question.details,
                flagged_windows=flagged_windows(
                    predictor, batch.texts, question.profile, question.fpr
                )
                if question.windows and question.profile
                else None,
            )
            writer.write_rows(rows)
            if question.site:
                # Shorter texts get no verdict, and none is behind a profile.
                words = predictions.words[predictions.words >= MIN_WORDS]
                tally.lengths += question.site.count(words)
            tally.called.update(called)
            tally.problems.update(batch.problems.values())
            tally.n_rows += len(batch.ids)
            writer.checkpoint(tally.to_dict())
            bar.update(len(batch.ids))
    return tally


def origin(
    dataset: str,
    output: str,
    predictor: Predictor,
    question: Question,
    *,
    package_version: str,
    format: str,
    reading: Mapping[str, Any],
) -> dict[str, Any]:
    """Say what results are made of, in plain values: a run can be continued by one that says the same.

    Args:
        dataset: files, as `--dataset` names them.
        output: where the results go.
        predictor: the model.
        question: what is asked of each text.
        package_version: of ai_detect.
        format: of the dataset, if it was given.
        reading: whatever else decides how the dataset is read.

    Raises:
        UsageError: standard input cannot be read, or standard output written, a second time.
    """
    if "-" in (dataset, output):
        raise UsageError(
            "--resume goes with files: standard input and output cannot be taken up where they ended. "
            "Give --dataset=PATH and --output=PATH."
        )
    paths = [path for source in find_sources(dataset, format=format) for path in source.paths]
    stats = [(path, path.stat()) for path in paths]
    asked = {
        name: getattr(question, name) for name in ("fpr", "prior", "details", "windows")
    } | dict(reading)
    return {
        "dataset": [[str(path.absolute()), one.st_size, one.st_mtime_ns] for path, one in stats],
        "model": predictor.weights_sha256,
        "profile": _fingerprint(question.profile),
        "options": asked | {"format": format},
        "version of ai_detect": package_version,
    }


def _fingerprint(profile: Profile | None) -> str:
    digest = hashlib.sha256()
    for curve in profile.curves if profile else ():
        digest.update(curve.breaks.tobytes() + curve.p.tobytes())
    return digest.hexdigest()
