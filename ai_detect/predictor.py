"""A trained model at work: packed texts in, probabilities, p-values and verdicts out.

ModelFiles (manifest + arrays) -> Predictor -> Predictions
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect import calibration, kernels
from ai_detect.artifacts import ModelFiles
from ai_detect.errors import ArtifactError, UsageError
from ai_detect.scorer import Arrays, HeuristicScorer, LinearScorer, Scorer, probabilities
from ai_detect.text import PackedTexts, Undone

Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]

_COLUMN = {name: i for i, name in enumerate(kernels.STATISTICS)}
# What nobody types by accident. Typographic quotes and markdown are no obfuscation.
_OBFUSCATION = [
    _COLUMN[kind.name.lower()] for kind in (Undone.INVISIBLE, Undone.LOOKALIKE, Undone.ODD_SPACE)
]


@dataclass(frozen=True)
class Predictions:
    """What the model says about n texts.

    scores: float64 (n, n_outputs); probability: float64 (n, n_classes); words, obfuscation: int32 (n,), the words of
    each text and the characters undone in it that hide something; p_value: float64 (n,), empty unless detection.
    """

    scores: Float64Array
    probability: Float64Array
    words: Int32Array
    obfuscation: Int32Array
    p_value: Float64Array


@dataclass(frozen=True)
class Predictor:
    """A model loaded and ready: immutable, safe to share between threads.

    classes: names by class number; detection: whether they are human and llm; human_scores: float64 (m,), ascending,
    the out-of-fold scores of human training texts (empty unless detection); manifest: what the folder says of itself.
    """

    scorer: Scorer
    classes: tuple[str, ...]
    detection: bool
    human_scores: Float64Array
    manifest: dict[str, Any]

    @classmethod
    def from_files(cls, files: ModelFiles) -> Self:
        """Build the predictor of a model folder.

        Raises:
            ArtifactError: the folder is intact, but holds no model that this version knows.
        """
        try:
            task = files.manifest["task"]
            _check(files.manifest, files.arrays)
            return cls(
                _scorer(files.manifest, files.arrays),
                tuple(task["classes"]),
                bool(task["detection"]),
                files.arrays["human_scores"].astype(np.float64),
                files.manifest,
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The model folder is intact, but its content is not understood ({error!r}): train again with "
                "`python model.py train --dataset=PATH`."
            ) from error

    @property
    def thresholds(self) -> list[tuple[float, float | None]]:
        """Promised false-positive rates with their scores, as the manifest holds them."""
        return [(entry["fpr"], entry["score"]) for entry in self.manifest["thresholds"]]

    def score(self, texts: PackedTexts, *, n_jobs: int = 1) -> Float64Array:
        """Return the scores alone, float64 (n, n_outputs), with the texts spread over threads."""
        with ThreadPoolExecutor(n_jobs) as pool:
            parts = pool.map(self.scorer.decision_function, texts.split(n_jobs))
            return np.concatenate([scores for scores, _ in parts])

    def predict(self, texts: PackedTexts) -> Predictions:
        """Score texts."""
        scores, statistics = self.scorer.decision_function(texts)
        p_value = (
            calibration.p_values(scores[:, 0], self.human_scores) if self.detection else np.empty(0)
        )
        return Predictions(
            scores,
            probabilities(scores),
            statistics[:, _COLUMN["words"]],
            statistics[:, _OBFUSCATION].sum(axis=1),
            p_value,
        )

    def check_rate(self, fpr: float) -> None:
        """Refuse a false-positive rate that this model cannot promise.

        Raises:
            UsageError: the rate is no rate, or too small for the number of human texts behind the model.
        """
        if self.detection:
            calibration.check_rate(fpr, len(self.human_scores))

    def verdicts(self, predictions: Predictions, fpr: float) -> tuple[list[str], list[str]]:
        """Return verdict and reason of each text (see `calibration.verdicts`)."""
        if not self.detection:
            raise UsageError(
                f"Verdicts are for human/llm models; this one tells {len(self.classes)} classes apart."
            )
        return calibration.verdicts(
            predictions.p_value, predictions.scores[:, 0], predictions.words, fpr
        )


def _check(manifest: dict[str, Any], arrays: Arrays) -> None:
    """Refuse what would fail, or worse be wrong in silence, only when the first text is scored."""
    n_classes = len(manifest["task"]["classes"])
    n_outputs = 1 if n_classes == 2 else n_classes
    if arrays["coef"].shape[1:] != (n_outputs,) or arrays["intercept"].shape != (n_outputs,):
        raise ValueError(f"coef and intercept do not fit {n_classes} classes")
    if not all({"fpr", "score"} <= set(entry) for entry in manifest["thresholds"]):
        raise ValueError("a threshold without fpr or score")


def _scorer(manifest: dict[str, Any], arrays: Arrays) -> Scorer:
    if manifest["config"]["model"] == "heuristic":
        return HeuristicScorer(arrays["mean"], arrays["scale"], arrays["coef"], arrays["intercept"])
    ngrams = manifest["ngrams"]
    spec = kernels.NgramSpec(
        tuple(ngrams["word_ngrams"]),
        tuple(ngrams["char_ngrams"]),
        ngrams["n_bits"],
        ngrams["lowercase"],
    )
    return LinearScorer.from_arrays(spec, arrays)
