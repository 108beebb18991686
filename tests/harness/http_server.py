"""An application behind the services' own HTTP server, on a port of the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from purposewatch_runtime.http.tls_protocol import TlsConfig
from purposewatch_runtime.http.uvicorn_protocol import BoundedConfig

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from purposewatch_runtime.http import HttpLimits

_PATIENCE = 10.0


class RunningServer:
    """A server in a thread of its own; nothing that the application starts is started."""

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpLimits,
        tls: Callable[[], ssl.SSLContext] | None = None,
        port: int = 0,
    ) -> None:
        options: dict[str, Any] = {"lifespan": "off", "loop": "uvloop"}
        self.config = (
            BoundedConfig(app, limits, **options)
            if tls is None
            else TlsConfig(app, limits, context=tls, **options)
        )
        self.server = uvicorn.Server(self.config)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self.listener.getsockname()[1]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self.server.server_state.connections)

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Open a connection and send something."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)
        client.sendall(sent)
        return client

    def exchange(self, sent: bytes) -> bytes:
        """Send something on a connection of its own and return all until the server ends it."""
        with self.connect(sent) as client:
            return read_to_end(client)


@contextlib.contextmanager
def serving(
    app: ASGIApp,
    limits: HttpLimits,
    tls: Callable[[], ssl.SSLContext] | None = None,
    port: int = 0,
) -> Iterator[RunningServer]:
    """Serve the application until the block ends."""
    running = RunningServer(app, limits, tls, port)
    options: dict[str, Any] = {"sockets": [running.listener]}
    thread = threading.Thread(target=running.server.run, kwargs=options)
    thread.start()
    try:
        wait_until(lambda: running.server.started)
        yield running
    finally:
        running.server.should_exit = True
        thread.join(_PATIENCE)
        running.listener.close()


def read_to_end(client: socket.socket) -> bytes:
    """Everything until the server ends the connection; a reset is an end as well."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65_536):
            received += chunk
    return received


def read_response(client: socket.socket, *, until: bytes) -> bytes:
    """What arrives up to and including `until`; the connection stays open."""
    received = b""
    while until not in received:
        chunk = client.recv(65_536)
        assert chunk, f"the connection ended after {received!r}"
        received += chunk
    return received


def wait_until(condition: Any) -> None:
    """Wait for something to become true, with a bound."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
