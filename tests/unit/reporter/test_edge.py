"""What the reporter refuses before a route runs, over real sockets."""

import contextlib
import re
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from purposewatch_reporter.app import build_app
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import RunningServer, read_response, read_to_end, serving

POLICIES = Path(__file__).parents[3] / "policies"
TOKEN = "a token of enough letters"
MAX_BODY = 2_048
BODY_SECONDS = 0.3
SILENCES = b"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n"
AUTHORIZED = b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"


@contextlib.contextmanager
def reporter(directory: Path, **settings: object) -> Iterator[RunningServer]:
    """The reporter's application, which has not started anything."""
    given = {
        "database_url": f"sqlite+aiosqlite:///{directory / 'ledger.db'}",
        "policies_dir": POLICIES,
        "reporter_max_body_bytes": MAX_BODY,
        "reporter_body_timeout_seconds": BODY_SECONDS,
        **settings,
    }
    app, _ = build_app(ReporterSettings.model_validate(given))
    with serving(app, HttpLimits()) as running:
        yield running


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A reporter with a token."""
    with reporter(tmp_path_factory.mktemp("protected"), reporter_api_token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def open_to_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A reporter without a token, and with a name of its own."""
    with reporter(
        tmp_path_factory.mktemp("open"),
        reporter_public_url="https://privacy.example/page",
        reporter_allowed_hosts="Ledger.internal, [fd00::1]",
    ) as running:
        yield running


