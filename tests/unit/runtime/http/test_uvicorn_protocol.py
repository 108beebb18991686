"""What a client can do to a server's connections, over real sockets.

When a test here fails after an update of uvicorn, read `uvicorn_protocol.py` beside the new release
and adapt it before raising the version here.
"""

import contextlib
import gc
import inspect
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from purposewatch_runtime.http import HttpLimits, uvicorn_protocol
from purposewatch_runtime.http.closing_transport import LINGER_BYTES
from purposewatch_runtime.http.limits import RESERVED_CONNECTIONS
from tests.harness.http_server import (
    RunningServer,
    read_response,
    read_to_end,
    serving,
    wait_until,
)

HEADER_TIMEOUT = 0.4
SEND_TIMEOUT = 0.4
MAX_CONNECTIONS = 4
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING_GET = b"GET /short HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UNFINISHED_BODY = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n["
UNFINISHED = b"GET /short HTTP/1.1\r\nHost: localhost\r\nX-More: "


class App:
    """Routes that read nothing, everything, or wait; and what they were asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.release = threading.Event()

    def routes(self) -> list[Route]:
        """Every route."""
        return [
            Route("/short", self.short, methods=["GET", "POST"]),
            Route("/read", self.read, methods=["POST"]),
            Route("/wait", self.wait),
            Route("/large", self.large),
            Route("/broken", self.broken),
            Route("/busy", self.busy),
            Route("/readyz", self.short),
        ]

    async def short(self, request: Request) -> Response:
        """Answer without a look at the body."""
        self.paths.append(request.url.path)
        return PlainTextResponse("short")

    async def busy(self, request: Request) -> Response:
        """Tell the client to wait."""
        self.paths.append(request.url.path)
        return PlainTextResponse("busy", status_code=503, headers={"Retry-After": "1"})

    async def read(self, request: Request) -> Response:
        """Answer with the size of the body."""
        return JSONResponse({"size": len(await request.body())})

    async def wait(self, _: Request) -> Response:
        """Answer when the test says so."""
        import asyncio  # noqa: PLC0415 - only this route waits

        self.paths.append("/wait")
        await asyncio.to_thread(self.release.wait, 10)
        return PlainTextResponse("waited")

    async def large(self, _: Request) -> Response:
        """Answer with 64 MiB."""
        return StreamingResponse(b"x" * 65_536 for _ in range(1_024))

    async def broken(self, _: Request) -> Response:
        """Fail."""
        raise RuntimeError


@pytest.fixture
def app() -> App:
    """What is served."""
    return App()


@pytest.fixture
def server(app: App) -> Iterator[RunningServer]:
    """A server with small limits."""
    limits = HttpLimits(
        max_connections=MAX_CONNECTIONS,
        header_timeout=HEADER_TIMEOUT,
        send_timeout=SEND_TIMEOUT,
    )
    with serving(Starlette(routes=app.routes()), limits) as running:
        yield running
        app.release.set()


def test_written_for_this_release() -> None:
    """How uvicorn serves a connection may change in every minor release."""
    assert version("uvicorn").startswith("0.54.")
    assert "uvicorn 0.54." in str(uvicorn_protocol.__doc__)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("__init__", ["self", "config", "server_state", "app_state", "_loop"]),
        ("connection_made", ["self", "transport"]),
        ("connection_lost", ["self", "exc"]),
        ("data_received", ["self", "data"]),
        ("on_response_complete", ["self"]),
        ("send_400_response", ["self", "msg"]),
    ],
)
def test_the_methods_that_are_extended(method: str, parameters: list[str]) -> None:
    """They take what they are called with."""
    assert list(inspect.signature(getattr(H11Protocol, method)).parameters) == parameters


def test_connections_are_kept_for_further_requests(server: RunningServer) -> None:
    """Ordinary clients see no difference: bodies are read, and pipelined requests answered."""
    post = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    with server.connect() as client:
        for _ in range(2):
            client.sendall(post)
            assert b"connection: close" not in read_response(client, until=b'{"size":5}').lower()
        client.sendall(GET % b"short" + GET % b"short")
        answered = read_response(client, until=b"short")
        if answered.count(b"200 OK") < 2:
            read_response(client, until=b"short")


def test_unfinished_headers_have_a_deadline(server: RunningServer) -> None:
    """However slowly they trickle: 408, then the connection ends."""
    started = time.monotonic()
    with server.connect(UNFINISHED) as client:
        client.settimeout(HEADER_TIMEOUT / 4)
        received = b""
        while not received:
            client.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                received = client.recv(65_536)
        received += read_to_end(client)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received.lower()
    assert HEADER_TIMEOUT <= time.monotonic() - started < 5


def test_a_silent_connection_ends(server: RunningServer) -> None:
    """Who sends nothing is sent nothing."""
    assert server.exchange(b"") == b""


def test_the_headers_of_a_later_request_have_the_same_deadline(server: RunningServer) -> None:
    """A connection that was once used is not open for ever."""
    with server.connect(GET % b"short") as client:
        read_response(client, until=b"short")
        client.sendall(UNFINISHED)
        assert read_to_end(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "request_line", [b"POST /short HTTP/1.1", b"POST /short HTTP/1.0"], ids=["1.1", "1.0"]
)
def test_a_body_framed_in_two_ways_is_refused(
    server: RunningServer, app: App, request_line: bytes
) -> None:
    """400, and what one framing would take for a second request is not answered."""
    received = server.exchange(
        request_line
        + b"\r\nHost: localhost\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"0\r\n\r\n"
        + GET % b"short"
    )

    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1
    assert b"connection: close" in received.lower()
    assert app.paths == []


def test_a_body_that_nobody_reads_ends_the_connection(server: RunningServer) -> None:
    """The response comes at once, says so, and the rest is not drained."""
    head = b"POST /short HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with server.connect(head + chunk) as client:
        received = read_response(client, until=b"short")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while sent < 300_000_000:
                client.sendall(chunk)
                sent += len(chunk)

    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in received.lower()
    assert sent < 4 * LINGER_BYTES


def test_a_client_that_is_still_sending_gets_the_response(server: RunningServer) -> None:
    """It may send ten megabytes before it reads: no reset destroys what it is told."""
    body = b"x" * 10_000_000
    head = b"POST /short HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with server.connect(head) as client:
        wait_until(lambda: client.recv(1, socket.MSG_PEEK))
        client.sendall(body)
        assert read_to_end(client).endswith(b"short")


def test_an_unfinished_body_that_nobody_reads_ends_soon(server: RunningServer) -> None:
    """A client that announces a body and sends nothing of it can't keep the connection."""
    head = b"POST /short HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
    started = time.monotonic()

    assert server.exchange(head).endswith(b"short")
    wait_until(lambda: server.connections == 0)
    assert time.monotonic() - started < 5


