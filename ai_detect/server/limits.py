"""How much the service takes on: requests at a time, bytes of a body, seconds until an answer begins."""

import asyncio
import logging
from contextlib import ExitStack, suppress
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ai_detect.server import problems
from ai_detect.server.overload import Round, Threads
from ai_detect.server.problems import RETRY_SECONDS, Problem
from ai_detect.server.settings import Limits

logger = logging.getLogger(__name__)

UPLOAD = (
    "/api/v1/predict/file"  # has a limit of its own, and may take the time that a network needs
)
INLINE = 20_000  # characters of a request, or bytes, that are scored at once: a hop to a thread takes longer
_ALWAYS = ("/healthz", "/readyz", "/metrics")
_SLOW = "/api/v1/explain"
_PAUSE_SECONDS = 0.5


class Bounds:
    """Refuse what cannot be taken on: 503 with Retry-After is better than a queue that grows."""

    def __init__(self, app: ASGIApp, limits: Limits, threads: Threads) -> None:
        self._app = app
        self._limits = limits
        self._threads = threads
        self._at_work = 0
        self._round = Round()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413 or 503."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        n_bytes = _declared_bytes(scope)
        is_large = n_bytes > INLINE and scope["path"] != UPLOAD
        with ExitStack() as until_answered:
            try:
                if n_bytes > self._most(scope):
                    raise too_large(self._most(scope))
                self._take_on(until_answered, in_line=is_large or scope["path"] == _SLOW)
            except Problem as problem:
                if is_large and problem.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                    await self._hold_off(receive)
                await problems.answer(scope, problem)(scope, receive, send)
            else:
                await self._in_time(scope, receive, send)

    def _take_on(self, until_answered: ExitStack, *, in_line: bool) -> None:
        if self._at_work >= self._limits.max_concurrent:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._at_work} requests are at work already: try again in a moment.",
                retry_after=RETRY_SECONDS,
            )
        self._round.join()
        if in_line:
            until_answered.enter_context(self._threads.place())
        self._at_work += 1
        until_answered.callback(self._done)

    def _done(self) -> None:
        self._at_work -= 1

    def _most(self, scope: Scope) -> int:
        is_upload = scope["path"] == UPLOAD
        return self._limits.max_upload_bytes if is_upload else self._limits.max_body_bytes

    async def _hold_off(self, receive: Receive) -> None:
        """Let a large body come in slowly, and throw it away.

        Many clients take no answer before all is sent, and some send it again at once: that takes time from others.
        """
        await asyncio.sleep(_PAUSE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.timeout_seconds):
                while (await receive()).get("more_body"):
                    pass

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a request with a time-out until its answer begins; an answer takes as long as its reader."""
        most, n_bytes, has_begun = self._most(scope), 0, False
        seconds = None if scope["path"] == UPLOAD else self._limits.timeout_seconds

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > most:
                raise too_large(most)
            return message

        async def begun(message: Message) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                alarm.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(seconds) as alarm:
                await self._app(scope, counted, begun)
        except TimeoutError:
            if has_begun:
                raise
            logger.warning("request %s took longer than %d s", scope["request_id"], seconds)
            problem = Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"This took longer than {seconds} s: send less at a time, or try again later.",
                retry_after=RETRY_SECONDS,
            )
            await problems.answer(scope, problem)(scope, receive, send)


def _declared_bytes(scope: Scope) -> int:
    """Return the length of the body, or for an unknown one, which may be large, more than is scored at once."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    return INLINE + 1 if b"transfer-encoding" in headers else int(length) if length.isdigit() else 0


def too_large(most: int) -> Problem:
    """Say that a body is larger than it may be."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"At most {most} bytes are taken here: send less at a time, or many texts as a file.",
    )
