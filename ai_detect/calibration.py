"""From raw scores to what may be said about a text: a probability, a p-value, a verdict.

The probability is for weighing evidence, and stated at equal priors. Whether a text is called LLM-written rests on the
p-value alone (see `profiles`), so a prior never changes a verdict.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ai_detect.errors import UsageError

Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

PROMISED_RATES = (0.05, 0.01, 0.001)
# With too few human texts to promise the default rate no p-value gets there, and nothing is called llm.
DEFAULT_RATE = 0.01
MIN_WORDS = 50

HUMAN, LLM, UNSURE = "human", "llm", "unsure"
TOO_SHORT = f"under {MIN_WORDS} words"
BETWEEN = "between thresholds"
NOT_ENGLISH = "not English"
OBFUSCATED = "obfuscated"

# Chosen on the training corpora: of essays of 50 words or more, human or LLM, fewer than 1 in 1,000 have a smaller
# share of function words; 22 of 41,000 human texts have as many hidden characters.
_ENGLISH_SHARE = 0.12
_HIDDEN_LEAST = 5
_HIDDEN_SHARE = 0.05
MISS_RATE = 0.05  # of LLM texts called human


def platt(
    scores: Float64Array, y: npt.NDArray[np.int64], weights: Float64Array | None = None
) -> tuple[float, float]:
    """Fit P(y = 1) = 1 / (1 + exp(-(slope * score + intercept))) at equal class priors (Platt 1999).

    As there, every text counts a little for the other class, so that classes which happen to be separable do not end
    in probabilities of 0 and 1.

    Args:
        scores: float64 (n,), out of fold.
        y: 0 or 1, (n,).
        weights: of each text, (n,); None for all the same.

    Returns: slope and intercept.
    """
    from sklearn.linear_model import LogisticRegression

    weights = np.ones(len(y)) if weights is None else weights
    own = weights / np.bincount(y, weights=weights, minlength=2)[y] * len(y) / 2.0
    other = 1.0 / (np.bincount(y, minlength=2)[y] + 2.0)
    fitted = LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(
        np.concatenate((scores, scores))[:, None],
        np.concatenate((y, 1 - y)),
        sample_weight=np.concatenate((own * (1.0 - other), own * other)),
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


def is_within(p_value: Float64Array, fpr: float) -> BoolArray:
    """Tell which p-values are at most a promised rate, such as 0.01, which has no exact binary form."""
    return np.asarray(p_value <= fpr * (1 + 1e-12))


def shifted(probability: Float64Array, prior: float) -> Float64Array:
    """Move probabilities of class 1 stated at equal priors to another share of class 1 among all texts.

    Raises:
        UsageError: the prior is not between 0 and 1.
    """
    if not 0.0 < prior < 1.0:
        raise UsageError(
            f"--prior={prior} is not a share: give the share of LLM texts you expect, between 0 and 1, such as 0.1."
        )
    for_one, for_zero = probability * prior, (1.0 - probability) * (1.0 - prior)
    return for_one / (for_one + for_zero)


@dataclass(frozen=True)
class Evidence:
    """What a verdict on n texts rests on.

    p_value, score: float64 (n,); words, function_words, obfuscation: int32 (n,), how many of each a text has.
    """

    p_value: Float64Array
    score: Float64Array
    words: Int32Array
    function_words: Int32Array
    obfuscation: Int32Array


def verdicts(evidence: Evidence, *, fpr: float, human_below: float) -> tuple[list[str], list[str]]:
    """Return the verdict of each text and, where it is `unsure`, the reason (else "").

    `llm` needs p <= fpr, `human` a score below the one that a stated share of LLM texts stays under. Texts that are too
    short, or not English, allow neither; and hidden characters, though undone, do not let a text pass as `human`.
    """
    words = evidence.words
    is_llm = is_within(evidence.p_value, fpr)
    is_hidden = (evidence.obfuscation >= _HIDDEN_LEAST) & (
        evidence.obfuscation >= _HIDDEN_SHARE * words
    )
    cases = (
        (words < MIN_WORDS, UNSURE, TOO_SHORT),
        (evidence.function_words < _ENGLISH_SHARE * words, UNSURE, NOT_ENGLISH),
        (is_llm, LLM, ""),
        (is_hidden, UNSURE, OBFUSCATED),
        (evidence.score < human_below, HUMAN, ""),
        (np.ones(len(words), np.bool_), UNSURE, BETWEEN),
    )
    first = np.argmax([condition for condition, _, _ in cases], axis=0).tolist()
    return [cases[case][1] for case in first], [cases[case][2] for case in first]
