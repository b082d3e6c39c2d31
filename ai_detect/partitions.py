"""Datasets and results as files that many machines read and write: on a disk they share, or on object storage.

An address with `://` is object storage, which fsspec reads and writes; credentials and endpoint are where its own
library looks for them, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL. A table is fetched as a whole before it is read,
since Parquet is read from its end; results are put as a whole, so that an object is there and complete, or not there.
"""

import glob
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ai_detect.errors import DataError, MissingExtraError, UsageError
from ai_detect.sources import Source, check_format, file_source, find_sources

SUMMARY = "_SUCCESS.json"

_EXTRAS = {"s3fs": "s3", "fsspec": "dask"}


@dataclass(frozen=True)
class Partition:
    """One table of a dataset.

    source: how to read it; its path is the file, or on object storage only the name to keep its copy by.
    url: its address on object storage, "" for a file.
    name: of its results, relative to the folder of all results.
    """

    source: Source
    url: str
    name: str

    @property
    def address(self) -> str:
        """What messages call it."""
        return self.url or self.source.name


def is_remote(path: str) -> bool:
    """Tell an address on object storage from a path."""
    return "://" in path


def find_partitions(dataset: str, *, format: str = "") -> list[Partition]:
    """Name the tables of a dataset, in the order of their names.

    Args:
        dataset: a file, folder or pattern, here or on object storage.
        format: csv, tsv, jsonl, parquet or txt, where the name of a file does not tell.

    Raises:
        DataError: nothing is there that can be read, or results of two tables would have one name.
        MissingExtraError: the package for that storage is not installed.
        UsageError: the format is unknown, or it is standard input.
    """
    if dataset == "-":
        raise UsageError(
            "--engine=dask reads files, which workers share: give --dataset=PATH, not standard input."
        )
    if is_remote(dataset):
        found = list(_remote_sources(dataset, check_format(format)))
    else:
        sources = find_sources(dataset, format=format)
        absolute = [replace(one, paths=tuple(map(Path.absolute, one.paths))) for one in sources]
        found = [("", str(one.paths[0]), one) for one in absolute]
    root = os.path.commonpath([str(PurePosixPath(path).parent) for _, path, _ in found])
    partitions = [
        Partition(source, url, _result_name(os.path.relpath(path, root), source))
        for url, path, source in found
    ]
    names = [one.name for one in partitions]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise DataError(
            f"The results of two tables of {dataset} would both be {twice}: rename one."
        )
    return partitions


def _result_name(path: str, source: Source) -> str:
    """Name results after their table: a CSV file keeps its name, others get .csv behind theirs."""
    if len(source.paths) > 1:  # a folder of .txt files
        return f"{source.stem}.csv"
    return path if path.lower().endswith(".csv") else f"{path}.csv"


def _remote_sources(dataset: str, format: str) -> Iterator[tuple[str, str, Source]]:
    """Yield address, path and source of each table on object storage."""
    with storage(dataset) as (files, path):
        files.invalidate_cache()
        several = glob.has_magic(path) or files.isdir(path)
        if glob.has_magic(path):
            found = files.glob(path)
        else:
            found = files.ls(path, detail=False) if several else [path] * files.exists(path)
    named = (PurePosixPath(one) for one in sorted(found) if not one.endswith("/"))
    tables = [
        (files.unstrip_protocol(str(one)), str(one), source)
        for one in named
        if not one.name.startswith((".", "_"))
        if (source := file_source(Path(one.name), format, in_folder=several))
        if source.format != "txt"
    ]
    if not tables:
        raise DataError(
            f"{dataset} names no table on object storage; expected .csv, .tsv, .jsonl (each also .gz) or .parquet."
        )
    yield from tables


@contextmanager
def storage(url: str) -> Iterator[tuple[Any, str]]:
    """Open the object storage of an address, and return it with the path within; tell its failures in a sentence.

    Raises:
        DataError: it cannot be read or written.
        MissingExtraError: the package for it is not installed.
        UsageError: no such kind of storage is known.
    """
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError("fsspec", "dask") from None
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = "s3fs" if url.startswith(("s3://", "s3a://")) else ""
        if not package:
            raise DataError(f"{url} cannot be used: {error}.") from error
        raise MissingExtraError(package, _EXTRAS[package]) from error
    except ValueError as error:
        raise UsageError(f"{url} is no address that fsspec knows: {error}.") from error
    failures = _failures(files)
    try:
        yield files, path
    except failures as error:
        raise DataError(f"{url} cannot be used: {str(error).rstrip('.')}.") from error


def _failures(files: Any) -> tuple[type[Exception], ...]:
    """Return what a kind of storage raises; that of S3 has errors of its own for no credentials and no connection."""
    if "s3" not in files.protocol:
        return (OSError,)
    from botocore.exceptions import BotoCoreError

    return OSError, BotoCoreError


@contextmanager
def fetched(partition: Partition) -> Iterator[Source]:
    """Have a table at hand as a file, and tell failures by its own address.

    Raises:
        DataError: it cannot be fetched, or what is done with it raises that.
    """
    if not partition.url:
        yield partition.source
        return
    with tempfile.TemporaryDirectory(prefix="ai_detect-") as folder:
        copy = Path(folder) / partition.source.paths[0].name
        with storage(partition.url) as (files, path):
            files.get_file(path, str(copy))
        try:
            yield replace(partition.source, paths=(copy,))
        except DataError as error:
            raise DataError(str(error).replace(str(copy), partition.url)) from error


@dataclass(frozen=True)
class ResultFolder:
    """A folder of results, one file for each table, and `_SUCCESS.json` when all are there."""

    output: str

    def prepare(self, partitions: Iterable[Partition]) -> None:
        """Refuse a folder that cannot be one of results, and take the summary of an older run away.

        Raises:
            DataError: it is a file, or results would replace the tables they are of.
        """
        tables = {one.address for one in partitions}
        clash = next((one.name for one in partitions if self._address(one.name) in tables), "")
        if clash:
            raise DataError(
                f"The results in {self.output} would replace the dataset's own {clash}: choose another --output."
            )
        with storage(self._address(SUMMARY)) as (files, path):
            if files.isfile(str(PurePosixPath(path).parent)):
                raise DataError(
                    f"{self.output} is a file, and --engine=dask writes a folder with a file of results for each "
                    "file of the dataset: choose another --output."
                )
            if files.exists(path):
                files.rm_file(path)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Return where to write results: on the disk to their own place, else to a file that is then put there."""
        if not is_remote(self.output):
            yield Path(self._address(name))
            return
        with tempfile.TemporaryDirectory(prefix="ai_detect-") as folder:
            aside = Path(folder) / "results.csv"
            yield aside
            with storage(self._address(name)) as (files, path):
                files.put_file(str(aside), path)

    def finish(self, names: Iterable[str], summary: Mapping[str, Any]) -> None:
        """Say that all results are there, after sweeping what workers left behind that were killed."""
        content = json.dumps(summary, indent=1) + "\n"
        with storage(self._address(SUMMARY)) as (files, path):
            if is_remote(self.output):
                files.pipe_file(path, content.encode())
                return
            for place in (Path(self._address(name)) for name in names):
                for left in place.parent.glob(f".{glob.escape(place.name)}.*.part"):
                    left.unlink(missing_ok=True)
            aside = Path(path).with_name(f".{SUMMARY}.part")
            aside.write_text(content, encoding="utf-8")
            aside.replace(path)

    def _address(self, name: str) -> str:
        if is_remote(self.output):
            return f"{self.output.rstrip('/')}/{name}"
        return str(Path(self.output).absolute() / name)
