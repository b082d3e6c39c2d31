"""Why a text got its score: the exact contribution of every n-gram, laid onto the text.

The model is linear, so there is nothing to estimate:

    score = sum over n-grams of value * weight / norm + intercept

The n-grams and buckets are those of the kernels. What a bucket adds to the score is shared equally by its occurrences
in the text; what an occurrence adds, by its tokens (that of a character n-gram by its characters, and so by the tokens
they stand in: the space before a token counts with it).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import is_within
from ai_detect.errors import UsageError
from ai_detect.explanation import Explanation, Ngram, Sentence, Token, Window
from ai_detect.ngrams import char_buckets, token_hashes, undone_counts, word_buckets
from ai_detect.predictor import Predictor
from ai_detect.profiles import Profile
from ai_detect.reading import Reading, code_points, read
from ai_detect.scorer import LinearScorer
from ai_detect.text import PackedTexts

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

_N_NGRAMS = 12
_LONGEST = 80  # characters shown of an n-gram
# The end of a sentence, but not of an initial or a title; or an empty line.
_SENTENCE_END = re.compile(
    r"(?:[!?\u2026]|(?<![\s.(][A-Za-z])(?<!\b[MD]r)(?<!\bM[rs]s)(?<!\bMs)(?<!\bSt)\.)"
    r"[\"'\u2019\u201d)\]*_]{0,3}(?=\s)"
    r"|\n(?=[^\S\n]*\n)"
)


@dataclass(frozen=True)
class _Block:
    """The n-grams of one block of a text, n occurrences of m different buckets.

    start, length: int64 (n,), in tokens or in characters of the canonical form; bucket: int64 (n,), which of the m;
    example: int64 (m,), an occurrence; count: int64 (m,); contribution: float64 (m,).
    """

    start: Int64Array
    length: Int64Array
    bucket: Int64Array
    example: Int64Array
    count: Int64Array
    contribution: Float64Array

    def spread(self, n_units: int) -> Float64Array:
        """Share the contributions out over tokens or characters, float64 (n_units,)."""
        share = (self.contribution / self.count)[self.bucket] / self.length
        out = np.zeros(n_units)
        for k in range(int(self.length.max(initial=0))):
            reaching = self.length > k
            out += np.bincount(self.start[reaching] + k, share[reaching], minlength=n_units)
        return out


def explain(
    predictor: Predictor,
    text: str,
    *,
    fpr: float,
    profile: Profile | None = None,
    with_windows: bool = False,
) -> Explanation:
    """Return what each part of a text contributes to its score.

    Args:
        predictor: an ensemble model, of any classes.
        text: any text, an empty one too.
        fpr: promised false-positive rate behind the verdict.
        profile: whom the promise is for; the model's general profile if None.
        with_windows: score stretches of the text by themselves as well, see `windows`.

    Raises:
        UsageError: the model is no linear one of n-grams.
    """
    text = text.encode("utf-8", "replace").decode()  # as PackedTexts: lone surrogates become ?
    scorer = _linear(predictor)
    packed = PackedTexts.pack([text])
    if profile is None and predictor.detection:
        profile = predictor.profile()
    found = predictor.predict(packed, profile)
    prediction = int(found.probability[0].argmax())
    output, target = (0, 1) if len(predictor.classes) == 2 else (prediction, prediction)
    verdict, reason = (
        [words[0] for words in predictor.verdicts(found, fpr)] if predictor.detection else ("", "")
    )
    reading = read(text, lowercase=scorer.spec.lowercase)
    contributions, ngrams = _contributions(scorer, text, reading, output)
    starts, ends = reading.places()
    tokens = map(Token, starts.tolist(), ends.tolist(), contributions.tolist())
    return Explanation(
        text=text,
        target=predictor.classes[target],
        rival=predictor.classes[0] if len(predictor.classes) == 2 else "all others",
        prediction=predictor.classes[prediction],
        score=float(found.scores[0, output]),
        probability=float(found.probability[0, target]),
        verdict=verdict,
        reason=reason,
        p_value=float(found.p_value[0]) if predictor.detection else None,
        fpr=fpr,
        threshold=_threshold(profile, int(found.words[0]), fpr) if profile else None,
        population=profile.population if profile else "",
        n_human=profile.n_texts if profile else 0,
        words=int(found.words[0]),
        obfuscation=int(found.obfuscation[0]),
        undone=undone_counts(text),
        intercept=float(scorer.intercept[output]),
        tokens=tuple(tokens),
        sentences=_sentences(text, starts, ends, contributions),
        ngrams_for=_top([ngram for ngram in ngrams if ngram.contribution > 0]),
        ngrams_against=_top([ngram for ngram in ngrams if ngram.contribution < 0]),
        windows=windows(predictor, text, profile=profile) if with_windows else (),
    )


def windows(
    predictor: Predictor,
    text: str,
    *,
    profile: Profile | None = None,
    size_words: int = 150,
    step_words: int = 75,
) -> tuple[Window, ...]:
    """Score overlapping stretches of a text by themselves, so that a half-generated text shows where.

    Args:
        predictor: any model.
        profile: behind the p-values; the general one if None.
        text: any text; one without words has no windows.
        size_words: words in each window, the last one too; a shorter text is one window.
        step_words: words from the start of one window to the next.

    Raises:
        UsageError: a size under 1, or a step that would leave words out.
    """
    if not 1 <= step_words <= size_words:
        raise UsageError(
            f"Windows of {size_words} words every {step_words} do not cover a text: "
            "give a step from 1 to the size of a window."
        )
    text = text.encode("utf-8", "replace").decode()
    reading = read(text, lowercase=False)
    points = code_points(reading.canonical)[reading.first]
    is_word = np.array([point >= 128 or chr(point).isalnum() for point in points.tolist()], bool)
    if not is_word.any():
        return ()
    # From word to word, so that every character is in a window.
    edges = np.array([0, *reading.places()[0][is_word][1:].tolist(), len(text)])
    last = max(len(edges) - 1 - size_words, 0)
    begins = np.append(np.arange(0, last, step_words), last)
    ends = np.minimum(begins + size_words, len(edges) - 1)
    spans = list(zip(edges[begins].tolist(), edges[ends].tolist(), strict=True))
    pieces = PackedTexts.pack([text, *(text[start:end] for start, end in spans)])
    found = predictor.predict(pieces, profile)
    target = 1 if len(predictor.classes) == 2 else int(found.probability[0].argmax())
    probability = found.probability[1:, target].tolist()
    p_value = found.p_value[1:].tolist() if predictor.detection else [None] * len(spans)
    return tuple(
        Window(*span, *values) for span, *values in zip(spans, probability, p_value, strict=True)
    )


def flagged_windows(
    predictor: Predictor, texts: PackedTexts, profile: Profile, fpr: float
) -> npt.NDArray[np.float64]:
    """Return the share of each text's windows that are called llm by themselves, float64 (n,); 0 without words."""
    shares = np.zeros(len(texts))
    for row in range(len(texts)):
        p_values = [w.p_value for w in windows(predictor, texts[row], profile=profile)]
        if p_values:
            shares[row] = is_within(np.array(p_values, np.float64), fpr).mean()
    return shares


