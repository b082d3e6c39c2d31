"""A trained model at work: packed texts in, probabilities, p-values and verdicts out.

ModelFiles (manifest + arrays) -> Predictor -> Predictions
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ai_detect import calibration
from ai_detect.artifacts import ModelFiles
from ai_detect.calibration import Evidence
from ai_detect.errors import ArtifactError, UsageError
from ai_detect.ngrams import STATISTICS, NgramSpec
from ai_detect.profiles import GENERAL, Profile, from_arrays
from ai_detect.scorer import Arrays, HeuristicScorer, LinearScorer, Scorer, probabilities
from ai_detect.text import PackedTexts, Undone, table_fingerprint

Float64Array = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]

_COLUMN = {name: i for i, name in enumerate(STATISTICS)}
# What nobody types by accident. Typographic quotes and markdown are no obfuscation.
_OBFUSCATION = [
    _COLUMN[kind.name.lower()] for kind in (Undone.INVISIBLE, Undone.LOOKALIKE, Undone.ODD_SPACE)
]


@dataclass(frozen=True)
class Predictions:
    """What the model says about n texts.

    scores: float64 (n, n_outputs); probability: float64 (n, n_classes), at equal priors; words, function_words,
    obfuscation: int32 (n,), the words of each text, those of English grammar among them, and the characters undone in
    it that hide something; unknown: float64 (n,), the share of its n-grams that the model has no weight for; p_value:
    float64 (n,), empty unless detection.
    """

    scores: Float64Array
    probability: Float64Array
    words: Int32Array
    function_words: Int32Array
    obfuscation: Int32Array
    unknown: Float64Array
    p_value: Float64Array


@dataclass(frozen=True)
class Predictor:
    """A model loaded and ready: immutable, safe to share between threads.

    classes: names by class number; detection: whether they are human and llm; profiles: by name, empty unless
    detection; human_below: score under which a text may be called human; manifest: what the folder says of itself.
    """

    scorer: Scorer
    classes: tuple[str, ...]
    detection: bool
    profiles: dict[str, Profile]
    human_below: float
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
                from_arrays(files.manifest["profiles"], files.arrays),
                float(files.manifest["human_below"]["score"]) if task["detection"] else 0.0,
                files.manifest,
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The model folder is intact, but its content is not understood ({error!r}): train again with "
                "`python model.py train --dataset=PATH`."
            ) from error

    @property
    def weights_sha256(self) -> str:
        """What tells this model from any other one."""
        return str(self.manifest["files"]["weights"]["sha256"])

    def profile(self, name: str = GENERAL) -> Profile:
        """Return a profile that came with the model.

        Raises:
            UsageError: there is none of that name.
        """
        if not self.detection:
            raise UsageError(
                f"Profiles are for human/llm models; this one tells {len(self.classes)} classes apart."
            )
        if name not in self.profiles:
            raise UsageError(
                f"This model has no profile {name}; it has {', '.join(self.profiles)}."
            )
        return self.profiles[name]

    def score(self, texts: PackedTexts, *, n_jobs: int = 1) -> tuple[Float64Array, Int32Array]:
        """Return scores, float64 (n, n_outputs), and words, int32 (n,), with the texts spread over threads."""
        with ThreadPoolExecutor(n_jobs) as pool:
            parts = list(pool.map(self.scorer.decision_function, texts.split(n_jobs)))
        return (
            np.concatenate([scores for scores, _ in parts]),
            np.concatenate([statistics[:, _COLUMN["words"]] for _, statistics in parts]),
        )

    def predict(self, texts: PackedTexts, profile: Profile | None = None) -> Predictions:
        """Score texts; p-values are those of the given profile, or else of `general`."""
        scores, statistics = self.scorer.decision_function(texts)
        words = statistics[:, _COLUMN["words"]]
        ngrams = statistics[:, _COLUMN["ngrams"]]
        p_value = np.empty(0)
        if self.detection:
            p_value = (profile or self.profile()).p_values(scores[:, 0], words)
        return Predictions(
            scores,
            probabilities(scores),
            words,
            statistics[:, _COLUMN["function_words"]],
            obfuscation(statistics),
            (ngrams - statistics[:, _COLUMN["known_ngrams"]]) / np.maximum(ngrams, 1),
            p_value,
        )

    def verdicts(self, predictions: Predictions, fpr: float) -> tuple[list[str], list[str]]:
        """Return verdict and reason of each text (see `calibration.verdicts`)."""
        evidence = Evidence(
            predictions.p_value,
            predictions.scores[:, 0],
            predictions.words,
            predictions.function_words,
            predictions.obfuscation,
        )
        return calibration.verdicts(evidence, fpr=fpr, human_below=self.human_below)


def obfuscation(statistics: Int32Array) -> Int32Array:
    """Return from statistics (n, len(STATISTICS)) the characters undone in each text that hide something."""
    found: Int32Array = statistics[:, _OBFUSCATION].sum(axis=1)
    return found


def _check(manifest: dict[str, Any], arrays: Arrays) -> None:
    """Refuse what would fail, or worse be wrong in silence, only when the first text is scored."""
    n_classes = len(manifest["task"]["classes"])
    n_outputs = 1 if n_classes == 2 else n_classes
    if arrays["coef"].shape[1:] != (n_outputs,) or arrays["intercept"].shape != (n_outputs,):
        raise ValueError(f"coef and intercept do not fit {n_classes} classes")
    if manifest["task"]["detection"] and GENERAL not in manifest["profiles"]:
        raise ValueError(f"a detector without the profile {GENERAL}")
    if manifest["normalisation"] != table_fingerprint():
        raise ValueError("texts were normalised by another table")


def _scorer(manifest: dict[str, Any], arrays: Arrays) -> Scorer:
    if manifest["config"]["model"] == "heuristic":
        return HeuristicScorer(arrays["mean"], arrays["scale"], arrays["coef"], arrays["intercept"])
    ngrams = manifest["ngrams"]
    spec = NgramSpec(
        tuple(ngrams["word_ngrams"]),
        tuple(ngrams["char_ngrams"]),
        ngrams["n_bits"],
        ngrams["lowercase"],
    )
    return LinearScorer.from_arrays(spec, arrays)
