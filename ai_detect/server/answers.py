"""From texts to answers: what the routes do, without HTTP."""

import json
from dataclasses import dataclass
from typing import Any

from ai_detect.calibration import shifted
from ai_detect.explain import explain
from ai_detect.predictor import Predictions
from ai_detect.server.models import ServedModel
from ai_detect.text import PackedTexts


@dataclass(frozen=True)
class Question:
    """What is asked of texts, besides the texts."""

    profile: str
    fpr: float | None
    prior: float = 0.5


@dataclass(frozen=True)
class Answer:
    """body: what is sent; predictions, called: what is counted, the latter the verdict or class of each text."""

    body: bytes
    predictions: Predictions
    called: list[str]


def predicted(model: ServedModel, texts: list[str], asked: Question) -> Answer:
    """Score texts.

    Raises:
        UsageError, ArtifactError: the profile is none, or cannot promise the rate.
    """
    profile = model.profile(asked.profile)
    fpr = model.rate(profile, asked.fpr)
    predictor = model.predictor
    found = predictor.predict(PackedTexts.pack(texts), profile)
    if predictor.detection:
        called, reasons = predictor.verdicts(found, fpr)
        probability = shifted(found.probability[:, 1], asked.prior).tolist()
        p_values: list[float | None] = found.p_value.tolist()
    else:
        called = [predictor.classes[best] for best in found.probability.argmax(axis=1)]
        reasons = [""] * len(texts)
        probability = found.probability.max(axis=1).tolist()
        p_values = [None] * len(texts)
    rows = zip(
        probability,
        called,
        p_values,
        reasons,
        found.words.tolist(),
        found.obfuscation.tolist(),
        strict=True,
    )
    names = ("probability", "verdict", "p_value", "reason", "words", "obfuscation")
    body = {
        "model": {"version": model.version, "name": model.name},
        "profile": asked.profile,
        "fpr": fpr,
        "predictions": [dict(zip(names, row, strict=True)) for row in rows],
    }
    return Answer(json.dumps(body).encode(), found, called)


def explained(model: ServedModel, text: str, asked: Question, *, windows: bool) -> Answer:
    """Explain a text; beside the figures of `Explanation.to_dict` stand its words for people.

    Raises:
        UsageError, ArtifactError: as for `predicted`, or the model is none of n-grams.
    """
    profile = model.profile(asked.profile)
    fpr = model.rate(profile, asked.fpr)
    found = explain(model.predictor, text, fpr=fpr, profile=profile, with_windows=windows)
    figures = model.predictor.predict(PackedTexts.pack([text]), profile)
    words: dict[str, Any] = {
        "model": {"version": model.version, "name": model.name},
        "profile": asked.profile,
        "headline": found.headline,
        "rarity": found.rarity,
        "promise": found.promise,
        "normalised": found.normalised,
        "levels": found.levels(),
    }
    body = json.dumps({**words, **found.to_dict()}).encode()
    return Answer(body, figures, [found.verdict or found.prediction])
