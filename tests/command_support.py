"""What tests of commands share: one as it is typed in a folder, and waiting for another process."""

import io
import subprocess
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ai_detect import cli, log


def typed(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, since one of its own imports for a second or three.

    Returns: its exit code and what it printed.
    """
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = cli.main(list(argv))
    log.close()
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def wait_until(holds: Callable[[], Any], *, seconds: float = 60, pause: float = 0.02) -> Any:
    """Return what a condition gives as soon as that is true."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(pause)
    return found
