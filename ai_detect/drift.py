"""Whether the texts that come in are still like those the model was trained on.

`compare` tests, at every edge between two bins, the share of texts beyond it by Fisher's exact test. The smallest
p-value, times the number of edges and of features, is at most 0.01 in at most 1 % of comparisons where nothing has
changed, however many texts there are. A level also takes a change of some size, by the population stability index
(Siddiqi 2006): enough texts make a change significant that is of no account.

What comes in is compared with the human training texts: most texts anywhere are by people, so a stream that scores like
one half LLM is news, though training may have had that many. `prior` is the share of LLM texts that would be no news.
Scores of training texts are by models that had not seen texts of their group, and so nearer to those of LLM texts than
the final model's scores of new texts need be: lower scores than these are no news either.
"""

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import HUMAN, LLM
from ai_detect.drift_reference import ALL, FEATURES, MIN_TEXTS, Counts, Reference
from ai_detect.drift_report import (
    MAJOR,
    MODERATE,
    NONE,
    PLAIN_SCORE,
    WORDS,
    DriftReport,
    FeatureDrift,
)
from ai_detect.errors import UsageError
from ai_detect.two_samples import fisher_p_values, stability_index

__all__ = ["MIN_TEXTS", "Counts", "DriftReport", "Reference", "compare"]

Float64Array = npt.NDArray[np.float64]

_ALPHA = 0.01
_LIMITS = {MAJOR: 0.25, MODERATE: 0.1}  # of the population stability index, by convention


def compare(reference: Reference, counts: Counts, *, prior: float = 0.0) -> DriftReport:
    """Compare what came in with the reference.

    Args:
        reference: of the model that scored the texts.
        counts: of the texts, by the bins of this reference.
        prior: share of LLM texts that is expected.

    Raises:
        UsageError: the prior is no share.
    """
    if not 0.0 <= prior <= 1.0:
        raise UsageError(
            f"--prior={prior} is not a share: give the share of LLM texts you expect, from 0 to 1, such as 0.1."
        )
    if prior and ALL in reference.groups:
        raise UsageError(
            f"--prior={prior} is for a reference that tells llm from human, and this one does not."
        )
    n_reference, expected = reference.expected(prior)
    whom, words = f"{HUMAN} {reference.texts}", WORDS
    if ALL in reference.groups:
        whom, words = reference.texts, WORDS | {"score": PLAIN_SCORE}
    elif prior:
        whom = f"{reference.texts}, {100 * prior:g} % of them {LLM}"
    features = []
    for name, edges in reference.edges.items():
        shares, found = expected[name], counts.bins[name]
        p_values = fisher_p_values(np.round(n_reference * shares).astype(np.int64), found)
        if name == "score" and reference.is_held_out and ALL not in reference.groups:
            p_values[_beyond(found / max(1, counts.n)) < _beyond(shares)] = 1.0
        p_value = min(1.0, float(p_values.min()) * len(edges) * len(FEATURES))
        psi = stability_index(shares, n_reference, found)
        features.append(
            FeatureDrift(
                name,
                words[name],
                psi,
                p_value,
                _level(counts.n, psi, p_value),
                int(p_values.argmin()),
                edges,
                tuple(shares.tolist()),
                tuple((found / max(1, counts.n)).tolist()),
            )
        )
    return DriftReport(counts.n, MIN_TEXTS, n_reference, whom, tuple(features))


def _beyond(shares: Float64Array) -> Float64Array:
    """Return the share of texts beyond each inner edge."""
    result: Float64Array = shares[::-1].cumsum()[::-1][1:]
    return result


def _level(n: int, psi: float, p_value: float) -> str:
    if n < MIN_TEXTS or p_value > _ALPHA:
        return NONE
    return next((level for level, least in _LIMITS.items() if psi >= least), NONE)
