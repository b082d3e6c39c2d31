"""Rules and heuristics: a handful of readable features of style, and a linear classifier on them.

The baseline that every other model has to beat, and one whose verdict a person can follow. Each
feature is a rate, a mean or a spread, so that the length of a text says nothing; whitespace is not
looked at, because in many corpora it gives the class away by accident. Scikit-learn is imported to
fit, never to predict.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect.text import PackedTexts

Floats = npt.NDArray[np.float64]
Texts = PackedTexts | Sequence[str]

# Repetition is counted in pieces of this many words, since it grows with the length of a text.
WINDOW = 50
LONG_WORD = 8  # letters

# Which kind of quote or dash a text holds says more about the editor than about the writer.
_PLAIN_MARKS = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_MARK = re.compile(r"(?<!\d)[.,;:!?()\"-]|[.,;:!?()\"-](?!\d)")  # not those within 7:30 or 1,000
# One mark and at most two closing ones: `[.!?]+` would be quadratic on a text of nothing but dots.
_SENTENCE_END = re.compile(r"[.!?][\"')\]]{0,2}(?:\s|$)")
_CONNECTIVE = re.compile(
    r"\b(?:accordingly|additionally|conversely|consequently|finally|first|firstly|furthermore|hence"
    r"|however|importantly|likewise|meanwhile|moreover|nevertheless|nonetheless|notably|overall"
    r"|secondly|similarly|specifically|therefore|thus|ultimately|as a result|at the same time"
    r"|for (?:example|instance|this reason)|on the (?:one|other) hand"
    r"|in (?:addition|conclusion|contrast|other words|particular|summary|turn))\b"
)
_CONTRACTION = re.compile(r"\w+'(?:t|s|m|re|ve|ll|d)")
_FIRST_PERSON = frozenset(
    {"i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves"}
)
_MISSPELT = frozenset(
    {"alot", "arent", "beacuse", "becuase", "beleive", "cant", "couldnt", "definately", "didnt",
     "diffrent", "doesnt", "dont", "enviroment", "everytime", "freind", "freinds", "goverment",
     "havent", "im", "isnt", "ive", "peolpe", "poeple", "probly", "realy", "reccomend", "recieve",
     "seperate", "shouldnt", "somthing", "teh", "thats", "theres", "thier", "tommorow", "truely",
     "untill", "wasnt", "wich", "wierd", "wont", "wouldnt", "writting", "youre"}
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One text as the features see it."""

    sentences: list[list[str]]  # words in their own spelling; sentences without a word are left out
    words: list[str]  # all of them, lower case
    marks: Counter[str]

    @classmethod
    def of(cls, text: str) -> "Reading":
        """Split a text into sentences, words and punctuation marks."""
        text = text.translate(_PLAIN_MARKS)
        pieces = (_WORD.findall(piece) for piece in _SENTENCE_END.split(text))
        sentences = [words for words in pieces if words]
        words = [word.lower() for sentence in sentences for word in sentence]
        return cls(sentences, words, Counter(_MARK.findall(text)))

    def per_word(self, count: int) -> float:
        """Return a count as a rate per word."""
        return count / max(len(self.words), 1)

    def per_sentence(self, count: int) -> float:
        """Return a count as a rate per sentence."""
        return count / max(len(self.sentences), 1)


def sentence_length(reading: Reading) -> float:
    """Words in a sentence, on average."""
    return reading.per_sentence(len(reading.words))


def sentence_spread(reading: Reading) -> float:
    """Standard deviation of the sentence length, as a share of its mean: even prose is near 0."""
    if not reading.sentences:
        return 0.0
    lengths = [len(sentence) for sentence in reading.sentences]
    return float(np.std(lengths) / np.mean(lengths))


def commas(reading: Reading) -> float:
    """Commas per word."""
    return reading.per_word(reading.marks[","])


def semicolons_and_colons(reading: Reading) -> float:
    """Semicolons and colons per word."""
    return reading.per_word(reading.marks[";"] + reading.marks[":"])


def questions_and_exclamations(reading: Reading) -> float:
    """Question and exclamation marks per sentence."""
    return reading.per_sentence(reading.marks["?"] + reading.marks["!"])


def punctuation_variety(reading: Reading) -> float:
    """Entropy, in bits, of which mark comes next: 0 where there is only one kind."""
    shares = np.array(list(reading.marks.values())) / max(reading.marks.total(), 1)
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # not -0.0


def connectives(reading: Reading) -> float:
    """Discourse connectives (however, for example ...) per word."""
    return reading.per_word(len(_CONNECTIVE.findall(" ".join(reading.words))))


def contractions(reading: Reading) -> float:
    """Contractions (don't, it's), possessives among them, per word."""
    return reading.per_word(sum(_CONTRACTION.fullmatch(word) is not None for word in reading.words))


def distinct_words(reading: Reading) -> float:
    """Distinct words as a share of all, in windows of 50 words."""
    return _distinct_share(reading.words)


def distinct_pairs(reading: Reading) -> float:
    """Distinct pairs of neighbouring words as a share of all, in windows of 50."""
    return _distinct_share(list(zip(reading.words, reading.words[1:], strict=False)))


def word_length(reading: Reading) -> float:
    """Letters in a word, apostrophes among them, on average."""
    return reading.per_word(sum(map(len, reading.words)))