def test_a_client_that_reads_nothing_is_disconnected(server: RunningServer) -> None:
    """A response that nobody takes does not keep the connection."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(GET % b"large")
        wait_until(lambda: server.connections == 1)
        wait_until(lambda: server.connections == 0)


@pytest.mark.parametrize("unfinished", [UNFINISHED, UNFINISHED_BODY], ids=["headers", "body"])
def test_unfinished_requests_make_room_for_others(server: RunningServer, unfinished: bytes) -> None:
    """Far more connections than allowed stop neither a request nor a probe."""
    with contextlib.ExitStack() as attack:
        for _ in range(50 * MAX_CONNECTIONS):
            attack.enter_context(server.connect(unfinished))
        with server.connect(GET % b"short") as client:
            assert b"200 OK" in read_response(client, until=b"short")
        assert server.connections <= MAX_CONNECTIONS + RESERVED_CONNECTIONS


@pytest.mark.parametrize("pipelined", [1, 40])
def test_responses_that_nobody_reads_make_room_for_others(app: App, pipelined: int) -> None:
    """A client that reads nothing keeps its place only while nobody else needs it."""
    limits = HttpLimits(max_connections=MAX_CONNECTIONS, send_timeout=60)
    with (
        serving(Starlette(routes=app.routes()), limits) as server,
        contextlib.ExitStack() as attack,
    ):
        for _ in range(3 * MAX_CONNECTIONS):
            client = attack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(pipelined * (GET % b"large"))
        wait_until(lambda: server.exchange(CLOSING_GET).startswith(b"HTTP/1.1 200 "))


def test_probes_are_answered_while_every_place_has_a_request(
    server: RunningServer, app: App
) -> None:
    """Others get 503 with the time to try again; afterwards everything is as before."""
    with contextlib.ExitStack() as busy:
        clients = [
            busy.enter_context(server.connect(GET % b"wait")) for _ in range(MAX_CONNECTIONS)
        ]
        wait_until(lambda: len(app.paths) == MAX_CONNECTIONS)
        for _ in range(2 * RESERVED_CONNECTIONS):
            busy.enter_context(server.connect(UNFINISHED))
        refused = server.exchange(GET % b"short")
        probe = server.exchange(GET % b"readyz")
        app.release.set()
        for client in clients:
            assert b"200 OK" in read_response(client, until=b"waited")
        with server.connect(GET % b"short") as client:
            assert b"200 OK" in read_response(client, until=b"short")

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 2" in refused
    assert probe.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in probe.lower()


@pytest.mark.parametrize("path", [b"short", b"unknown", b"broken"])
def test_no_browser_guesses_what_a_response_is(server: RunningServer, path: bytes) -> None:
    """Whatever comes back, errors included, has `nosniff` once."""
    with server.connect(GET % path) as client:
        head = read_response(client, until=b"\r\n\r\n").lower()

    assert head.count(b"x-content-type-options: nosniff") == 1


def test_ended_connections_leave_nothing_to_collect(server: RunningServer) -> None:
    """The services collect garbage rarely: a connection in a cycle would occupy memory for long."""
    ended: weakref.WeakSet[Any] = weakref.WeakSet()
    gc.collect()
    gc.disable()
    try:
        for sent in (GET % b"short", UNFINISHED, UNFINISHED_BODY, b"POST /short"):
            with server.connect(sent):
                wait_until(lambda: server.connections == 1)
                ended.update(server.server.server_state.connections)
            wait_until(lambda: server.connections == 0)
        wait_until(lambda: len(ended) == 0)
    finally:
        gc.enable()


def test_what_is_not_http_is_refused(server: RunningServer) -> None:
    """400 as a problem document that no browser guesses about."""
    received = server.exchange(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"nosniff" in received
    assert b"urn:purposewatch:problem:invalid-http" in received


@pytest.mark.parametrize(
    "sent",
    [
        b"nothing\r\n\r\n",
        GET.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n") % b"short",
    ],
    ids=["invalid", "upgrade"],
)
def test_clients_cannot_fill_the_log(
    server: RunningServer, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    """What uvicorn logs of a request is logged a few times, not once for each."""
    for _ in range(20):
        with server.connect(sent) as client:
            read_response(client, until=b"HTTP/1.1 ")

    warnings = [record for record in caplog.records if record.name == "uvicorn.error"]
    assert 0 < len([record for record in warnings if record.levelname == "WARNING"]) <= 6


def test_only_its_own_configuration_is_accepted() -> None:
    """Without the limits there would be none."""
    config: Any = uvicorn.Config(Starlette())

    with pytest.raises(TypeError, match="BoundedConfig"):
        uvicorn_protocol.BoundedProtocol(config, None, {})  # type: ignore[arg-type]


def test_a_client_that_is_told_to_wait_waits() -> None:
    """The next request on its connection is read when it may come; others are answered before."""
    app = App()
    limits = HttpLimits(MAX_CONNECTIONS, 10, 10, enforces_retry_after=True)
    with serving(Starlette(routes=app.routes()), limits) as server:
        began = time.monotonic()
        with server.connect(GET % b"busy" + GET % b"busy") as client:
            read_response(client, until=b"busy")
            assert server.exchange(CLOSING_GET).endswith(b"short")
            read_response(client, until=b"busy")
        assert time.monotonic() - began >= 1
    assert app.paths == ["/busy", "/short", "/busy"]


def test_a_client_that_is_told_to_wait_is_trusted_by_default() -> None:
    """Without that limit the next request is read at once."""
    app = App()
    with serving(Starlette(routes=app.routes()), HttpLimits(MAX_CONNECTIONS, 10, 10)) as server:
        began = time.monotonic()
        answer = server.exchange(GET % b"busy" + CLOSING_GET)
        assert time.monotonic() - began < 1
    assert (answer.count(b"busy"), answer.endswith(b"short")) == (1, True)


def test_a_pause_makes_room_for_other_connections() -> None:
    """As many clients as there are places cannot hold them by being told to wait."""
    app = App()
    limits = HttpLimits(MAX_CONNECTIONS, 10, 10, enforces_retry_after=True)
    with serving(Starlette(routes=app.routes()), limits) as server, contextlib.ExitStack() as held:
        for _ in range(2 * MAX_CONNECTIONS):
            client = held.enter_context(server.connect(GET % b"busy"))
            read_response(client, until=b"busy")
        assert server.exchange(CLOSING_GET).endswith(b"short")
