"""What is kept of texts to tell drift by: for each feature how many of them fell into each of some ten bins.

Training keeps such counts of each class (`Reference`, in the manifest). At work only counts by the same bins are kept,
never a text (`Counts`, which add up).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect.calibration import HUMAN, LLM
from ai_detect.errors import ArtifactError, DataError
from ai_detect.predictor import Predictions
from ai_detect.scorer import probabilities

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]

FEATURES = ("score", "length", "unknown", "obfuscation", "language")
ALL = "all"

MIN_TEXTS = 50  # fewer tell nothing
_N_BINS = 10
# Hidden characters a word. Nearly all texts have none, so quantiles would tell nothing apart.
_OBFUSCATION_EDGES = (0.0, 0.005, 0.02, 0.05)


def measure(
    scores: Float64Array,
    words: Int32Array,
    function_words: Int32Array,
    obfuscation: Int32Array,
    unknown: Float64Array,
) -> Float64Array:
    """Return the features of n texts, float64 (n, len(FEATURES)).

    Args:
        scores: float64 (n, n_outputs); of more than two classes the probability of the likeliest one is taken.
        words: int32 (n,).
        function_words: int32 (n,), words of English grammar among them.
        obfuscation: int32 (n,), hidden and look-alike characters.
        unknown: float64 (n,), share of n-grams that the model does not know.
    """
    score = scores[:, 0] if scores.shape[1] == 1 else probabilities(scores).max(axis=1)
    per_word = 1.0 / np.maximum(words, 1)
    columns = (score, words, unknown, obfuscation * per_word, function_words * per_word)
    return np.column_stack(columns)


@dataclass(frozen=True)
class Counts:
    """How many texts fell into each bin of each feature, and nothing else of them.

    n: texts; bins: feature -> int64 (n_bins,).
    """

    n: int
    bins: Mapping[str, Int64Array]

    @classmethod
    def of(cls, reference: "Reference", predictions: Predictions) -> Self:
        """Count the texts of some predictions by the bins of a reference; those without a word are left out."""
        values = measure(
            predictions.scores,
            predictions.words,
            predictions.function_words,
            predictions.obfuscation,
            predictions.unknown,
        )
        return cls.of_values(reference.edges, values[predictions.words > 0])

    @classmethod
    def of_values(cls, edges: Mapping[str, tuple[float, ...]], values: Float64Array) -> Self:
        """Count the rows of `measure` by bins; bin i holds what is above edge i - 1 and at most edge i."""
        bins = {
            name: np.bincount(
                np.searchsorted(edges[name], values[:, i]), minlength=len(edges[name]) + 1
            )
            for i, name in enumerate(FEATURES)
        }
        return cls(len(values), bins)

    @classmethod
    def none(cls, reference: "Reference") -> Self:
        """Return the counts of no text."""
        return cls.of_values(reference.edges, np.empty((0, len(FEATURES))))

    def __add__(self, other: "Counts") -> "Counts":
        added = {name: counts + other.bins[name] for name, counts in self.bins.items()}
        return Counts(self.n + other.n, added)


TRAINING_TEXTS = "training texts"


@dataclass(frozen=True)
class Reference:
    """Bins and how the training texts, or others that are known to be as they should, fell into them.

    edges: feature -> the inner edges of its bins, ascending; groups: human and llm, or all -> their counts; texts: what
    they are, in words.
    """

    edges: Mapping[str, tuple[float, ...]]
    groups: Mapping[str, Counts]
    texts: str = TRAINING_TEXTS

    @property
    def is_held_out(self) -> bool:
        """Whether the scores are by models that had not seen the texts, as those of training are."""
        return self.texts == TRAINING_TEXTS

    @classmethod
    def build(cls, values: Float64Array, groups: Mapping[str, npt.NDArray[np.bool_]]) -> Self:
        """Choose bins that hold about equally many texts, each group counting the same, and count by them.

        Args:
            values: float64 (n, len(FEATURES)), of `measure`.
            groups: name -> bool (n,), which texts are of it.
        """
        weights = np.sum([mask / max(1, mask.sum()) for mask in groups.values()], axis=0)
        values, weights = values[weights > 0], weights[weights > 0]
        masks = {name: mask[np.any(list(groups.values()), axis=0)] for name, mask in groups.items()}
        edges = {
            name: _OBFUSCATION_EDGES if name == "obfuscation" else _edges(values[:, i], weights)
            for i, name in enumerate(FEATURES)
        }
        return cls(
            edges, {name: Counts.of_values(edges, values[mask]) for name, mask in masks.items()}
        )

    @classmethod
    def of_model(cls, manifest: Mapping[str, Any]) -> Self:
        """Return the reference that training left in a manifest.

        Raises:
            ArtifactError: there is none, or it is not understood.
        """
        if "drift" not in manifest:
            raise ArtifactError(
                "This model keeps no reference to tell drift by, as it was made by an older version: train again with "
                "`python model.py train --dataset=PATH`."
            )
        try:
            return cls.from_dict(manifest["drift"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The drift reference of this model is not understood ({error!r}): train again with "
                "`python model.py train --dataset=PATH`."
            ) from error

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave.

        Raises:
            LookupError, TypeError, ValueError: it is something else.
        """
        edges = {name: tuple(float(edge) for edge in found["edges"][name]) for name in FEATURES}
        groups = {}
        for group, counted in found["counts"].items():
            bins = {name: np.array(counted[name], np.int64) for name in FEATURES}
            totals = {int(counts.sum()) for counts in bins.values()}
            shapes = all(bins[name].shape == (len(edges[name]) + 1,) for name in FEATURES)
            if not shapes or len(totals) > 1:
                raise ValueError(f"the counts of {group} do not fit")
            groups[str(group)] = Counts(totals.pop(), bins)
        if set(groups) not in ({HUMAN, LLM}, {ALL}):
            raise ValueError("counts of unknown groups")
        return cls(edges, groups)

    def with_texts(self, counts: Counts, texts: str) -> "Reference":
        """Return the same bins with the counts of other texts than those of training.

        Raises:
            DataError: there are too few of them.
        """
        if counts.n < MIN_TEXTS:
            raise DataError(
                f"The {texts} are {counts.n} that can be scored; a reference takes {MIN_TEXTS} or more."
            )
        return Reference(self.edges, {ALL: counts}, texts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they stand in a manifest."""
        counts = {
            group: {name: bins.tolist() for name, bins in counted.bins.items()}
            for group, counted in self.groups.items()
        }
        return {
            "edges": {name: list(edges) for name, edges in self.edges.items()},
            "counts": counts,
        }

    def expected(self, prior: float) -> tuple[int, dict[str, Float64Array]]:
        """Return the share of texts in each bin where a share `prior` of them is LLM, and how many texts tell so."""
        if ALL in self.groups:
            parts = [(1.0, self.groups[ALL])]
        else:
            parts = [(1.0 - prior, self.groups[HUMAN]), (prior, self.groups[LLM])]
        parts = [(share, counts) for share, counts in parts if share > 0]
        # As many as can be drawn in these proportions without drawing a text twice.
        n = int(min(counts.n / share for share, counts in parts))
        shares = {
            name: np.sum([s * c.bins[name] / max(1, c.n) for s, c in parts], axis=0)
            for name in FEATURES
        }
        return n, shares


def _edges(values: Float64Array, weights: Float64Array) -> tuple[float, ...]:
    if not len(values):
        return ()  # no text with a word in it
    shares = np.arange(1, _N_BINS) / _N_BINS
    found = np.unique(np.quantile(values, shares, weights=weights, method="inverted_cdf"))
    return tuple(found.tolist())