def long_words(reading: Reading) -> float:
    """Share of words of eight letters or more, apostrophes among them."""
    return reading.per_word(sum(len(word) >= LONG_WORD for word in reading.words))


def first_person(reading: Reading) -> float:
    """Share of words that are I, we, my, our ... (I'm and the like among them)."""
    return reading.per_word(sum(_base(word) in _FIRST_PERSON for word in reading.words))


def missing_capitals(reading: Reading) -> float:
    """Sentences that open in lower case, and each i in lower case, per sentence."""
    opened = sum(sentence[0][0].islower() for sentence in reading.sentences)
    lone = sum(_base(word) == "i" for sentence in reading.sentences for word in sentence[1:])
    return reading.per_sentence(opened + lone)


def misspellings(reading: Reading) -> float:
    """Common slips of spelling (becuase, dont) per word."""
    return reading.per_word(sum(word in _MISSPELT for word in reading.words))


FEATURES: tuple[tuple[str, Callable[[Reading], float]], ...] = (
    ("words per sentence", sentence_length),
    ("spread of sentence length", sentence_spread),
    ("commas per word", commas),
    ("semicolons and colons per word", semicolons_and_colons),
    ("question and exclamation marks per sentence", questions_and_exclamations),
    ("variety of punctuation", punctuation_variety),
    ("connectives per word", connectives),
    ("contractions per word", contractions),
    ("distinct words", distinct_words),
    ("distinct word pairs", distinct_pairs),
    ("letters per word", word_length),
    ("long words", long_words),
    ("first-person words", first_person),
    ("missing capitals per sentence", missing_capitals),
    ("misspellings per word", misspellings),
)


class HeuristicFeatures:
    """The feature table applied to texts; nothing is learnt."""

    names: tuple[str, ...] = tuple(name for name, _ in FEATURES)

    def transform(self, texts: Texts) -> Floats:
        """Measure each text.

        Args:
            texts: n texts.

        Returns:
            float64 (n, len(names)); a text without words gives zeros.
        """
        rows = np.zeros((len(texts), len(FEATURES)))
        for row in range(len(texts)):
            reading = Reading.of(texts[row])
            if reading.words:
                rows[row] = [measure(reading) for _, measure in FEATURES]
        return rows


class HeuristicClassifier:
    """Logistic regression on standardised style features, with scikit-learn's interface.

    `fit` sets `classes_` (K labels, sorted), `mean_` and `scale_` (float64, one per feature),
    `coef_` (float64, one row for two classes, else K rows) and `intercept_` (one per row). The
    features are standardised, so the entries of `coef_` can be compared with each other.
    """

    def __init__(self, *, C: float = 1.0) -> None:
        self.C = C

    def fit(self, X: Texts, y: npt.ArrayLike) -> Self:
        """Learn the weight of each feature.

        Args:
            X: n texts.
            y: n labels of any sortable kind, of at least two classes.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        features = HeuristicFeatures().transform(X)
        scaler = StandardScaler().fit(features)
        model = LogisticRegression(C=self.C, max_iter=1000)
        model.fit(scaler.transform(features), np.asarray(y))
        self.classes_: npt.NDArray[Any] = model.classes_
        self.mean_: Floats = scaler.mean_
        self.scale_: Floats = scaler.scale_
        self.coef_: Floats = model.coef_
        self.intercept_: Floats = model.intercept_
        return self

    def decision_function(self, X: Texts) -> Floats:
        """Return the log odds of the second of two classes (n,), else a score per class (n, K)."""
        standardised = (HeuristicFeatures().transform(X) - self.mean_) / self.scale_
        scores: Floats = standardised @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Texts) -> Floats:
        """Return the probability of each class, float64 (n, K), rows summing to 1."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.column_stack((np.zeros_like(scores), scores))
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities: Floats = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Texts) -> npt.NDArray[Any]:
        """Return the most probable class of each text."""
        predicted: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return predicted

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what was learnt as float64 arrays for an .npz file, the classes left out."""
        return {
            "mean": self.mean_,
            "scale": self.scale_,
            "coef": self.coef_,
            "intercept": self.intercept_,
        }

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, npt.NDArray[Any]], classes: Sequence[Any] | npt.NDArray[Any]
    ) -> Self:
        """Return the fitted classifier behind `to_arrays`, its classes in the same order."""
        model = cls()
        model.classes_ = np.asarray(classes)
        model.mean_, model.scale_ = arrays["mean"], arrays["scale"]
        model.coef_, model.intercept_ = arrays["coef"], arrays["intercept"]
        return model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, as scikit-learn's `clone` and grid search ask for them."""
        return {"C": self.C}

    def set_params(self, **params: Any) -> Self:
        """Change settings by name."""
        for name, value in params.items():
            if name not in self.get_params():
                raise ValueError(f"HeuristicClassifier has no setting {name!r}, only C.")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn, which alone asks, that this is a classifier of texts."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, string=True),
        )


def _distinct_share(items: Sequence[Any]) -> float:
    """Share of distinct items, averaged over the full windows; a short text is one window."""
    last = max(len(items) - WINDOW, 0)
    shares = [
        len(set(window)) / len(window)
        for start in range(0, last + 1, WINDOW)
        if (window := items[start : start + WINDOW])
    ]
    return float(np.mean(shares)) if shares else 0.0


def _base(word: str) -> str:
    """Return `i` for `i'm` and `we` for `we'll`."""
    return word.partition("'")[0]
