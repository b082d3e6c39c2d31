"""What the service may do: options of `serve` and variables of the environment, read once and never changed."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from ai_detect.errors import UsageError

SCOPES = ("predict", "admin")
_PREFIX = "AI_DETECT_"
_KEY = re.compile(r"(?P<name>[\w.-]{1,64}):(?P<scope>\w+):(?P<key>[!-~]{16,256})")


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take.

    max_body_bytes: of a JSON body; max_texts: of one request; max_text_bytes: of one text; max_upload_bytes: of a file;
    max_rows: of a file; max_concurrent: requests at work at a time; timeout_seconds: of a request, and of every pause
    in an upload; max_jobs: files waiting or at work; max_kept_jobs, max_kept_bytes: finished ones that are kept.
    """

    max_body_bytes: int = 8_000_000
    max_texts: int = 1000
    max_text_bytes: int = 2_000_000
    max_upload_bytes: int = 1_000_000_000
    max_rows: int = 10_000_000
    max_concurrent: int = 512
    timeout_seconds: int = 30
    max_jobs: int = 8
    max_kept_jobs: int = 50
    max_kept_bytes: int = 5_000_000_000

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Take each limit from the variable of its name, such as AI_DETECT_MAX_TEXTS.

        Raises:
            UsageError: a value is no whole number from 1 up.
        """
        given = {}
        for limit in fields(cls):
            variable = _PREFIX + limit.name.upper()
            value = environment.get(variable, "")
            if value:
                given[limit.name] = _whole(variable, value)
        return cls(**given)


@dataclass(frozen=True)
class ApiKey:
    """A key and what it opens: `admin` includes `predict`."""

    name: str
    scope: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Of one service.

    data_dir: the shared folder; keys: none for an open service; cors_origins: pages elsewhere that may call it;
    drift_reference: a dataset to tell drift by, None for the texts of training.
    """

    data_dir: Path
    limits: Limits = Limits()
    keys: tuple[ApiKey, ...] = ()
    cors_origins: tuple[str, ...] = ()
    drift_reference: Path | None = None

    @classmethod
    def from_environment(cls, data_dir: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Read keys, origins, limits and the reference of drift from variables of the environment.

        Raises:
            UsageError: one of them cannot be understood; no key is shown.
        """
        return cls(
            data_dir,
            Limits.from_environment(environment),
            _keys(environment.get(f"{_PREFIX}API_KEYS", "")),
            tuple(_listed(environment.get(f"{_PREFIX}CORS_ORIGINS", ""))),
            _existing(f"{_PREFIX}DRIFT_REFERENCE", environment),
        )

    @property
    def log_file(self) -> Path:
        """The log that all processes share."""
        return self.data_dir / "log_file.log"

    @property
    def jobs_dir(self) -> Path:
        """Where uploaded files and their results are."""
        return self.data_dir / "jobs"


def _whole(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise UsageError(f"{variable} is {value[:40]!r}; expected a whole number from 1 up.")
    return int(value)


def _existing(variable: str, environment: Mapping[str, str]) -> Path | None:
    path = Path(environment.get(variable, ""))
    if not path.name:
        return None
    if not path.exists():
        raise UsageError(f"{variable} is {str(path)!r}, and there is no such file.")
    return path


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _keys(value: str) -> tuple[ApiKey, ...]:
    keys = []
    for number, part in enumerate(_listed(value), 1):
        found = _KEY.fullmatch(part)
        if not found or found["scope"] not in SCOPES:
            raise UsageError(
                f"{_PREFIX}API_KEYS: key number {number} is not of the form name:scope:key, with the scope predict or "
                "admin and a key of 16 characters or more."
            )
        keys.append(ApiKey(found["name"], found["scope"], found["key"]))
    return tuple(keys)
