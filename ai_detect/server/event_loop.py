"""uvloop, made to take in new clients soon even if it is busy.

libuv takes one connection in each round of its loop. With many at work a round takes long, so that new clients would
wait for seconds behind each other, unseen by all that keeps the line short. Here it is the more of them, the longer
the round before has taken; a worker with nothing to do takes few, and leaves the others theirs.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvloop

logger = logging.getLogger(__name__)

_AT_LEAST, _PER_SECOND = 2, 5000  # connections of a round
_PAUSE_SECONDS = 1.0


class Loop(uvloop.Loop):
    """The event loop of the service."""

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *args: Any,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> Any:
        """Serve a socket that listens, or whatever else as uvloop does."""
        if sock is None or options.get("ssl"):
            return await super().create_server(protocol_factory, *args, sock=sock, **options)
        return _Server(self, sock, protocol_factory)


class _Server:
    """Takes connections until it is closed; of asyncio's servers, what uvicorn asks for."""

    def __init__(
        self, loop: Loop, sock: socket.socket, protocol_factory: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._protocol_factory = protocol_factory
        self._beginning: set[asyncio.Task[Any]] = set()
        self._left_some_at = 0.0
        sock.setblocking(False)
        self._watch()

    def _watch(self) -> None:
        if self._sock:
            self._loop.add_reader(self._sock, self._take, self._sock)

    def _take(self, sock: socket.socket) -> None:
        """Take those that wait, or in the rounds to come if there are very many."""
        now, since = self._loop.time(), self._left_some_at
        self._left_some_at = 0.0
        for _ in range(_AT_LEAST + (int((now - since) * _PER_SECOND) if since else 0)):
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except (
                OSError
            ) as error:  # such as too many open files: what is at work has to end first
                logger.error("no connection can be taken: %s", error)
                self._loop.remove_reader(sock)
                self._loop.call_later(_PAUSE_SECONDS, self._watch)
                return
            connection.setblocking(False)
            task = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol_factory, connection)
            )
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
        self._left_some_at = now

    def close(self) -> None:
        """Take no more."""
        if self._sock:
            self._loop.remove_reader(self._sock)
            self._sock = None

    async def wait_closed(self) -> None:
        """Wait for those that are being taken."""
        if self._beginning:
            await asyncio.wait(self._beginning)
