"""Profiles: p-values for a named population of human writers, and the promise that goes with them.

A p-value is the share of human calibration texts, none of which the scoring model had been trained on, that score at
least as high, the text itself counted in: split-conformal prediction (Vovk, Gammerman & Shafer 2005, ch. 2).
Whatever the model, a human text drawn from the same population gets p <= fpr with a chance of at most fpr.

One population's promise does not hold for another one. So a profile takes, for each band of text lengths, the worst
p-value over all the populations it is for: then the promise holds for each of them, not for their average.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import is_within
from ai_detect.errors import UsageError

Float64Array = npt.NDArray[np.float64]

GENERAL = "general"

_STEPS_PER_FACTOR_10 = 100  # a thinned curve overstates a p-value by at most 2.3 %


@dataclass(frozen=True)
class Curve:
    """p-value as a falling step function of the score.

    breaks: float64 (m,), ascending scores; p: float64 (m + 1,), the p-value up to and including each, and beyond.
    """

    breaks: Float64Array
    p: Float64Array

    @classmethod
    def of(cls, human_scores: Float64Array) -> Self:
        """Return (1 + number of these scores at least as high) / (1 + number of these scores), for any score."""
        breaks, counts = np.unique(human_scores, return_counts=True)
        at_least = np.append(np.cumsum(counts[::-1])[::-1], 0)
        return cls(breaks.astype(np.float64), (1.0 + at_least) / (1.0 + len(human_scores)))

    @classmethod
    def worst(cls, curves: Sequence["Curve"]) -> Self:
        """Return the largest of several curves at every score."""
        breaks = np.unique(np.concatenate([curve.breaks for curve in curves]))
        at_breaks = np.max([curve(breaks) for curve in curves], axis=0)
        return cls(breaks, np.append(at_breaks, max(curve.floor for curve in curves)))

    def __call__(self, scores: Float64Array) -> Float64Array:
        """Return the p-value of each score."""
        found: Float64Array = self.p[np.searchsorted(self.breaks, scores, side="left")]
        return found

    @property
    def floor(self) -> float:
        """The smallest p-value there is: no lower rate can be promised."""
        return float(self.p[-1])

    def thinned(self) -> "Curve":
        """Return a curve of at most some hundred steps that is nowhere below this one."""
        level = np.ceil(np.log10(self.p / self.floor) * _STEPS_PER_FACTOR_10 - 1e-9)
        # The p-value of a step is that of its lowest score, so that thinning never makes one smaller.
        is_first = np.append(True, level[1:] != level[:-1])
        kept = np.flatnonzero(is_first)
        ends = np.append(kept[1:] - 1, len(self.p) - 1)
        return Curve(self.breaks[ends[:-1]], self.p[kept])

    def threshold(self, fpr: float) -> float | None:
        """Return the score from which p <= fpr, None if no score gets there."""
        reached = np.flatnonzero(is_within(self.p, fpr))
        if not len(reached):
            return None
        return float(np.nextafter(self.breaks[reached[0] - 1], np.inf)) if reached[0] else -np.inf


@dataclass(frozen=True)
class Profile:
    """The p-values of one population, or of the worst of several, by length of text.

    name: as `--profile` takes it; population: in words, whom the promise is for; min_words: words from which each band
    begins, ascending; curves: one a band; n_texts: calibration texts behind them.
    """

    name: str
    population: str
    min_words: tuple[int, ...]
    curves: tuple[Curve, ...]
    n_texts: int

    def p_values(self, scores: Float64Array, words: npt.NDArray[Any]) -> Float64Array:
        """Return the p-value of each text by its score and its number of words."""
        band = np.searchsorted(self.min_words, words, side="right") - 1
        found = np.ones(len(scores))
        for i, curve in enumerate(self.curves):
            rows = np.maximum(band, 0) == i
            found[rows] = curve(scores[rows])
        return found

    def curve(self, words: int) -> Curve:
        """Return the curve for texts of that length."""
        return self.curves[max(0, int(np.searchsorted(self.min_words, words, side="right")) - 1)]

    @property
    def floor(self) -> float:
        """The smallest rate that can be promised in every band."""
        return max(curve.floor for curve in self.curves)

    def check_rate(self, fpr: float) -> None:
        """Refuse a false-positive rate that this profile cannot promise.

        Raises:
            UsageError: fpr is not between 0 and 1, or below the smallest p-value there is.
        """
        if not 0.0 < fpr < 1.0:
            raise UsageError(
                f"--fpr={fpr} is not a rate: give a number between 0 and 1, such as 0.01."
            )
        if not is_within(np.array(self.floor), fpr):
            raise UsageError(
                f"--fpr={fpr} cannot be promised by the profile {self.name}: it rests on {self.n_texts} human texts, "
                f"and the smallest rate they support is {self.floor:.4g}. Give a higher rate or more human texts."
            )


def build(
    name: str,
    population: str,
    scores: Float64Array,
    words: npt.NDArray[Any],
    groups: npt.NDArray[Any],
    *,
    bands: Iterable[int],
    min_texts: int,
) -> Profile:
    """Build the profile of the worst of several populations.

    Args:
        name: of the profile.
        population: in words, whom it is for.
        scores: float64 (n,), scores of human texts by models that had not been trained on their population.
        words: (n,), their lengths.
        groups: (n,), the population of each.
        bands: words from which each length band begins, ascending.
        min_texts: populations with fewer texts in a band are taken together there; if they still are fewer, and are
            not all there is, they are left out of that band.
    """
    starts = tuple(bands)
    stops = (*starts[1:], np.inf)
    curves = []
    for start, stop in zip(starts, stops, strict=True):
        in_band = (words >= start) & (words < stop)
        curves.append(_band_curve(scores[in_band], groups[in_band], min_texts))
    kept = [
        (start, curve) for start, curve in zip(starts, curves, strict=True) if curve is not None
    ]
    if not kept:
        kept = [(starts[0], Curve.of(scores))]
    return Profile(
        name,
        population,
        tuple(start for start, _ in kept),
        tuple(curve.thinned() for _, curve in kept),
        len(scores),
    )


def _band_curve(scores: Float64Array, groups: npt.NDArray[Any], min_texts: int) -> Curve | None:
    _, group, counts = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    if len(scores) < min_texts:
        return None
    large = np.flatnonzero(counts >= min_texts)
    curves = [Curve.of(scores[group == number]) for number in large]
    small = ~np.isin(group, large)
    if small.sum() >= min_texts:
        curves.append(Curve.of(scores[small]))
    return Curve.worst(curves)


def to_arrays(profiles: Iterable[Profile]) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return profiles as plain values for a manifest and as arrays for a model file."""
    described, arrays = {}, {}
    for profile in profiles:
        described[profile.name] = {
            "population": profile.population,
            "min_words": list(profile.min_words),
            "texts": profile.n_texts,
            "floor": profile.floor,
        }
        for i, curve in enumerate(profile.curves):
            arrays[f"profile_{profile.name}_{i}_breaks"] = curve.breaks
            arrays[f"profile_{profile.name}_{i}_p"] = curve.p
    return described, arrays


def from_arrays(
    described: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]
) -> dict[str, Profile]:
    """Return profiles by name from what `to_arrays` gave.

    Raises:
        KeyError, TypeError, ValueError: the two do not fit each other.
    """
    found = {}
    for name, entry in described.items():
        curves = []
        for i in range(len(entry["min_words"])):
            breaks, p = (
                arrays[f"profile_{name}_{i}_{part}"].astype(np.float64) for part in ("breaks", "p")
            )
            if len(p) != len(breaks) + 1:
                raise ValueError(f"profile {name}: {len(p)} p-values for {len(breaks)} breaks")
            curves.append(Curve(breaks, p))
        if not curves:
            raise ValueError(f"profile {name}: no curve")
        found[name] = Profile(
            name, entry["population"], tuple(entry["min_words"]), tuple(curves), entry["texts"]
        )
    return found
