"""What the tests of clusters share: a real scheduler with real workers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command_support import wait_until

ROOT = Path(__file__).parents[1]


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def running(folder: Path, n_workers: int, env: dict[str, str]) -> Iterator[Cluster]:
    """Start a cluster by the commands that the documentation names, and end it."""
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    one = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    file = folder / "scheduler.json"
    with ExitStack() as stack:

        def start(*command: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / "cluster.log").open("ab"))
            # Where the workers run there is neither the checkout nor ./data.
            process = subprocess.Popen(
                [*dask, *command, *local],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        start("scheduler", "--port", "0", "--scheduler-file", str(file))
        address = json.loads(wait_until(lambda: file.exists() and file.read_text()))["address"]
        yield Cluster(address, [start("worker", address, *one) for _ in range(n_workers)])
