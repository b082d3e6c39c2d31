"""The model folder: save, publish, load and verify it. Only this module knows its file names.

    manifest.json           what the model is, and the name, size and SHA-256 of its weights
    weights-<12 hex>.npz    the arrays, named after their SHA-256; read without pickle
    model_card.md           for people; written from the same run, never read by `load`
    .lock, .commit.lock     held while a training, or a save, is at work

One rename commits a model. Every file is first written aside and fsynced, so that a full disk or
a crash up to there has changed nothing. Then the weights get their name, which no other model
uses: the manifest in place still names the previous weights. Then `os.replace` puts the new
manifest in place: before it the folder holds the old model, after it the new one, and there is
no state between. Only then are the old weights deleted, which nothing names any more. The
directory is fsynced between these steps, so that a power cut keeps their order. A fixed name
(`weights.npz`) would need two renames, and a crash between them would leave the manifest of one
model beside the weights of another. What a crash leaves behind is swept by the next save.
"""

import errno
import fcntl
import hashlib
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ai_detect.errors import ArtifactError

__all__ = [
    "FORMAT_VERSION",
    "SHIPPED",
    "ModelFiles",
    "exists",
    "is_vacant",
    "load",
    "paths",
    "publish",
    "save",
    "training_lock",
]

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
SHIPPED = Path(__file__).with_name(
    "default_model"
)  # comes with the package; never written at run time

_FORMAT = "ai_detect model"
_MANIFEST = "manifest.json"
_CARD = "model_card.md"
_TRAINING_LOCK = ".lock"
_COMMIT_LOCK = ".commit.lock"
_WEIGHTS_LIMIT = 2 << 30
_MANIFEST_LIMIT = 16 << 20
_LARGE_ARRAY = 1 << 30  # well below the 2 GB that plain zip holds
_READ_ATTEMPTS = 8  # each failed one needs a whole save by another process to happen meanwhile
_OURS = re.compile(
    r"weights-[0-9a-f]{12}\.npz|\.(weights-[0-9a-f]{12}\.npz|manifest\.json|model_card\.md)\.tmp"
)
_TRAIN = "`python model.py train --dataset=PATH`"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ModelFiles:
    """What a model folder holds, verified.

    manifest: the dictionary given to `save`, with `format`, `format_version`, `files` and
        `manifest_sha256` added.
    arrays: the arrays given to `save`, by name, with their dtypes and shapes.
    """

    manifest: dict[str, Any]
    arrays: Arrays


def paths(folder: Path) -> tuple[Path, ...]:
    """Return the files of the model in a folder, its locks left out.

    Raises:
        ArtifactError: no model there, or a damaged, foreign or newer one.
    """
    _, manifest, _ = _read(folder)
    named = (_MANIFEST, manifest["files"]["weights"]["name"], _CARD)
    return tuple(folder / name for name in named if (folder / name).exists())


def is_vacant(folder: Path) -> bool:
    """Whether no model was ever put into a folder: not there, or nothing in it but locks and site profiles."""
    try:
        return all(path.name.startswith(".") or path.is_dir() for path in folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:  # something else is in its place, or nobody may look: `load` says which
        return False


def exists(folder: Path) -> bool:
    """Whether the folder holds a model, sound or not."""
    return (folder / _MANIFEST).is_file()


def save(
    folder: Path, manifest: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], card: str
) -> None:
    """Put a model into a folder, in place of the one there. The same model gives the same bytes.

    Args:
        folder: made if it is not there.
        manifest: what JSON can hold (no NaN, no numpy integers), the package version among it.
        arrays: of any dtype but object.
        card: Markdown for people.

    Raises:
        ArtifactError: the folder cannot be written, or is another program's; a model that was
            there is untouched.
    """
    try:
        weights = _pack(arrays)
        digest = hashlib.sha256(weights).hexdigest()
        name = _weights_name(digest)
        entry = {"name": name, "sha256": digest, "bytes": len(weights)}
        files = {"weights": entry}
        ours = {"format": _FORMAT, "format_version": FORMAT_VERSION, "files": files}
        sealed = _seal(json.loads(json.dumps({**manifest, **ours})))
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"{folder}: this model cannot be written as data: {error}.") from error
    _commit(folder, sealed, name, weights, card.encode("utf-8", "backslashreplace"))


