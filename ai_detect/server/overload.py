"""Who would wait too long is sent away at once: a late answer helps nobody, and takes the time of those behind it.

A pause of the machine is no overload, so with few in line nobody is sent away, however long it takes.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import ParamSpec, TypeVar

from ai_detect.server.problems import RETRY_SECONDS, Problem

P = ParamSpec("P")
T = TypeVar("T")

_FEW_AT_ONCE, _MOST_SECONDS_AT_ONCE = 32, 0.4
_FEW_IN_LINE, _MOST_SECONDS_IN_LINE = 8, 0.5
_CALLS_REMEMBERED = 16


class Round:
    """The requests that the event loop answers in one go before it looks for new ones."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._n = 0

    def join(self) -> None:
        """Take part in the round.

        Raises:
            Problem: it has taken too long already.
        """
        if not self._n:
            self._begun = time.monotonic()
            asyncio.get_running_loop().call_soon(self._end)  # runs after all that is ready now
        self._n += 1
        if self._n > _FEW_AT_ONCE and time.monotonic() - self._begun > _MOST_SECONDS_AT_ONCE:
            raise _busy()

    def _end(self) -> None:
        self._n = 0


class Threads:
    """Threads for what would hold up other requests, and the line before them.

    Args:
        count: of threads.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, "ai_detect")
        self._count = count
        self._in_line = 0
        self._seconds = 0.0  # of a call, a moving average

    @contextmanager
    def place(self) -> Iterator[None]:
        """Stand in line, from before a body is read until its answer is there.

        Raises:
            Problem: at the pace of late, it would take too long.
        """
        wait = self._in_line * self._seconds / self._count
        if self._in_line > _FEW_IN_LINE and wait > _MOST_SECONDS_IN_LINE:
            raise _busy()
        self._in_line += 1
        try:
            yield
        finally:
            self._in_line -= 1

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread as soon as one is free."""

        def timed() -> tuple[T, float]:
            began = time.monotonic()
            return function(*args, **kwargs), time.monotonic() - began

        result, seconds = await asyncio.get_running_loop().run_in_executor(self._pool, timed)
        self._seconds += (seconds - self._seconds) / _CALLS_REMEMBERED
        return result

    def close(self) -> None:
        """Forget what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _busy() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "More is asked than can be answered in time: try again in a moment.",
        retry_after=RETRY_SECONDS,
    )
