"""From raw scores to what may be said about a text: a probability, a p-value, a verdict.

The probability is for weighing evidence (stated at equal priors). The verdict rests on the p-value alone: the share of
human texts, none of which the scoring model had been trained on, that score at least as high. That is split-conformal
prediction (Vovk, Gammerman & Shafer 2005, ch. 2): whatever the model, a human text drawn from the same population gets
p <= fpr with a chance of at most fpr.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect.errors import UsageError

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PROMISED_RATES = (0.05, 0.01, 0.001)
# With too few human texts to promise the default rate no p-value gets there, and nothing is called llm.
DEFAULT_RATE = 0.01
MIN_WORDS = 50

HUMAN, LLM, UNSURE = "human", "llm", "unsure"
TOO_SHORT = f"under {MIN_WORDS} words"
BETWEEN = "between thresholds"


@dataclass(frozen=True)
class Threshold:
    """The score from which a text is called LLM-written at a promised false-positive rate.

    score is None where there are too few human texts to promise that rate (it takes at least 1 / fpr - 1 of them).
    achieved_fpr and tpr: shares of the calibration texts of either kind at or above it.
    """

    fpr: float
    score: float | None
    achieved_fpr: float
    tpr: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they stand in a manifest."""
        return asdict(self)


def platt(scores: Float64Array, y: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Fit P(y = 1) = 1 / (1 + exp(-(slope * score + intercept))) at equal class priors (Platt 1999).

    As there, every text counts a little for the other class, so that classes which happen to be separable do not end
    in probabilities of 0 and 1.

    Args:
        scores: float64 (n,), out of fold.
        y: 0 or 1, (n,).

    Returns: slope and intercept.
    """
    from sklearn.linear_model import LogisticRegression

    other = 1.0 / (np.bincount(y, minlength=2)[y] + 2.0)
    twice = np.concatenate((scores, scores))[:, None]
    weights = np.concatenate((1.0 - other, other)) / np.tile(np.bincount(y, minlength=2)[y], 2)
    fitted = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(
        twice, np.concatenate((y, 1 - y)), sample_weight=weights * len(y) / 2
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def temperature(scores: Float64Array, y: npt.NDArray[np.int64]) -> float:
    """Return the factor on (n, n_classes) scores whose softmax has the highest likelihood (Guo et al. 2017).

    One text's worth of evidence for every other class, as in `platt`, keeps probabilities off 0 and 1.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    n_classes = scores.shape[1]
    other = 1.0 / (len(y) + n_classes)

    def negative_log_likelihood(log_factor: float) -> float:
        log_probability = log_softmax(scores * np.exp(log_factor), axis=1)
        own = log_probability[np.arange(len(y)), y]
        return -float(np.mean((1.0 - other) * own + other * log_probability.mean(axis=1)))

    found = minimize_scalar(negative_log_likelihood, bounds=(-5.0, 7.0), method="bounded")
    return float(np.exp(found.x))


def p_values(scores: Float64Array, human_scores: Float64Array) -> Float64Array:
    """Return (1 + number of human scores at least as high) / (1 + number of human scores) for each score.

    Args:
        scores: float64 (n,).
        human_scores: float64 (m,), ascending.
    """
    below = np.searchsorted(human_scores, scores, side="left").astype(np.float64)
    return (1.0 + len(human_scores) - below) / (1.0 + len(human_scores))


def thresholds(human_scores: Float64Array, llm_scores: Float64Array) -> tuple[Threshold, ...]:
    """Return the threshold of each promised rate: the smallest human score, or just above, with p <= rate."""
    ascending = np.sort(human_scores)
    found = []
    for fpr in PROMISED_RATES:
        # p(t) <= fpr allows this many human scores at or above t.
        allowed = int(np.floor(fpr * (len(ascending) + 1) + 1e-9)) - 1
        if allowed < 0:
            found.append(Threshold(fpr, None, 0.0, 0.0))
            continue
        score = float(np.nextafter(ascending[-1 - allowed], np.inf))
        found.append(
            Threshold(
                fpr, score, float(np.mean(ascending >= score)), float(np.mean(llm_scores >= score))
            )
        )
    return tuple(found)


def check_rate(fpr: float, n_human: int) -> None:
    """Refuse a false-positive rate that the number of calibration texts cannot support.

    Raises:
        UsageError: fpr is not between 0 and 1, or n_human is under 1 / fpr - 1.
    """
    if not 0.0 < fpr < 1.0:
        raise UsageError(f"--fpr={fpr} is not a rate: give a number between 0 and 1, such as 0.01.")
    if n_human + 1 < 1.0 / fpr - 1e-9:
        raise UsageError(
            f"--fpr={fpr} cannot be promised by this model: it was calibrated on {n_human} human texts, and that rate "
            f"takes at least {np.ceil(1 / fpr - 1e-9) - 1:.10g}. Give a higher rate, or train on more human texts."
        )


def verdicts(
    p: Float64Array, scores: Float64Array, words: npt.NDArray[np.int32], fpr: float
) -> tuple[list[str], list[str]]:
    """Return the verdict of each text and, where it is `unsure`, the reason (else "").

    `llm` needs p <= fpr; `human` a score below 0, more likely human than not at equal priors; else, and wherever a text
    has too few words to tell, `unsure`.
    """
    called, reasons = [], []
    for p_value, score, n_words in zip(p, scores, words, strict=True):
        if n_words < MIN_WORDS:
            verdict, reason = UNSURE, TOO_SHORT
        elif p_value <= fpr:
            verdict, reason = LLM, ""
        elif score < 0:
            verdict, reason = HUMAN, ""
        else:
            verdict, reason = UNSURE, BETWEEN
        called.append(verdict)
        reasons.append(reason)
    return called, reasons