def publish(source: Path, target: Path) -> None:
    """Put the model of one folder into another, byte for byte, after verifying it.

    Raises:
        ArtifactError: the source holds no sound model, or the target cannot be written.
    """
    sealed, manifest, weights = _read(source)
    with _reading(source):
        card = (source / _CARD).read_bytes() if (source / _CARD).exists() else b""
    _commit(target, sealed, manifest["files"]["weights"]["name"], weights, card)


def load(folder: Path) -> ModelFiles:
    """Read a model, every byte of it verified before use.

    A save that happens meanwhile is no trouble: the result is the old model or the new one.

    Raises:
        ArtifactError: no model there, or a damaged, foreign or newer one.
    """
    _, manifest, weights = _read(folder)
    return ModelFiles(manifest, _unpack(folder, weights))


@contextmanager
def training_lock(folder: Path) -> Iterator[None]:
    """Keep a folder for one training; the kernel lets go of it however the process ends.

    Raises:
        ArtifactError: another training holds it, it cannot be written, or it is another program's.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder)
        lock = os.open(folder / _TRAINING_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with _writing(folder):
            _lock_or_refuse(folder, lock)
        yield
    finally:
        os.close(lock)


def _lock_or_refuse(folder: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise ArtifactError(
            f"another training (process {holder}) is writing to {folder}: "
            "wait for it or choose another --model_dir."
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def _commit(folder: Path, sealed: bytes, weights_name: str, weights: bytes, card: bytes) -> None:
    """Write the three files so that one rename, the manifest's, changes the model."""
    if len(weights) > _WEIGHTS_LIMIT or len(sealed) > _MANIFEST_LIMIT:
        raise ArtifactError(
            f"{folder}: this model has {len(weights)} bytes of weights and {len(sealed)} of "
            f"manifest, and at most {_WEIGHTS_LIMIT} and {_MANIFEST_LIMIT} can be saved: "
            "use fewer buckets or classes."
        )
    files = {weights_name: weights, _MANIFEST: sealed, _CARD: card}
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _commit_lock(folder):
            _refuse_foreign(folder)
            try:
                for name, content in files.items():
                    _write_aside(folder, name, content)
                _sync(folder)
                for name in files:
                    os.replace(_aside(folder, name), folder / name)
                    _sync(folder)
            finally:
                _sweep(folder)
    logger.info("saved a model to %s (%d bytes of weights)", folder, len(weights))


