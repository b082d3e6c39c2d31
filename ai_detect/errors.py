"""The errors a user can meet: one base class, so that the command line catches exactly these.

    AiDetectError           anything this package refuses to do
    ├── UsageError          the command line or a setting is wrong             (exit code 2)
    ├── DataError           a dataset cannot be used as it is                  (exit code 1)
    ├── ArtifactError       a model folder is absent, damaged or busy          (exit code 1)
    └── MissingExtraError   an optional package is needed and not installed    (exit code 1)

Every message is one sentence or two for a person: what was given, what was expected, what to do.
"""

from typing import Self


class AiDetectError(Exception):
    """Base of all errors raised on purpose by this package."""

    exit_code = 1


class UsageError(AiDetectError):
    """The command line or a setting cannot be understood."""

    exit_code = 2


class DataError(AiDetectError):
    """A dataset cannot be used as it is."""


class ArtifactError(AiDetectError):
    """A model folder is absent, damaged, foreign, newer than this package, or in use."""


class MissingExtraError(AiDetectError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        self._given = (package, extra)
        super().__init__(
            f"{package} is not installed, and this needs it: run pip install 'ai_detect[{extra}]'."
        )

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Travel between processes."""
        return type(self), self._given
