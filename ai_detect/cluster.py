"""A cluster of Dask: many processes, here or on many machines, that work for this one.

Workers are told what to do by a scheduler, which runs a task again if it fails or its worker dies.
"""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tqdm import tqdm

from ai_detect.errors import DataError, MissingExtraError, UsageError
from ai_detect.text import table_fingerprint

logger = logging.getLogger(__name__)

RETRIES = 2  # of a task that failed, be it for a reason that will not go away
_CONNECT_SECONDS = 10
_LARGEST_MODEL = "2 GiB"


def check_engine(engine: str, scheduler: str) -> bool:
    """Tell whether the engine is a cluster.

    Raises:
        UsageError: there is no such engine, or a scheduler without one.
    """
    if engine not in ("", "dask"):
        raise UsageError(f"--engine={engine} is unknown; expected dask, or none for this process.")
    if scheduler and not engine:
        raise UsageError("--scheduler goes with --engine=dask: give both.")
    return bool(engine)


@contextmanager
def connected(scheduler: str, *, n_workers: int) -> Iterator[Any]:
    """Return a client of a scheduler, or of processes on this machine if none is named.

    Args:
        scheduler: such as tcp://HOST:PORT, or "".
        n_workers: processes to start, if no scheduler is named.

    Raises:
        MissingExtraError: Dask is not installed.
        UsageError: the scheduler does not answer, has no workers, or they have another ai_detect.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingExtraError("dask", "dask") from None
    with ExitStack() as stack:
        # Dask warns of large tasks since they are sent again and again, which a model is not.
        settings = {"distributed.admin.large-graph-warning-threshold": _LARGEST_MODEL}
        stack.enter_context(dask.config.set(settings))
        if scheduler:
            address: Any = _answering(scheduler)
        else:
            cluster = LocalCluster(
                n_workers=n_workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            )
            address = stack.enter_context(cluster)
        try:
            client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise _silent(scheduler) from error
        stack.enter_context(client)
        _check_workers(client, scheduler)
        yield client


def _answering(scheduler: str) -> str:
    """Return the address of a scheduler if one is there; where something else is, Dask itself would wait for ever."""
    from distributed.comm.addressing import get_address_host_port

    try:
        host, port = get_address_host_port(scheduler)
    except ValueError as error:
        raise UsageError(
            f"--scheduler={scheduler} is no address of a scheduler: expected tcp://HOST:PORT."
        ) from error
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS) as peer:
            spoke = scheduler.startswith("tls") or peer.recv(1)  # a scheduler greets first
    except OSError as error:
        raise _silent(scheduler) from error
    if not spoke:
        raise _silent(scheduler)
    return scheduler


def _silent(scheduler: str) -> UsageError:
    return UsageError(
        f"No Dask scheduler answers at {scheduler}: start one with `dask scheduler`, or leave out --scheduler to use "
        "processes on this machine."
    )


def _check_workers(client: Any, scheduler: str) -> None:
    """Refuse a cluster without workers, and workers that would not give the same rows as this process."""
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        raise UsageError(
            f"The scheduler at {scheduler} has no workers: start some with `dask worker {scheduler}`."
        ) from error
    try:
        others = client.run(_versions)
    except ImportError as error:
        raise UsageError(
            f"The workers of {scheduler} lack a package: {error}. Install ai_detect[dask] where they run."
        ) from error
    for worker, versions in others.items():
        if versions != _versions():
            raise UsageError(
                f"The worker {worker} has another ai_detect than this process (version {versions[0]}): install the "
                "same one in both places."
            )


def _versions() -> tuple[str, str]:
    """Return what has to be the same everywhere: the version, and the table that normalises texts."""
    from ai_detect import __version__

    return __version__, table_fingerprint()


def share(client: Any, value: Any) -> Any:
    """Send a value to the cluster, where each worker that needs it gets it once, also one that starts later.

    As the result of a task it is not lost with a worker either, unlike what `scatter` sends.
    """
    return client.submit(_same, value, pure=False, retries=RETRIES)


def _same(value: Any) -> Any:
    return value


def finished(client: Any, futures: Sequence[Any], what: str) -> Iterator[Any]:
    """Yield futures as they finish, however they do, and show how many have."""
    from distributed import as_completed

    done = as_completed(futures, loop=client.loop)
    yield from tqdm(done, what, len(futures), unit=" tables", disable=None, leave=False)


def result(future: Any, name: str) -> Any:
    """Return what a task gave for a table of that name.

    Raises:
        DataError: whatever worker ran the task died of it; or what the task itself raised.
    """
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise DataError(
            f"Worker after worker died while {name} was worked on, perhaps for want of memory: look into "
            "their logs."
        ) from error