@contextmanager
def _commit_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time write here: another's sweep would take weights not yet named."""
    lock = os.open(folder / _COMMIT_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _aside(folder: Path, name: str) -> Path:
    return folder / f".{name}.tmp"


def _write_aside(folder: Path, name: str, content: bytes) -> None:
    with _aside(folder, name).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _sweep(folder: Path) -> None:
    """Delete those files of ours that the manifest in place does not name."""
    manifest = folder / _MANIFEST
    named = manifest.read_bytes() if manifest.exists() else b""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name.encode() not in named:
            path.unlink()


def _refuse_foreign(folder: Path) -> None:
    """Many programs have a manifest.json: another's is not ours to replace."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return  # none, or so damaged that it may have been ours
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ArtifactError(
            f"{folder / _MANIFEST} belongs to another program, and saving would replace it: "
            "choose another --model_dir."
        )


def _read(folder: Path) -> tuple[bytes, dict[str, Any], bytes]:
    """Return the manifest as bytes and parsed, and the bytes of the weights, all verified."""
    with _reading(folder):
        for attempt in range(_READ_ATTEMPTS):
            sealed = _read_bytes(folder / _MANIFEST, _MANIFEST_LIMIT)
            manifest = _check_manifest(folder, sealed)
            entry = manifest["files"]["weights"]
            try:
                weights = _read_bytes(folder / entry["name"], _WEIGHTS_LIMIT)
                break
            except FileNotFoundError:
                # A save may have replaced both files since the manifest was read.
                if attempt == _READ_ATTEMPTS - 1:
                    raise _damaged(folder, f"{entry['name']} is missing") from None
    if len(weights) != entry["bytes"]:
        what = f"{entry['name']} has {len(weights)} bytes instead of {entry['bytes']}"
        raise _damaged(folder, what)
    if hashlib.sha256(weights).hexdigest() != entry["sha256"]:
        raise _damaged(folder, f"{entry['name']} has changed since it was saved")
    return sealed, manifest, weights


def _read_bytes(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise _damaged(path.parent, f"{path.name} has {size} bytes, more than {limit}")
        return file.read(limit)


def _check_manifest(folder: Path, sealed: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(sealed.decode("utf-8"))
        # A file written here equals its own rendering, so that every byte counts, spaces too.
        intact = isinstance(manifest, dict) and _seal(manifest) == sealed
    except (ValueError, RecursionError):
        raise _damaged(folder, f"{_MANIFEST} is not the JSON that was saved") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise _foreign(folder)
    version = manifest.get("format_version")
    # A newer version may seal its manifest in another way, so its number is looked at first.
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"{folder}: made by a newer ai_detect (format {version}, this reads up to "
            f"{FORMAT_VERSION}): upgrade ai_detect or train again."
        )
    if not intact or version != FORMAT_VERSION:
        raise _damaged(folder, f"{_MANIFEST} has changed since it was saved")
    _check_entry(folder, manifest)
    return manifest


def _check_entry(folder: Path, manifest: dict[str, Any]) -> None:
    """Hold the one file name of a manifest to the one it must be: no path leaves the folder."""
    try:
        entry = manifest["files"]["weights"]
        sound = entry["name"] == _weights_name(entry["sha256"]) and isinstance(entry["bytes"], int)
        sound = sound and bool(_OURS.fullmatch(entry["name"]))
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise _damaged(folder, f"{_MANIFEST} does not name its weights as it must")


def _weights_name(digest: str) -> str:
    return f"weights-{digest[:12]}.npz"


def _seal(manifest: dict[str, Any]) -> bytes:
    """Render a manifest, its own hash included, in the one way this format has."""
    body = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    body["manifest_sha256"] = hashlib.sha256(_render(body)).hexdigest()
    return _render(body)


def _render(manifest: dict[str, Any]) -> bytes:
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("ascii")


def _pack(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write an .npz whose bytes follow from the arrays alone: sorted, C order, undated, stored.

    Deflate would take 40 times as long, and its bytes differ between versions of zlib. The 64-bit form of zip, whose
    headers differ between versions of Python (3.11.4 mended them), is for arrays that need it.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name], order="C")
            info, is_large = zipfile.ZipInfo(f"{name}.npy"), array.nbytes >= _LARGE_ARRAY
            with archive.open(info, "w", force_zip64=is_large) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _unpack(folder: Path, weights: bytes) -> Arrays:
    arrays: Arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("compressed: could unpack to more than the memory")
                with archive.open(info) as member:
                    array = np.lib.format.read_array(member, allow_pickle=False)
                arrays[info.filename.removesuffix(".npy")] = array
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise _damaged(folder, "its weights are not an .npz of plain arrays") from error
    return arrays


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turn the failures of reading a folder into sentences."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise _foreign(folder) from None
        raise ArtifactError(f"no model in {folder}: run {_TRAIN} first.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ArtifactError(
            f"{error.filename or folder}: the model cannot be read ({reason}): "
            "make it readable for this user."
        ) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the failures of writing a folder into sentences."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        todo = "check that it is a folder this user can write, or choose another --model_dir"
        if error.errno in _FULL:
            todo = "free some space on that disk, or choose another --model_dir"
        elif error.errno in _FORBIDDEN:
            todo = "give this user permission to write there, or choose another --model_dir"
        raise ArtifactError(
            f"{folder}: the model cannot be written ({reason}); a model that was there is "
            f"untouched: {todo}."
        ) from error


def _damaged(folder: Path, what: str) -> ArtifactError:
    return ArtifactError(
        f"{folder}: {what}; the model folder is damaged: copy it again, "
        f"or train again with {_TRAIN}."
    )


def _foreign(folder: Path) -> ArtifactError:
    return ArtifactError(
        f"{folder}: this folder holds files, but no model of ai_detect: "
        f"give the right --model_dir, or run {_TRAIN} first."
    )
