"""What a comparison with the training texts found: a level for each feature, and in words what moved where."""

from dataclasses import dataclass
from typing import Any

NONE, MODERATE, MAJOR = "none", "moderate", "major"
LEVELS = (NONE, MODERATE, MAJOR)


@dataclass(frozen=True)
class Words:
    """How to speak of a feature: its title, what more and less of it mean, and how amounts are said and drawn."""

    title: str
    more: str
    less: str
    amount: str
    tick: str


WORDS = {
    "score": Words(
        "score",
        "higher scores, as LLM texts have",
        "lower scores, as human texts have",
        "a score over {:.2f}",
        "{:.1f}",
    ),
    "length": Words(
        "length in words", "longer texts", "shorter texts", "over {:.0f} words", "{:.0f}"
    ),
    "unknown": Words(
        "share of unknown n-grams",
        "more wording that is not in the training texts",
        "more wording that is in the training texts",
        "over {:.1%} unknown n-grams",
        "{:.0%}",
    ),
    "obfuscation": Words(
        "hidden characters a word",
        "more hidden or look-alike characters",
        "fewer hidden or look-alike characters",
        "over {:g} hidden characters a word",
        "{:g}",
    ),
    "language": Words(
        "share of English words of grammar",
        "more words of English grammar",
        "fewer words of English grammar",
        "over {:.1%} words of English grammar",
        "{:.0%}",
    ),
}
PLAIN_SCORE = Words("score", "higher scores", "lower scores", "a score over {:.2f}", "{:.1f}")


@dataclass(frozen=True)
class FeatureDrift:
    """What became of one feature.

    psi: population stability index, without what chance adds; p_value: corrected for the number of tests; level: none,
    moderate or major; edge: number of the inner edge where the change is clearest; edges: inner edges of the bins;
    reference, observed: shares of texts by bin.
    """

    name: str
    words: Words
    psi: float
    p_value: float
    level: str
    edge: int
    edges: tuple[float, ...]
    reference: tuple[float, ...]
    observed: tuple[float, ...]

    @property
    def direction(self) -> str:
        """What moved, in a few words; empty if nothing did."""
        if self.level == NONE:
            return ""
        is_more = _beyond(self.observed, self.edge) > _beyond(self.reference, self.edge)
        return self.words.more if is_more else self.words.less

    @property
    def evidence(self) -> str:
        """The share of texts beyond the edge where the change is clearest, now and in the reference."""
        amount = self.words.amount.format(self.edges[self.edge])
        now, before = _beyond(self.observed, self.edge), _beyond(self.reference, self.edge)
        return f"{100 * now:.1f} % of texts have {amount}, of the reference {100 * before:.1f} %"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "title": self.words.title,
            "psi": self.psi,
            "p_value": self.p_value,
            "level": self.level,
            "direction": self.direction,
            "evidence": self.evidence,
            "reference": list(self.reference),
            "observed": list(self.observed),
            "edges": list(self.edges),
        }


@dataclass(frozen=True)
class DriftReport:
    """The outcome of a comparison.

    n: texts compared; min_n: texts that it takes; n_reference, reference: with how many and what texts; page: file that
    shows it, if any.
    """

    n: int
    min_n: int
    n_reference: int
    reference: str
    features: tuple[FeatureDrift, ...]
    page: str = ""

    @property
    def level(self) -> str:
        """The highest level of a feature."""
        return max((feature.level for feature in self.features), key=LEVELS.index)

    @property
    def summary(self) -> str:
        """One sentence: whether anything moved, and what."""
        if self.n < self.min_n:
            return f"Too few texts to tell: {self.n}, and it takes {self.min_n}."
        moved = [feature.direction for feature in self.features if feature.direction]
        if not moved:
            return f"No drift: the {self.n} texts are like the {self.reference}."
        return f"{self.level.capitalize()} drift from the {self.reference}: {'; '.join(moved)}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "level": self.level,
            "summary": self.summary,
            "n": self.n,
            "n_reference": self.n_reference,
            "reference": self.reference,
            "features": [feature.to_dict() for feature in self.features],
        }

    def __str__(self) -> str:
        lines = [self.summary, ""]
        width = max(len(feature.words.title) for feature in self.features)
        lines.append(f"{'feature':<{width}}  {'level':<8}  {'PSI':>6}  {'p-value':>8}")
        for f in self.features:
            lines.append(f"{f.words.title:<{width}}  {f.level:<8}  {f.psi:6.3f}  {f.p_value:8.2g}")
        moved = [f for f in self.features if f.level != NONE]
        lines += ["", *(f"{f.direction}: {f.evidence}" for f in moved)] if moved else []
        lines += ["", f"report in {self.page}"] if self.page else []
        return "\n".join(lines)


def _beyond(shares: tuple[float, ...], edge: int) -> float:
    return sum(shares[edge + 1 :])
