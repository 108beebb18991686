"""Bounds connections with TLS: the handshake takes a place and has a deadline, as headers do.

Servers of asyncio do the handshake before the protocol learns of the connection, so that any number
of clients could begin one and never finish it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from purposewatch_runtime.http.closing_transport import LINGER_SECONDS
from purposewatch_runtime.http.limits import HttpLimits
from purposewatch_runtime.http.tls import WithClientNames, certificate_names
from purposewatch_runtime.http.uvicorn_protocol import BoundedConfig, BoundedProtocol


class TlsConfig(BoundedConfig):
    """The configuration of a server that speaks TLS only.

    `context` is asked for every connection, so that a renewed certificate needs no restart.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpLimits,
        *,
        context: Callable[[], ssl.SSLContext],
        **options: Any,
    ) -> None:
        super().__init__(app, limits, protocol=TlsProtocol, **options)
        self.context = context


class _Handshake:
    """Stands for the connection's transport until there is one."""

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def abort(self) -> None:
        """Give up; the connection ends."""
        self._task.cancel()


class TlsProtocol(BoundedProtocol):
    """One connection, from before its handshake on.

    It is made twice: when it is accepted, and once it is secured.
    """

    def __init__(self, config: TlsConfig, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._context = config.context
        self._handshake: asyncio.Task[None] | None = None
        self._is_secured = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place and begin the handshake, or expect a request."""
        if self._handshake is None:
            self._handshake = self.loop.create_task(self._shake_hands(_taken_over(transport)))
            self.transport = _Handshake(self._handshake)  # type: ignore[assignment]
            self._take_place()
            return
        self._is_secured = True
        self._begin_http(transport)
        names = certificate_names(transport.get_extra_info("peercert"))
        if names:
            self.app = WithClientNames(self.app, names)
        self._expect_headers()

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(
                lambda: self,
                connection,
                ssl=self._context(),
                ssl_handshake_timeout=self._limits.header_timeout,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
        except (OSError, asyncio.CancelledError) as error:
            if not self._is_secured:
                self.logger.warning("TLS handshake failed (%s)", type(error).__name__)
                connection.close()
                # Nothing else tells a connection that was never made that it is over.
                self.connection_lost(ConnectionAbortedError())


def _taken_over(transport: asyncio.Transport) -> socket.socket:
    """The socket of a connection that was just accepted, of which nothing was read yet."""
    accepted = transport.get_extra_info("socket")
    connection = socket.fromfd(accepted.fileno(), accepted.family, accepted.type)
    connection.settimeout(0)
    transport.set_protocol(asyncio.Protocol())
    transport.abort()
    return connection
