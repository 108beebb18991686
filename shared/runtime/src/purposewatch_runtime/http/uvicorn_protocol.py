"""Bounds connections in uvicorn, which has no deadline for headers and no cap. For uvicorn 0.54.

The only module that depends on how uvicorn serves a connection;
`tests/unit/runtime/http/test_uvicorn_protocol.py` fails when a release changes it.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from purposewatch_runtime.http.closing_transport import ClosingTransport
from purposewatch_runtime.http.connections import OpenConnections, Place
from purposewatch_runtime.http.edge import HttpEdge, ProbesOnly, problem
from purposewatch_runtime.http.limits import RESERVED_CONNECTIONS, HttpLimits
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

_MAX_HEADER_BYTES = 16 * 1024
_WARN_EVERY_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 5.0

_log = get_logger(__name__)


class BoundedConfig(uvicorn.Config):
    """The configuration of a server whose connections have limits.

    Only `trusted_proxies` (addresses or networks, separated by commas) may say in X-Forwarded-For
    whom a request comes from. uvicorn by itself believes every process of this host, and further
    names in an environment variable of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: HttpLimits,
        *,
        trusted_proxies: str | None = None,
        protocol: "type[BoundedProtocol] | None" = None,
        **options: Any,
    ) -> None:
        super().__init__(
            HttpEdge(app),
            http=protocol or BoundedProtocol,
            ws="none",
            access_log=False,
            server_header=False,
            log_config=None,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies or "",
            **options,
        )
        self.limits = limits
        self.open_connections = OpenConnections[BoundedProtocol](
            ordinary=limits.max_connections, reserve=RESERVED_CONNECTIONS
        )
        self.warnings = BoundedWarnings(logging.getLogger("uvicorn.error"))
        self._warned = -_WARN_EVERY_SECONDS

    def warn_full(self, now: float) -> None:
        """Log that the limit is reached, once a minute."""
        if now - self._warned >= _WARN_EVERY_SECONDS:
            self._warned = now
            _log.warning(
                "connection limit reached; those that wait for clients are closed for new ones",
                limit=self.limits.max_connections,
            )


