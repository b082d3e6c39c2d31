"""Numba's `njit`, told where to keep what it compiled, so that a machine compiles once, however the package lies there.

Beside the code, if this process may write there. Otherwise - installed by root, or in an image whose file system is
read-only - in the user's cache folder, else in a private one for temporary files. Numba reads from no folder that it
cannot write to, so what lies beside the code (`ai_detect warmup`) is copied to the new place first. NUMBA_CACHE_DIR
wins over all.
"""

import functools
import logging
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

from ai_detect import __version__

logger = logging.getLogger(__name__)

_BESIDE_CODE = Path(__file__).parent / "__pycache__"
_SUBFOLDER = UserProvidedCacheLocator.get_suitable_cache_subpath(__file__)


def njit(*, cache: bool, **options: bool) -> Callable[[Callable[..., Any]], Any]:
    """Do what Numba's decorator of that name does; with `cache`, the compiled function is kept in `folder`."""

    def decorate(function: Callable[..., Any]) -> Any:
        place = folder() if cache else None
        decorator = numba.njit(cache=place is not None, **options)
        if place is None or place == _BESIDE_CODE:
            return decorator(function)
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(place.parent)  # Numba looks once, here
        try:
            return decorator(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate


@functools.cache
def folder() -> Path | None:
    """Return where compiled functions are kept and looked for; None if this process can write nowhere."""
    place = next(filter(_is_writable, _places()), None)
    if place and place != _BESIDE_CODE:
        _take_over(place)
    return place


def _places() -> Iterator[Path]:
    """Yield the folders that may do, the best first."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR, _SUBFOLDER)
    yield _BESIDE_CODE
    # A version each: those compiled by another one are of no use, and would be in the way.
    user = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if user.is_absolute():  # there is a home
        yield user / "ai_detect" / __version__ / _SUBFOLDER
    temporary = Path(tempfile.gettempdir(), f"ai_detect-{os.getuid()}")
    if _is_private(temporary):
        yield temporary / __version__ / _SUBFOLDER


def _is_writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return False
    return True


def _is_private(path: Path) -> bool:
    """Make the folder, and tell whether nobody else can put files there: what is in it will be executed."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _take_over(place: Path) -> None:
    """Copy what lies compiled beside the code, where the new place has nothing of that name yet."""
    try:
        for index in _BESIDE_CODE.glob("*.nbi"):
            if not (place / index.name).exists():
                for file in (*_BESIDE_CODE.glob(f"{index.stem}.*.nbc"), index):  # the index last
                    new = place / f"{file.name}.{uuid.uuid4().hex}"
                    shutil.copyfile(file, new)
                    new.replace(place / file.name)
    except OSError as error:  # costs seconds, no result
        logger.warning("compiled functions beside the code are not used: %s", error)
