"""The model in use as the page shows it: card, figures, profiles, plots."""

from pathlib import Path
from typing import Any

from ai_detect.calibration import DEFAULT_RATE
from ai_detect.profiles import Profile
from ai_detect.server.models import ServedModel

_CARD = "model_card.md"


def described(model: ServedModel, plot_names: list[str], prefix: str) -> dict[str, Any]:
    """Return what is told of a model. It reads the card, so it is for a thread."""
    predictor, card = model.predictor, model.folder / _CARD
    return {
        "version": model.version,
        "name": model.name,
        "created": model.created,
        "classes": list(predictor.classes),
        "card": card.read_text("utf-8") if card.exists() else "",
        "metrics": predictor.manifest.get("metrics", {}),
        "profiles": {name: _profile(profile) for name, profile in predictor.profiles.items()},
        "human_below": predictor.human_below,
        "plots": [f"{prefix}/{name}" for name in plot_names],
    }


def plots(model: ServedModel, data_dir: Path) -> dict[str, Path]:
    """Return the plots of the training of a model by name; those of the model that ships are not at hand."""
    folder = data_dir / "reports" / "train"
    is_ours = model.folder == data_dir / "model" and folder.is_dir()
    return {path.name: path for path in sorted(folder.glob("*.png"))} if is_ours else {}


def _profile(profile: Profile) -> dict[str, Any]:
    """Return a profile with the score of each band of lengths from which a text is called llm at the usual rate."""
    bands = zip(profile.min_words, profile.curves, strict=True)
    thresholds = [
        {"min_words": words, "fpr": DEFAULT_RATE, "score": curve.threshold(DEFAULT_RATE)}
        for words, curve in bands
    ]
    return {
        "population": profile.population,
        "texts": profile.n_texts,
        "floor": profile.floor,
        "thresholds": thresholds,
    }
