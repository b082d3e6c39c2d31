"""Site profiles: the promise for the writers of one place, from texts that its people know to be human.

A site profile is a JSON file in `profiles/` beside the model: the sorted scores of those texts and their lengths, never
the texts. It belongs to the weights that gave the scores: after another training it is stale, and is made again from
the same texts.
"""

import hashlib
import json
import logging
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ai_detect.errors import ArtifactError, DataError, UsageError
from ai_detect.profiles import Curve, Profile

logger = logging.getLogger(__name__)

Float64Array = npt.NDArray[np.float64]

MIN_TEXTS = 19  # the fewest that can promise a rate of 5 %
MAX_TEXTS = 1_000_000
_FOLDER = "profiles"
_FORMAT = "ai_detect profile"
_FORMAT_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
BUILT_IN = ("general", "essay")
_DRIFT_PSI = 0.25  # the usual limit for a population that has changed (Siddiqi 2006)
_DRIFT_LEAST = 50
_UNLIKE_P = 0.001
_N_BINS = 10


@dataclass(frozen=True)
class SiteProfile:
    """What is kept of the texts of one place.

    name: of the profile; model: SHA-256 of the weights that scored the texts; scores: ascending; word_bins: the 9 inner
    deciles of their lengths in words; created, dataset: for people.
    """

    name: str
    model: str
    created: str
    dataset: str
    scores: tuple[float, ...]
    word_bins: tuple[float, ...]

    def profile(self) -> Profile:
        """Return the profile: one population, all lengths together."""
        return Profile(
            self.name,
            f"human texts like the {len(self.scores)} of {self.dataset}",
            (0,),
            (Curve.of(np.array(self.scores)),),
            len(self.scores),
        )

    def count(self, words: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Count texts of these lengths by the deciles of the profile's own lengths, int64 (10,)."""
        bins = np.searchsorted(self.word_bins, words)
        return np.bincount(bins, minlength=_N_BINS).astype(np.int64)

    def drift(self, counts: npt.NDArray[np.int64]) -> float:
        """Return the population stability index of counted lengths against the profile's: 0 for the same."""
        shares = np.maximum(counts / max(1, counts.sum()), 1e-4)
        return float(np.sum((shares - 1 / _N_BINS) * np.log(shares * _N_BINS)))

    def has_drifted(self, counts: npt.NDArray[np.int64]) -> bool:
        """Whether these lengths, of 50 texts or more, are those of another population than the profile's."""
        return counts.sum() >= _DRIFT_LEAST and self.drift(counts) > _DRIFT_PSI


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a site profile.

    Raises:
        UsageError: it is taken by a profile of the model, or is no plain name.
    """
    if name in BUILT_IN:
        raise UsageError(
            f"--profile={name} comes with the model: give your own profile another name."
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--profile={name[:80]!r} is no name: give up to 64 letters, digits, hyphens and underscores."
        )


def make(
    name: str,
    scores: Float64Array,
    words: npt.NDArray[np.int32],
    *,
    model: str,
    dataset: str,
    created: str,
) -> SiteProfile:
    """Make a profile from the scores of texts known to be human, in the order of their dataset.

    Raises:
        DataError: there are too few, or too many to keep.
    """
    if not MIN_TEXTS <= len(scores) <= MAX_TEXTS:
        raise DataError(
            f"{dataset} has {len(scores)} texts that can be scored; a profile takes from {MIN_TEXTS} to {MAX_TEXTS}, "
            "and a promise of 1 % takes 99."
        )
    if _unlike(scores):
        logger.warning(
            "%s: the first and the second half of the texts score unlike each other. The promise is for texts like "
            "all of them, drawn at random: if they come from several kinds of writers, make a profile for each",
            dataset,
        )
    deciles = np.quantile(words, np.arange(1, _N_BINS) / _N_BINS)
    return SiteProfile(
        name, model, created, dataset, tuple(np.sort(scores).tolist()), tuple(deciles.tolist())
    )


def _unlike(scores: Float64Array) -> bool:
    from scipy.stats import ks_2samp

    half = len(scores) // 2
    return bool(ks_2samp(scores[:half], scores[half:]).pvalue < _UNLIKE_P)


def save(model_folder: Path, site: SiteProfile) -> Path:
    """Write a profile beside a model, in place of one of the same name.

    Raises:
        ArtifactError: it cannot be written.
    """
    check_name(site.name)
    path = _path(model_folder, site.name)
    aside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="ascii") as file:
            file.write(_seal(site))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise ArtifactError(
            f"The profile cannot be written to {path} ({error.strerror}): make {path.parent} a folder that this "
            "user can write."
        ) from error
    return path


def load(model_folder: Path, name: str, *, model: str) -> SiteProfile:
    """Read a profile and check that it belongs to the model.

    Args:
        model_folder: where the model is.
        name: of the profile.
        model: SHA-256 of the model's weights.

    Raises:
        UsageError: the name is none, or there is no such profile.
        ArtifactError: the file is damaged, or stale.
    """
    check_name(name)
    path = _path(model_folder, name)
    try:
        site = _unseal(path.read_text("ascii"))
    except FileNotFoundError:
        known = ", ".join((*BUILT_IN, *names(model_folder)))
        raise UsageError(
            f"There is no profile {name}; there are {known}. `python model.py calibrate --dataset=PATH "
            f"--profile={name}` makes it from texts known to be human."
        ) from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtifactError(
            f"The profile {path} is damaged: make it again with `python model.py calibrate`."
        ) from error
    if site.model != model:
        raise ArtifactError(
            f"The profile {name} is stale: it was made with another model than the one in {model_folder}. Make it "
            f"again from the same texts with `python model.py calibrate --dataset=PATH --profile={name}`."
        )
    return site


def names(model_folder: Path) -> list[str]:
    """Return the names of the profiles beside a model, sorted."""
    found = (path.stem for path in (model_folder / _FOLDER).glob("*.json"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def states(model_folder: Path, *, model: str) -> dict[str, str]:
    """Return for every profile beside a model whether it can be used, in words."""
    found = {}
    for name in names(model_folder):
        try:
            site = load(model_folder, name, model=model)
            found[name] = (
                f"{len(site.scores)} human texts of {site.dataset}, made on {site.created}"
            )
        except ArtifactError as error:
            found[name] = str(error)
    return found


def _path(model_folder: Path, name: str) -> Path:
    return model_folder / _FOLDER / f"{name}.json"


def _seal(site: SiteProfile) -> str:
    body = {"format": _FORMAT, "format_version": _FORMAT_VERSION, **asdict(site)}
    rendered = json.dumps(body, sort_keys=True)
    return json.dumps(
        {**body, "sha256": hashlib.sha256(rendered.encode()).hexdigest()}, sort_keys=True
    )


def _unseal(text: str) -> SiteProfile:
    """Read a profile back; any other text than `_seal` wrote raises ValueError, TypeError or KeyError."""
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    for name in ("format", "format_version", "sha256"):
        del body[name]
    scores, word_bins = tuple(body.pop("scores")), tuple(body.pop("word_bins"))
    site = SiteProfile(**body, scores=scores, word_bins=word_bins)
    if _seal(site) != text:
        raise ValueError("another format, or changed since it was written")
    return site