def _linear(predictor: Predictor) -> LinearScorer:
    if isinstance(predictor.scorer, LinearScorer):
        return predictor.scorer
    raise UsageError(
        "This model judges the style of a whole text and has no words to mark: "
        "explain takes a model trained with --model=ensemble."
    )


def _threshold(profile: Profile, words: int, fpr: float) -> float | None:
    """Return the probability from which a text of this length is called llm, None if no score gets there."""
    score = profile.curve(words).threshold(fpr)
    return None if score is None else float(1.0 / (1.0 + np.exp(-score)))


def _contributions(
    scorer: LinearScorer, text: str, reading: Reading, output: int
) -> tuple[Float64Array, list[Ngram]]:
    """Return the contribution of each token, float64 (n_tokens,), and the n-grams that matter most, of either sign."""
    spec = scorer.spec
    contributions = np.zeros(len(reading.first))
    ngrams: list[Ngram] = []
    starts, ends = reading.places()
    if spec.blocks[0]:
        n_tokens = len(reading.first)
        start, length = _occurrences(n_tokens, spec.word_ngrams)
        buckets = word_buckets(token_hashes(reading.canonical), spec)
        words = _block(scorer, start, length, buckets, output)
        contributions += words.spread(n_tokens)
        ngrams += _extremes(words, lambda i, j: " ".join(text[starts[i] : ends[j - 1]].split()))
    if spec.blocks[1]:
        n_chars = len(reading.canonical)
        start, length = _occurrences(n_chars, spec.char_ngrams)
        buckets = char_buckets(reading.canonical, spec)
        chars = _block(scorer, start, length, buckets + (1 << spec.n_bits), output)
        token = np.cumsum(code_points(reading.canonical) == ord(" "))
        contributions += np.bincount(token, chars.spread(n_chars), minlength=len(contributions))
        ngrams += _extremes(chars, lambda i, j: reading.canonical[i:j].replace(" ", "\u2423"))
    return contributions, ngrams


