"""A TCP proxy between two parts of the system that can be cut like a network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from types import TracebackType

Cut: TypeAlias = Literal["reset", "blackhole"]

_CHUNK = 256 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: closing sends a reset


class Proxy:
    """Passes connections on from one port of the loopback interface to another.

    `cut("reset")` breaks all connections and refuses new ones. `cut("blackhole")` keeps them and
    takes new ones, but passes nothing on, as a firewall that drops packets. `heal` ends both:
    what was held back meanwhile then arrives late, as it does when packets are sent again.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def cut(self, manner: Cut) -> None:
        """Part the two sides."""
        if manner == "blackhole":
            self._flowing.clear()
            return
        self._refusing = True
        for writer in list(self._writers):
            _reset(writer)

    def heal(self) -> None:
        """Let everything pass again."""
        self._refusing = False
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            _reset(writer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        beyond: asyncio.StreamWriter | None = None
        try:
            await self._flowing.wait()
            if self._refusing:
                _reset(writer)
                return
            away, beyond = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(beyond)
            forth = asyncio.create_task(self._pass_on(reader, beyond))
            back = asyncio.create_task(self._pass_on(away, writer))
            try:
                # Either side's end is the end of both: neither protocol half-closes.
                await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                forth.cancel()
                back.cancel()
                await asyncio.gather(forth, back, return_exceptions=True)
        except OSError:
            pass  # nobody listens behind it: neither does it
        finally:
            for each in (writer, beyond):
                if each is not None:
                    self._writers.discard(each)
                    with contextlib.suppress(OSError, RuntimeError):
                        each.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that the other side notices at once."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
