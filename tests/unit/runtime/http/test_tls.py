"""TLS, with real connections."""

import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from purposewatch_runtime.http import (
    HttpLimits,
    TlsError,
    TlsFiles,
    client_names,
    server_context,
)
from tests.harness.certificates import Authority
from tests.harness.http_server import RunningServer, read_to_end, serving, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LIMITS = HttpLimits(max_connections=4, header_timeout=1.5, send_timeout=2.0)


async def show(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says by which scheme, and from whom, a request came."""
    request = Request(scope, receive)
    names = ",".join(sorted(client_names(scope)))
    response = JSONResponse({"scheme": request.url.scheme, "names": names})
    await response(scope, receive, send)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who issues the certificates of server and clients."""
    return Authority(tmp_path)


def ask(running: RunningServer, context: ssl.SSLContext, request: bytes = GET) -> bytes:
    """Send a request and return all until the server ends the connection."""
    with (
        running.connect() as raw,
        context.wrap_socket(raw, server_hostname="localhost") as client,
    ):
        client.sendall(request)
        return read_to_end(client)


def test_application_learns_the_names_of_the_client(authority: Authority) -> None:
    """All of them: common name, DNS names and URIs; none without a certificate."""
    names = x509.DNSName("crm.example"), x509.UniformResourceIdentifier("spiffe://example/crm")
    server = authority.server()
    with serving(show, LIMITS, lambda: server) as running:
        known = ask(running, authority.client(authority.issue("crm", *names)))
        assert b'"names":"CN:crm,DNS:crm.example,URI:spiffe://example/crm"' in known
        unknown = ask(running, authority.client())
        assert b'{"scheme":"https","names":""}' in unknown


def test_certificate_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    """The handshake fails; without TLS nothing is answered either."""
    forged = Authority(tmp_path, "other").issue("crm")
    server = authority.server()
    with serving(show, LIMITS, lambda: server) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012 - TLS 1.3: seen later
            answer = ask(running, authority.client(forged))
            raise ConnectionError(answer or "ended")
        assert running.exchange(GET) == b""
        assert b"https" in ask(running, authority.client())
        wait_until(lambda: not running.config.open_connections.count)


def test_request_that_arrives_with_the_end_of_the_handshake_is_answered(
    authority: Authority,
) -> None:
    """Clients of TLS 1.3 send both at once."""
    server = authority.server()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with serving(show, LIMITS, lambda: server) as running, running.connect() as raw:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65_536))
        client.write(GET)
        raw.sendall(outgoing.read())  # the handshake's end and the request
        incoming.write(read_to_end(raw))
        answer = b""
        while chunk := client.read(65_536):
            answer += chunk
        assert b'"scheme":"https"' in answer


def test_unfinished_handshakes_make_room_and_end(authority: Authority) -> None:
    """They hold places like every client that is waited for, and have the headers' deadline."""
    server = authority.server()
    with serving(show, LIMITS, lambda: server) as running:
        silent = [running.connect(b"\x16\x03\x01"[:n]) for n in (0, 1, 2, 3) * 5]
        assert b"https" in ask(running, authority.client())
        begun = time.monotonic()
        for each in silent:
            assert read_to_end(each) == b""
            each.close()
        assert time.monotonic() - begun < 3 * LIMITS.header_timeout
        wait_until(lambda: not running.config.open_connections.count)


def test_renewed_certificate_is_served_to_new_connections(authority: Authority) -> None:
    """Without a restart; connections that are open go on."""
    current = authority.server()
    with serving(show, LIMITS, lambda: current) as running:
        assert b"https" in ask(running, authority.client())
        current = authority.server("renewed.example")
        with (
            running.connect() as raw,
            authority.client().wrap_socket(raw, server_hostname="renewed.example") as client,
        ):
            client.sendall(GET)
            assert b"https" in read_to_end(client)


def test_client_that_is_still_sending_gets_the_response(authority: Authority) -> None:
    """Closing a connection with unread data must not destroy the response."""
    server = authority.server()
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n"
    with serving(show, LIMITS, lambda: server) as running:
        assert b"200 OK" in ask(running, authority.client(), head + bytes(8_000_000))


def test_client_that_does_not_close_is_let_go(authority: Authority) -> None:
    """A connection that the server has ended does not hold its place for half a minute."""
    server = authority.server()
    with (
        serving(show, LIMITS, lambda: server) as running,
        running.connect() as raw,
        authority.client().wrap_socket(raw, server_hostname="localhost") as client,
    ):
        client.sendall(GET)
        while client.recv(65_536):
            pass
        wait_until(lambda: not running.config.open_connections.count)


def test_files_that_cannot_be_used_are_an_error(authority: Authority, tmp_path: Path) -> None:
    """At the start, and when they change: a missing file, another's key, no authority."""
    good, other = authority.issue("a"), authority.issue("b")
    key = tmp_path / "key.pem"
    key.write_text(other.read_text().partition("-----END CERTIFICATE-----\n")[2])
    empty = tmp_path / "empty.pem"
    empty.touch()
    for files in (
        TlsFiles(tmp_path / "missing.pem"),
        TlsFiles(good, key),
        TlsFiles(empty),
        TlsFiles(good, client_cafile=empty),
    ):
        with pytest.raises(TlsError, match="can't be loaded"):
            server_context(files)


def test_old_versions_are_refused(authority: Authority) -> None:
    """TLS 1.1 and before."""
    server = authority.server()
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2
    with serving(show, LIMITS, lambda: server) as running:
        old = authority.client()
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with running.connect() as raw, pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(raw, server_hostname="localhost")