def _occurrences(n_units: int, sizes: tuple[int, int]) -> tuple[Int64Array, Int64Array]:
    """Return start and length of every n-gram, in the order of their buckets."""
    smallest, largest = sizes
    here = np.arange(n_units)
    fitting = np.maximum(np.minimum(largest, n_units - here) - smallest + 1, 0)
    start = np.repeat(here, fitting)
    length = smallest + np.arange(len(start)) - np.repeat(np.cumsum(fitting) - fitting, fitting)
    return start, length


def _block(
    scorer: LinearScorer,
    start: Int64Array,
    length: Int64Array,
    buckets: npt.NDArray[np.int32],
    output: int,
) -> _Block:
    """Weigh the n-grams of one block as `kernels.score` does."""
    found, example, bucket, count = np.unique(
        buckets, return_index=True, return_inverse=True, return_counts=True
    )
    weights = scorer.weights_of(found).astype(np.float64)
    values = (1.0 + np.log(count)) * weights[:, 0]
    norm = np.sqrt(np.sum(values * values)) or 1.0
    return _Block(start, length, bucket, example, count, values * weights[:, 1 + output] / norm)


def _extremes(block: _Block, show: Callable[[int, int], str]) -> list[Ngram]:
    """Return the n-grams of either sign that matter most; `show` gives the text between two units."""
    order = np.argsort(block.contribution, kind="stable")
    chosen = {*order[:_N_NGRAMS].tolist(), *order[-_N_NGRAMS:].tolist()}
    ngrams = []
    for i in sorted(chosen):
        start = int(block.start[block.example[i]])
        end = start + int(block.length[block.example[i]])
        words = show(start, end)
        if len(words) > _LONGEST:  # one endless word, say
            words = words[: _LONGEST - 1] + "\u2026"
        ngrams.append(Ngram(words, float(block.contribution[i]), int(block.count[i])))
    return ngrams


def _top(ngrams: list[Ngram]) -> tuple[Ngram, ...]:
    return tuple(sorted(ngrams, key=lambda ngram: -abs(ngram.contribution))[:_N_NGRAMS])


def _sentences(
    text: str, starts: Int64Array, ends: Int64Array, contributions: Float64Array
) -> tuple[Sentence, ...]:
    """Cut the text into sentences, spaces at their ends left out, and add up the tokens in each."""
    edges = [0, *(end.end() for end in _SENTENCE_END.finditer(text)), len(text)]
    bounds = np.searchsorted(starts, edges).tolist()
    totals = np.concatenate(([0.0], np.cumsum(contributions)))
    found = []
    for (start, end), (first, last) in zip(pairwise(edges), pairwise(bounds), strict=True):
        if first < last:  # something that is read
            piece = text[start:end].rstrip()
            indent = len(piece) - len(piece.lstrip())
            total = float(totals[last] - totals[first])
            # U+0085 is a space to Python, and is read as the ellipsis it stands for in cp1252.
            begin = min(start + indent, int(starts[first]))
            found.append((begin, max(start + len(piece), int(ends[last - 1])), total))
    whole = sum(abs(contribution) for *_, contribution in found) or 1.0
    return tuple(Sentence(*sentence, abs(sentence[2]) / whole) for sentence in found)