def get(path: str, host: str) -> bytes:
    """A request as a client of that host sends it."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("framing", [b"Content-Length: 300000000\r\n\r\n", CHUNKED])
def test_the_token_is_checked_before_the_body_is_read(
    protected: RunningServer, framing: bytes
) -> None:
    """401 although not a byte of the body was sent, and the connection ends."""
    with protected.connect(SILENCES + framing) as client:
        received = read_to_end(client)

    assert received.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: bearer" in received.lower()
    assert b"connection: close" in received.lower()
    assert b"urn:purposewatch:problem:unauthorized" in received


def test_no_address_of_the_api_is_open(protected: RunningServer) -> None:
    """Neither existing ones nor others, whatever the method."""
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        for path in ("/api/v1/counts", "/api/v1/silences", "/api/v1/silences/1", "/api/", "/api/x"):
            request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert protected.exchange(request.encode()).startswith(b"HTTP/1.1 401 "), path


def test_a_body_that_is_declared_too_large_is_not_read(protected: RunningServer) -> None:
    """413 at once, before any of it was sent."""
    declared = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1)
    received = protected.exchange(SILENCES + AUTHORIZED + declared)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"urn:purposewatch:problem:too-large" in received
    assert b"connection: close" in received.lower()


def test_a_chunked_body_is_not_read_beyond_the_limit(protected: RunningServer) -> None:
    """413 after the first chunk that is too much."""
    received = protected.exchange(SILENCES + AUTHORIZED + CHUNKED + CHUNK)

    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"urn:purposewatch:problem:too-large" in received


def test_an_unfinished_body_has_a_deadline(protected: RunningServer) -> None:
    """408 once it is over, and the connection ends."""
    started = time.monotonic()
    unfinished = b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    received = protected.exchange(SILENCES + AUTHORIZED + unfinished)

    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"urn:purposewatch:problem:body-timeout" in received
    assert time.monotonic() - started < BODY_SECONDS + 3
    assert b"connection: close" in received.lower()


def test_a_body_within_the_limit_is_read(protected: RunningServer) -> None:
    """What is wrong with it is said by the route."""
    body = b'{"reason": "%s"}' % (b"x" * 1_000)
    head = b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    received = protected.exchange(SILENCES + AUTHORIZED + head % len(body) + body)

    assert received.startswith(b"HTTP/1.1 422 ")


def test_a_form_needs_a_session_before_its_body(protected: RunningServer) -> None:
    """Without one it leads to the sign-in at once."""
    head = b"POST /account HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    received = protected.exchange(head)

    assert received.startswith(b"HTTP/1.1 303 ")
    assert b"location: /sign-in" in received.lower()
    assert b"connection: close" in received.lower()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"Content-Length: 300000000\r\n\r\n", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK, b"413"),
        (b"Content-Length: 50\r\n\r\nform=", b"408"),
    ],
    ids=["declared", "chunked", "unfinished"],
)
def test_a_form_that_anybody_may_send_is_bounded(
    protected: RunningServer, body: bytes, status: bytes
) -> None:
    """In size and in time, with a page that says so."""
    received = protected.exchange(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n" + body)

    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"content-security-policy" in received.lower()


def test_a_form_that_breaks_off_is_no_defect(protected: RunningServer) -> None:
    """Nobody is left to answer; the reporter goes on."""
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nform="
    with protected.connect(head) as client:
        client.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 500" not in read_to_end(client)
    with protected.connect(get("/livez", "localhost")) as client:
        assert b"200 OK" in read_response(client, until=b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/", "/api/v1/counts", "/metrics", "/livez", "/docs", "/x"])
def test_another_host_is_refused(open_to_this_machine: RunningServer, path: str) -> None:
    """A site whose name was made to lead here reads nothing, whatever it asks for."""
    for host in ("evil.example", "evil.example:8602", "localhost.evil.example", "[::2]", ""):
        received = open_to_this_machine.exchange(get(path, host))
        assert received.startswith(b"HTTP/1.1 421 "), (path, host)
        assert b"PURPOSEWATCH_REPORTER_ALLOWED_HOSTS" in received


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8602",
        "127.0.0.1:9",
        "[::1]:8602",
        "privacy.example",
        "ledger.internal",
        "[fd00::1]",
    ],
)
def test_its_own_names_are_accepted(open_to_this_machine: RunningServer, host: str) -> None:
    """This machine's, the public one's, and those that are set; on any port."""
    assert open_to_this_machine.exchange(get("/livez", host)).startswith(b"HTTP/1.1 200 ")


def test_with_a_token_any_name_is_accepted(protected: RunningServer) -> None:
    """Who reads the API has the token; Prometheus uses whatever name it was given."""
    assert protected.exchange(get("/livez", "reporter:8602")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/violations/", "/docs/", "/livez/", "/static-offline-docs"])
def test_no_redirect_repeats_a_foreign_host(protected: RunningServer, path: str) -> None:
    """An address with another slash does not exist."""
    received = protected.exchange(get(path, "evil.example"))

    assert received.startswith(b"HTTP/1.1 404 ")
    assert b"evil.example" not in received


@pytest.mark.parametrize(
    "path", ["/metrics", "/livez", "/api/v1/counts", "/openapi.json", "/asyncapi.json", "/docs"]
)
def test_no_browser_guesses_what_a_response_is(protected: RunningServer, path: str) -> None:
    """API, probes and documents have `nosniff`, once."""
    received = protected.exchange(get(path, "localhost")).lower()

    assert received.count(b"x-content-type-options: nosniff") == 1


@pytest.mark.parametrize("path", ["/docs", "/asyncapi"])
def test_documentation_is_as_protected_as_the_page(protected: RunningServer, path: str) -> None:
    """It runs scripts of this host only, none of them inline, and can't be framed."""
    head, _, page = protected.exchange(get(path, "localhost")).decode().partition("\r\n\r\n")

    assert "content-security-policy: default-src 'none'; script-src 'self';" in head.lower()
    assert "x-frame-options: deny" in head.lower()
    assert "'unsafe" not in head
    assert re.findall(r"<script(?![^>]*src=)", page) == []
    assert re.findall(r"\sstyle=|\son\w+=", page) == []


@pytest.mark.parametrize("loose", [False, True], ids=["new", "existing"])
async def test_only_its_user_reads_the_database(tmp_path: Path, *, loose: bool) -> None:
    """The SQLite file and those beside it are 0600, even if they were not."""
    file = tmp_path / "ledger.db"
    if loose:
        file.touch(0o644)
    database = Database(SecretStr(f"sqlite+aiosqlite:///{file}"))
    await database.start()
    async with database.writing() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
        modes = _modes(tmp_path)
    await database.stop()

    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)


def _modes(directory: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()}
