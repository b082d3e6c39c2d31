"""What `explain` found in one text: a frozen value that prints as text and turns into JSON.

Contributions are log-odds: +0.7 doubles the odds of the class they speak for, -0.7 halves them. They add up exactly,
`sum(token.contribution) + intercept == score`. Positions are characters (code points) of the text that was given.
"""

import os
import sys
from dataclasses import dataclass, field, fields
from typing import Any

from ai_detect.calibration import HUMAN, LLM, UNSURE
from ai_detect.text import Undone
from ai_detect.visible import Visible

# From these shares of the largest contribution on, a sentence is marked weakly or strongly.
_WEAK, _STRONG = 0.15, 0.5

_HEADLINES = {
    LLM: "Reads like the work of a language model",
    HUMAN: "Reads like the work of a person",
    UNSURE: "No verdict",
}
_COLOURS = {-2: "48;5;75", -1: "48;5;153", 1: "48;5;223", 2: "48;5;214"}  # under black letters
_UNDONE = {
    Undone.TYPOGRAPHY: "typographic quotes, dashes, accents and ligatures",
    Undone.MARKDOWN: "markdown marks",
    Undone.INVISIBLE: "invisible characters",
    Undone.LOOKALIKE: "letters that only look like Latin ones",
    Undone.ODD_SPACE: "unusual spaces",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its part of the score. Tokens that one character stands for, as in an ellipsis, share its place."""

    start: int
    end: int
    contribution: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the sum of its tokens, and the share of all sentences' absolute contributions."""

    start: int
    end: int
    contribution: float
    share: float


@dataclass(frozen=True, slots=True)
class Ngram:
    """An n-gram as the text has it, the contribution of all its occurrences, and their number."""

    text: str
    contribution: float
    count: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the text scored as if it were all of it. p_value: None unless the model is a detector."""

    start: int
    end: int
    probability: float
    p_value: float | None


@dataclass(frozen=True)
class Explanation:
    """Why the model says what it says about a text.

    target: the class that positive contributions speak for: llm, the second of two classes, or else the predicted one;
    rival: the other one of two classes, else "all others"; prediction: the most probable class; score: log-odds of the
    target, `intercept` with no word read; probability: of the target; threshold: probability from which the verdict is
    llm at the promised false-positive rate `fpr`, None if that cannot be promised; population, n_human: whom that
    promise is for, and the texts behind it;
    verdict, reason, p_value: of detectors only, else "" and None; words, obfuscation: as in predictions; undone:
    characters normalised, by kind (see `text.Undone`); windows: () unless asked for.
    """

    text: str = field(repr=False)
    target: str
    rival: str
    prediction: str
    score: float
    probability: float
    verdict: str
    reason: str
    p_value: float | None
    fpr: float
    threshold: float | None
    population: str
    n_human: int
    words: int
    obfuscation: int
    undone: dict[str, int]
    intercept: float
    tokens: tuple[Token, ...] = field(repr=False)
    sentences: tuple[Sentence, ...] = field(repr=False)
    ngrams_for: tuple[Ngram, ...] = field(repr=False)
    ngrams_against: tuple[Ngram, ...] = field(repr=False)
    windows: tuple[Window, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the text: places are character offsets into it."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "text"}
        for name in ("tokens", "sentences", "ngrams_for", "ngrams_against", "windows"):
            values[name] = [_plain(part) for part in values[name]]
        return values | {"undone": dict(self.undone)}

    def levels(self) -> list[int]:
        """Return how each sentence is marked: 2 or 1 strongly or weakly for the target, -1 or -2 against it, 0 not."""
        largest = max((abs(sentence.contribution) for sentence in self.sentences), default=0.0)
        return [_level(sentence.contribution, largest) for sentence in self.sentences]

    @property
    def headline(self) -> str:
        """The verdict in words, or the most probable class."""
        if not self.verdict:
            return f"Most probable class: {self.prediction}"
        why = f": {self.reason}" if self.reason else ""
        return _HEADLINES[self.verdict] + why

    @property
    def promise(self) -> str:
        """What the verdict promises, in words; "" where there are no verdicts."""
        if not self.verdict:
            return ""
        if self.threshold is None:
            return (
                f"With {self.n_human} human texts to measure by, a false-accusation rate of {self.fpr:.4g} cannot be "
                f"promised, so no text is called {LLM}."
            )
        return (
            f"The promise is for {self.population}: of 1000 of them, at most {1000 * self.fpr:.4g} are expected to be "
            f"called {LLM}."
        )

    @property
    def rarity(self) -> str:
        """The p-value in words; "" where there is none."""
        if self.p_value is None:
            return ""
        number = f"about {1000 * self.p_value:.0f}" if self.p_value >= 0.001 else "fewer than 1"
        return (
            f"p-value {self.p_value:.4g}: of 1000 human texts like those the model was measured on, {number} "
            "would score at least as high as this one."
        )

    @property
    def normalised(self) -> list[str]:
        """What was normalised before reading, in words, one line a kind."""
        return [
            f"{_UNDONE[Undone[kind.upper()]]} ({count})"
            for kind, count in self.undone.items()
            if count
        ]

    def __str__(self) -> str:
        colour = (
            sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )
        return self.as_text(colour=colour)

    def as_text(self, *, colour: bool) -> str:
        """Return the explanation for a terminal, sentences marked by background colour or by their contribution."""
        visible = Visible()
        verdict = (self.verdict or self.prediction) + (f": {self.reason}" if self.reason else "")
        lines = [
            verdict.translate(visible),
            f"probability of {self.target} {self.probability:.4f}, {self.words} words".translate(
                visible
            ),
            self.rarity,
            self.promise,
            f"log-odds {self.score:+.2f} = {self.intercept:+.2f} before the first word "
            f"and {self.score - self.intercept:+.2f} from the words",
            f"normalised before reading: {', '.join(self.normalised)}" if self.normalised else "",
        ]
        parts = ["\n".join(filter(None, lines))]
        if self.sentences:
            parts.append(self._marked_text(visible, colour=colour))
        for side, ngrams in (
            (self.target, self.ngrams_for),
            (self.rival, self.ngrams_against),
        ):
            rows = [f"  {n.contribution:+.3f}  {n.text} ({n.count} x)" for n in ngrams]
            if rows:
                parts.append("\n".join([f"speaks for {side}:", *rows]).translate(visible))
        if self.windows:
            parts.append("\n".join(["stretches of the text by themselves:", *self._window_rows()]))
        return "\n\n".join(parts)

    def _marked_text(self, visible: "Visible", *, colour: bool) -> str:
        out, at = [], 0
        for sentence, level in zip(self.sentences, self.levels(), strict=True):
            out.append(self.text[at : sentence.start].translate(visible))
            words = self.text[sentence.start : sentence.end].translate(visible)
            if not colour:
                words = f"[{sentence.contribution:+.1f}] {words}"
            elif level:
                words = f"\x1b[38;5;16;{_COLOURS[level]}m{words}\x1b[0m"
            out.append(words)
            at = sentence.end
        return "".join(out).strip("\n")

    def _window_rows(self) -> list[str]:
        return [
            f"  characters {window.start} to {window.end}: probability {window.probability:.4f}"
            + ("" if window.p_value is None else f", p-value {window.p_value:.4g}")
            for window in self.windows
        ]


@dataclass(frozen=True)
class ExplainedRow:
    """One row of a dataset: what was found in short, and in full either in a file or here; neither for a bad row."""

    id: str
    headline: str
    file: str = ""
    explanation: Explanation | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        in_full = self.explanation.to_dict() if self.explanation else None
        return {
            "id": self.id,
            "headline": self.headline,
            "file": self.file,
            "explanation": in_full,
        }

    def __str__(self) -> str:
        title = f"{self.id}: {self.headline}".translate(Visible())
        if self.explanation:
            return f"=== {title}\n{self.explanation}\n"
        return f"{title} -> {self.file}" if self.file else title


@dataclass(frozen=True)
class ExplainReport:
    """The explanations of the rows of a dataset."""

    rows: tuple[ExplainedRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"rows": [row.to_dict() for row in self.rows]}

    def __str__(self) -> str:
        return "\n".join(map(str, self.rows))


def _plain(part: Token | Sentence | Ngram | Window) -> dict[str, Any]:
    """Return a part as a dictionary; `dataclasses.asdict` copies each value deeply, ten times as slow."""
    return {name: getattr(part, name) for name in part.__slots__}


def _level(contribution: float, largest: float) -> int:
    size = (abs(contribution) >= _WEAK * largest) + (abs(contribution) >= _STRONG * largest)
    return 0 if largest == 0.0 else size if contribution > 0 else -size
