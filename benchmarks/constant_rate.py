"""A client that asks at a constant rate, whether it is answered or not: what waits in line counts as waiting.

A client that waits for its answer before it asks again asks less of a service that is slow, and so flatters it.
"""

import asyncio
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

_LINES = 64  # connections at first; more are opened when all are busy


class _Line(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] | None = None
        self._received = bytearray()
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def ask(self, request: bytes) -> int:
        """Return the status of the answer, 0 if the connection breaks."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or not self._answer:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        if len(body) >= int(length):
            self._received.clear()
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        if self._answer and not self._answer.done():
            self._answer.set_result(0)


async def ask_at(address: str, bodies: Iterable[bytes], rate: float) -> tuple[list[float], int]:
    """Post each body at its time.

    Args:
        address: of the service.
        bodies: JSON documents.
        rate: requests a second.

    Returns: milliseconds of each from the time it was due to its answer, and how many were not answered with 200.
    """
    url, loop = urlsplit(address), asyncio.get_running_loop()
    free: list[_Line] = []
    milliseconds: list[float] = []
    statuses: list[int] = []

    async def connect() -> _Line:
        _, line = await loop.create_connection(_Line, url.hostname or "", url.port or 80)
        return line

    async def ask(body: bytes, due: float) -> None:
        # A service closes connections that had nothing to do for some seconds.
        free[:] = [line for line in free if line.is_open]
        line = free.pop() if free else await connect()
        head = (
            f"POST /api/v1/predict HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        status = await line.ask(head.encode() + body)
        milliseconds.append(1000 * (time.perf_counter() - due))
        statuses.append(status)
        if status:
            free.append(line)

    free.extend([await connect() for _ in range(_LINES)])
    began, asked = time.perf_counter(), []
    for i, body in enumerate(bodies):
        due = began + i / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        asked.append(asyncio.create_task(ask(body, due)))
    await asyncio.gather(*asked)
    return milliseconds, sum(status != 200 for status in statuses)