class BoundedWarnings(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's logger, with a bound on each warning: clients cause them, as often as they like."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__(logger)
        self._limiter = LogLimiter()

    @property
    def level(self) -> int:
        """The logger's own level."""
        return self.logger.level

    def warning(self, msg: object, *args: Any, **options: Any) -> None:
        """Log the warning, unless it was logged often of late."""
        if self._limiter.admit(str(msg), time.monotonic()) is not None:
            super().warning(msg, *args, **options)


class StrictConnection(h11.Connection):
    """Says when headers and when a whole request have arrived, and what `Retry-After` was sent.

    Refuses a body framed in two ways.

    A proxy in front may believe the other framing, and take the rest for another client's request
    (RFC 9112, section 6.1).
    """

    def __init__(self, *, on_headers: Callable[[], None], on_request: Callable[[], None]) -> None:
        super().__init__(h11.SERVER, _MAX_HEADER_BYTES)
        self._on_headers = on_headers
        self._on_request = on_request
        self.retry_after = 0.0
        """The seconds that the latest response tells the client to wait."""

    def send(self, event: h11.Event) -> Any:
        """The event as bytes."""
        if isinstance(event, h11.Response):
            stated = next((value for name, value in event.headers if name == b"retry-after"), b"0")
            self.retry_after = float(stated) if stated.isdigit() else 0.0
        return super().send(event)

    def detach(self) -> None:
        """Call nothing any more, so that the connection's objects form no cycle."""
        self._on_headers = self._on_request = _ignore

    def is_receiving(self) -> bool:
        """Whether the client may still be sending a request that nobody will read."""
        return self.their_state in (h11.SEND_BODY, h11.ERROR)

    def next_event(self) -> Any:
        """The next event; raises `h11.RemoteProtocolError` for a request that is refused."""
        event = super().next_event()
        if isinstance(event, h11.EndOfMessage):
            self._on_request()
        elif isinstance(event, h11.Request):
            self._on_headers()
            names = {name.lower() for name, _ in event.headers.raw_items()}
            if b"transfer-encoding" in names and (
                b"content-length" in names or event.http_version < b"1.1"
            ):
                message = "Content-Length beside Transfer-Encoding, or before HTTP/1.1"
                raise h11.RemoteProtocolError(message)
        return event


def _ignore() -> None:
    pass


class BoundedProtocol(H11Protocol):
    """One connection: deadlines for headers and for a client that stops reading, and a place."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not isinstance(config, BoundedConfig):
            message = "BoundedProtocol needs a BoundedConfig"
            raise TypeError(message)
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = config
        self._limits = config.limits
        self._strict = StrictConnection(
            on_headers=self._headers_arrived, on_request=self._request_arrived
        )
        self.conn = self._strict
        self.logger = config.warnings  # type: ignore[assignment]
        self._headers_due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._paused: asyncio.TimerHandle | None = None
        self._awaits_headers = True
        self._has_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place; a connection without one ends at once."""
        self._begin_http(transport)
        if self._take_place():
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._bounds.open_connections.remove(self)
        for timer in (self._headers_due, self._stalled, self._paused):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self._strict.detach()

    def data_received(self, data: bytes) -> None:
        """Read on; what arrives after the last response is discarded."""
        if isinstance(self.transport, ClosingTransport) and self.transport.is_closing():
            self.transport.discard(len(data))
            return
        super().data_received(data)
        if self._awaits_headers and self._headers_due is None:
            self._expect_headers()

    def on_response_complete(self) -> None:
        """Wait for the next request: at once, or when the client is to send again.

        During the pause the connection makes room for a new one like every other that waits.
        """
        self._awaits_headers = True
        self._has_request = False
        self._update_place()
        pause = min(self._strict.retry_after, _LONGEST_PAUSE_SECONDS)
        pause *= random.uniform(1, 2)  # noqa: S311 - so that those refused together do not come together
        if pause and self._limits.enforces_retry_after and not self.transport.is_closing():
            self._paused = self.loop.call_later(pause, super().on_response_complete)
        else:
            super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not keep up: it has a while to read on."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.send_timeout, self.transport.abort)
        self._update_place()

    def resume_writing(self) -> None:
        """The client has read on."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self._update_place()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not valid HTTP, and close."""
        self._refuse(HTTPStatus.BAD_REQUEST, "invalid-http", msg)

    def _begin_http(self, transport: asyncio.Transport) -> None:
        closing = ClosingTransport(
            transport,
            self.loop,
            send_timeout=self._limits.send_timeout,
            is_receiving=self._strict.is_receiving,
        )
        super().connection_made(closing)

    def _take_place(self) -> bool:
        """Whether there is a place; without one the connection is aborted."""
        place, evicted = self._bounds.open_connections.admit(self)
        if evicted is not None or place is not Place.ORDINARY:
            self._bounds.warn_full(self.loop.time())
        if evicted is not None:
            evicted.transport.abort()
        if place is None:
            self.transport.abort()
            return False
        if place is Place.RESERVE:
            self.app = ProbesOnly(self.app)
        return True

    def _expect_headers(self) -> None:
        self._headers_due = self.loop.call_later(self._limits.header_timeout, self._headers_late)

    def _headers_arrived(self) -> None:
        self._awaits_headers = False
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _request_arrived(self) -> None:
        self._has_request = True
        self._update_place()

    def _update_place(self) -> None:
        if self._has_request and self._stalled is None:
            self._bounds.open_connections.begin_request(self)
        else:
            self._bounds.open_connections.wait_for_client(self)

    def _headers_late(self) -> None:
        has_begun = bool(self.conn.trailing_data[0])
        if has_begun and not self.transport.is_closing():
            detail = f"the headers took more than {self._limits.header_timeout:g} s to arrive"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "header-timeout", detail)
        self.transport.close()

    def _refuse(self, status: HTTPStatus, name: str, detail: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(problem(status, name, detail)).encode()
            headers = [
                ("Content-Type", "application/problem+json"),
                ("Content-Length", str(len(body))),
                ("X-Content-Type-Options", "nosniff"),
                ("Connection", "close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # the application, if it still reads, learns it now
            cycle.message_event.set()
        self.transport.close()
