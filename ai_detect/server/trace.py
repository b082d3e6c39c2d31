"""Around every request: its id, its time, the headers of every answer, and an answer to what nobody expected."""

import logging
import re
import time
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ai_detect.server import problems, security
from ai_detect.server.problems import Problem
from ai_detect.server.telemetry import Telemetry

logger = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = [(name.lower().encode(), value.encode()) for name, value in security.HEADERS.items()]
_BUSY = 503
_GONE = 499  # the client went away before the answer


class Trace:
    """Name, time and count requests. The id is that of the client, if it gave a plain one, and stands in the log.

    Requests that went well are logged as DEBUG: the log is for what somebody has to look at, and writing to it takes
    longer than an essay. So are those turned away, of which there may be thousands a second; the metrics count them.
    """

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = scope["request_id"] = given if _ID.fullmatch(given) else uuid.uuid4().hex
        status, started = 0, time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    *_HEADERS,
                ]
            await send(message)

        self._telemetry.begin()
        try:
            await self._app(scope, receive, named)
        except Exception:  # the last place before the client
            logger.error("request %s failed", request_id, exc_info=True)
            if status:
                raise  # the answer has begun: only breaking it off tells that it is not whole
            await problems.answer(scope, _BUG)(scope, receive, named)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._telemetry.end(route, _method(scope), status or _GONE, seconds)
            level = logging.INFO if status >= 400 and status != _BUSY else logging.DEBUG
            if logger.isEnabledFor(level):
                logger.log(
                    level,
                    "request %s: %s %s %d, %.1f ms",
                    request_id,
                    _method(scope),
                    route,
                    status or _GONE,
                    1000 * seconds,
                )


_BUG = Problem(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "This is a bug of the service; its log holds the details under this id.",
)


def _method(scope: Scope) -> str:
    """Return the method, any odd one under one name: each is a series of the metrics."""
    known = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
