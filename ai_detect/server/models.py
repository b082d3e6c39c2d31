"""The model at work: loaded once, and swapped when another one is published. Requests in flight keep theirs."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ai_detect import artifacts, site_profiles
from ai_detect.calibration import DEFAULT_RATE
from ai_detect.drift import Reference
from ai_detect.drift_dataset import count_dataset
from ai_detect.errors import AiDetectError
from ai_detect.predictor import Predictor
from ai_detect.profiles import GENERAL, Profile
from ai_detect.server.settings import Settings
from ai_detect.text import PackedTexts

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2

Signature = tuple[int, int, int] | None


@dataclass(frozen=True)
class ServedModel:
    """A model as the service has it.

    name: in words; folder: where it was loaded from; signature: of its manifest file; drift: what drift is told by, or
    why there is nothing.
    """

    predictor: Predictor
    name: str
    folder: Path
    signature: Signature
    drift: Reference | AiDetectError
    _sites: dict[str, tuple[Signature, Profile]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, data_dir: Path, *, drift_reference: Path | None = None) -> Self:
        """Load the published model or, before any training, the one that comes with the package.

        Args:
            data_dir: the shared folder that models are published to.
            drift_reference: a dataset to tell drift by, None for the texts of training.

        Raises:
            ArtifactError: there is one, and it is damaged.
        """
        published = data_dir / "model"
        is_shipped = artifacts.is_vacant(published)
        folder = artifacts.SHIPPED if is_shipped else published
        seen = signature(
            published
        )  # before loading: what is published meanwhile is met by the next look
        predictor = Predictor.from_files(artifacts.load(folder))
        # The kernels are there before the first request. Two texts: for a single one nobody else loads them.
        predictor.predict(PackedTexts.pack(["Compiled", "before the first request."]))
        name = "the model that comes with ai_detect" if is_shipped else "the published model"
        return cls(predictor, name, folder, seen, _drift_of(predictor, drift_reference))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Load the model of a service, see `load`."""
        return cls.load(settings.data_dir, drift_reference=settings.drift_reference)

    @property
    def version(self) -> str:
        """What tells this model from any other one, in short."""
        return self.predictor.weights_sha256[:12]

    @property
    def created(self) -> str:
        """When the model was made, as its manifest says."""
        return str(self.predictor.manifest.get("created", ""))

    def profile(self, name: str) -> Profile | None:
        """Return a profile of the model or of this site; None for the general one of other tasks than detection.

        Raises:
            UsageError: there is none of that name.
            ArtifactError: it is damaged, or stale.
        """
        predictor = self.predictor
        if not predictor.detection and name == GENERAL:
            return None
        if not predictor.detection or name in (*predictor.profiles, *site_profiles.BUILT_IN):
            return predictor.profile(name)
        site_profiles.check_name(name)
        seen = signature(self.folder, f"profiles/{name}.json")
        known = self._sites.get(name)
        if known and known[0] == seen:
            return known[1]
        profile = site_profiles.load(self.folder, name, model=predictor.weights_sha256).profile()
        self._sites[name] = (seen, profile)
        return profile

    def rate(self, profile: Profile | None, fpr: float | None) -> float:
        """Return the rate to promise; one that was asked for has to be one that the profile can promise.

        Raises:
            UsageError: it cannot.
        """
        if fpr is not None and profile:
            profile.check_rate(fpr)
        return DEFAULT_RATE if fpr is None else fpr


def _drift_of(predictor: Predictor, dataset: Path | None) -> Reference | AiDetectError:
    """Return what drift is told by. A model serves without it as well."""
    try:
        reference = Reference.of_model(predictor.manifest)
        if dataset is None:
            return reference
        counts = count_dataset(predictor, reference, str(dataset))
        return reference.with_texts(counts, f"texts of {dataset.name}")
    except AiDetectError as error:
        logger.warning("drift is not told: %s", error)
        return error


def signature(folder: Path, name: str = "manifest.json") -> Signature:
    """Return what changes whenever a file is replaced; None if it is not there."""
    try:
        found = (folder / name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


class Models:
    """The model in use, one reference that a swap replaces.

    Args:
        settings: where models are published, and what drift is told by.
        served: the first model.
        on_swap: called with each model that comes into use, the first one too.
        on_refusal: called when a published model is not taken.
    """

    def __init__(
        self,
        settings: Settings,
        served: ServedModel,
        *,
        on_swap: Callable[[ServedModel], object],
        on_refusal: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._seen = served.signature
        self._on_swap, self._on_refusal = on_swap, on_refusal
        self.current = served
        on_swap(served)

    async def follow(self) -> None:
        """Look every 0.2 s, for ever, whether another model was published."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Swap the model if another one was published; a damaged one is refused, and the old one stays."""
        seen = signature(self._settings.data_dir / "model")
        if seen == self._seen:
            return
        self._seen = seen
        try:
            served = await asyncio.to_thread(ServedModel.of, self._settings)
        except AiDetectError as error:
            logger.error(
                "the published model is not taken, %s stays: %s", self.current.version, error
            )
            self._on_refusal()
            return
        self._seen = served.signature
        if served.version != self.current.version or served.folder != self.current.folder:
            self._on_swap(served)
            self.current = served
            logger.info(
                "model %s in use: %s, made on %s", served.version, served.name, served.created
            )
