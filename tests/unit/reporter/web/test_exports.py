"""Exports: how many run at once, what a file says that was cut off, and the trail of them."""

import asyncio
import csv
import io
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from purposewatch_reporter.findings.export_trail import End, Export, read_exports
from purposewatch_reporter.findings.queries import export
from purposewatch_reporter.findings.queries.export import COLUMNS, exported
from purposewatch_reporter.findings.queries.filters import Filters
from purposewatch_reporter.findings.queries.rows import load_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web import export_response
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.export_slots import (
    ExportLimits,
    ExportSlots,
    NoExportSlotError,
    Taken,
)
from tests.unit.reporter.web.conftest import Browser, Clock, page_app


class Download:
    """A request for a file whose client reads when it is told to."""

    def __init__(self, app: Any, browser: Browser, path: str = "/violations.csv") -> None:
        token = browser.http.cookies["purposewatch_session"]
        self._reads = asyncio.Event()
        self._leaves = asyncio.Event()
        self._starts = asyncio.Event()
        self.status = 0
        self.body = b""
        self.is_terminated = False
        headers = [(b"host", b"desk"), (b"cookie", f"purposewatch_session={token}".encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "http_version": "1.1",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.7", 5000),
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._starts.set()
        else:
            await self._reads.wait()
            self.body += message.get("body", b"")
            self.is_terminated = not message.get("more_body", False)

    async def started(self) -> None:
        """Wait for the answer's head."""
        await self._starts.wait()

    async def read(self) -> None:
        """Read everything, to the end of the answer."""
        self._reads.set()
        await self.task

    async def leave(self) -> None:
        """Close the connection."""
        self._leaves.set()
        await self.task


async def trail(desk: WebApp) -> list[Export]:
    """The trail, the latest export first."""
    async with desk.database.reading() as connection:
        return list((await read_exports(connection, 1))[0])


async def fail(*_: Any) -> Any:
    """Do what the driver does when the server is away."""
    statement = "SELECT"
    raise OperationalError(statement, {}, Exception("gone"))


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read one row at a time, so that an export can be cut off between two."""
    monkeypatch.setattr(export, "_CHUNK", 1)
    monkeypatch.setattr(export, "_WALK_CHUNK", 1)


def fail_after(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let the database go away after so many rows."""
    left = [rows]

    async def load_or_fail(*arguments: Any) -> Any:
        left[0] -= 1
        return await (fail() if left[0] < 0 else load_rows(*arguments))

    monkeypatch.setattr(export, "load_rows", load_or_fail)


def test_slots_are_counted_by_session_and_in_the_process() -> None:
    """One that is released can be taken again."""
    slots = ExportSlots(ExportLimits(process=2, session=1, longest=None))  # type: ignore[arg-type]
    slots.take("a")
    with pytest.raises(NoExportSlotError) as refused:
        slots.take("a")
    assert refused.value.taken is Taken.SESSION
    slots.take("b")
    with pytest.raises(NoExportSlotError) as refused:
        slots.take("c")
    assert refused.value.taken is Taken.PROCESS
    slots.release("a")
    slots.take("c")


async def test_a_session_exports_one_file_at_a_time(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """A second one is refused at once, says why and when to come back, and is in no trail."""
    running = Download(desk[0], officer)
    await running.started()

    refused = await officer.get("/violations.jsonl")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "An export of yours is still running" in refused.text
    assert "content-disposition" not in refused.headers

    await running.read()
    assert (await officer.get("/violations.jsonl")).status_code == 200
    assert len(await trail(desk[1])) == 2


async def test_a_process_runs_two_exports_at_a_time(
    desk: tuple[Any, WebApp], officer: Browser, viewer: Browser
) -> None:
    """Whoever asks for them."""
    third = Browser(desk[0], "http://desk")
    async with third.http:
        await third.sign_in("victor")
        running = [Download(desk[0], officer), Download(desk[0], viewer)]
        for each in running:
            await each.started()

        refused = await third.get("/violations.csv")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "Other exports are running" in refused.text

        await running[0].leave()
        assert (await third.get("/violations.csv")).status_code == 200
        await running[1].read()


async def test_an_export_that_can_not_be_recorded_does_not_begin(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing leaves that the trail does not show; the slot is free again."""
    for _ in range(2):
        with monkeypatch.context() as away:
            away.setattr("purposewatch_reporter.web.pages.export.append_start", fail)
            answer = await officer.get("/violations.csv")
        assert answer.status_code == 503
        assert "The database does not respond" in answer.text
    assert (await officer.get("/violations.csv")).status_code == 200


@pytest.mark.usefixtures("one_by_one")
async def test_a_csv_file_that_was_cut_off_says_so(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its last line, which has as many cells as the others; and it is not terminated."""
    fail_after(monkeypatch, 3)
    download = Download(desk[0], officer)
    await download.read()

    lines = list(csv.reader(io.StringIO(download.body.decode())))
    assert [len(line) for line in lines] == [len(COLUMNS)] * 5
    assert lines[-1][0] == "incomplete: the database did not respond after 3 rows"
    assert not download.is_terminated
    [export] = await trail(desk[1])
    assert (export.end, export.rows) == (End.DATABASE, 3)


@pytest.mark.usefixtures("one_by_one")
async def test_a_json_file_that_was_cut_off_says_so(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its last line; and it is not terminated."""
    fail_after(monkeypatch, 3)
    download = Download(desk[0], officer, "/violations.jsonl")
    await download.read()

    lines = [json.loads(line) for line in download.body.splitlines()]
    assert len(lines) == 4
    assert lines[-1] == {"incomplete": True, "reason": "the database did not respond", "rows": 3}
    assert not download.is_terminated


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application at an address of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.mark.usefixtures("one_by_one")
async def test_a_client_sees_that_a_file_is_truncated(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By HTTP itself, and the last line has arrived."""
    fail_after(monkeypatch, 3)
    cookies = dict(officer.http.cookies)
    received = b""

    async def receive(answer: httpx.Response) -> None:
        nonlocal received
        async for part in answer.aiter_bytes():
            received += part

    async with (
        served(desk[0]) as address,
        httpx.AsyncClient(cookies=cookies) as client,
        client.stream("GET", f"{address}/violations.csv") as answer,
    ):
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
            await receive(answer)

    assert b"incomplete: the database did not respond after 3 rows" in received.splitlines()[-1]


@pytest.mark.usefixtures("one_by_one")
async def test_an_export_that_takes_too_long_is_cut_off(
    filled: Database, officer: Browser, clock: Clock
) -> None:
    """It says so, and others can export."""
    app, desk = page_app(filled, clock, reporter_export_minutes=0.05 / 60)
    download = Download(app, officer)
    await download.started()
    await asyncio.sleep(0.1)
    await download.read()

    assert b"incomplete: the time limit was reached after 0 rows" in download.body
    assert [each.end for each in await trail(desk)] == [End.TIME]


async def test_a_client_that_reads_nothing_is_cut_off(
    desk: tuple[Any, WebApp], officer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep others from exporting."""
    monkeypatch.setattr(export_response, "_STALLED_SECONDS", 0.05)
    download = Download(desk[0], officer)
    await download.task

    assert [each.end for each in await trail(desk[1])] == [End.CLIENT]
    assert (await officer.get("/violations.csv")).status_code == 200


async def test_an_export_ends_with_the_process(desk: tuple[Any, WebApp], officer: Browser) -> None:
    """The server cancels what takes too long at a shutdown; the file and the trail say so."""
    download = Download(desk[0], officer)
    await download.started()
    await asyncio.sleep(0)
    download._reads.set()
    download.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await download.task

    assert b"incomplete: the reporter stopped after 0 rows" in download.body
    assert [each.end for each in await trail(desk[1])] == [End.STOPPED]


@pytest.mark.usefixtures("one_by_one")
async def test_an_export_pauses_as_long_as_it_works(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares the event loop with the writer of the ledger."""

    async def load_slowly(*arguments: Any) -> Any:
        time.sleep(0.02)  # noqa: ASYNC251 - holds the event loop, as encoding does
        return await load_rows(*arguments)

    monkeypatch.setattr(export, "load_rows", load_slowly)
    started = time.monotonic()
    rows = [row async for part in exported(filled.requests, Filters()) for row in part]

    assert len(rows) == 8
    assert time.monotonic() - started > 2 * 8 * 0.02


async def test_the_trail_shows_who_exported_what(
    desk: tuple[Any, WebApp], officer: Browser, viewer: Browser, clock: Clock
) -> None:
    """When, with which filters, in which format, how many rows, and how it ended."""
    await officer.get("/violations.csv?outcome=unknown&role=visitor&order=oldest")
    clock.forward(minutes=1)
    running = Download(desk[0], viewer, "/violations.jsonl")
    await running.started()

    exports = await trail(desk[1])
    assert [(e.author, e.format, e.filters, e.rows, e.end) for e in exports] == [
        ("victor", "jsonl", {}, None, None),
        ("olivia", "csv", {"outcome": "unknown", "role": "visitor"}, 2, End.FINISHED),
    ]
    assert exports[0].started_time == clock.now
    page = (await viewer.get("/exports")).text
    assert page.index("victor</td>") < page.index("olivia</td>")
    assert "All violations" in page
    assert '<a href="/violations?role=visitor&amp;outcome=unknown">' in page
    assert "Finished" in page
    assert "No end recorded" in page
    assert 'href="/exports"' in (await viewer.get("/violations")).text
    await running.leave()
    assert "Cut off: the connection was closed" in (await viewer.get("/exports")).text
    viewer.http.cookies.set("purposewatch_language", "zh")
    assert "连接被关闭" in (await viewer.get("/exports")).text


async def test_the_trail_has_pages(
    desk: tuple[Any, WebApp], officer: Browser, clock: Clock
) -> None:
    """The latest exports first."""
    for _ in range(51):
        clock.forward(seconds=1)
        await officer.get("/violations.jsonl?role=none")

    first, second = (
        (await officer.get("/exports")).text,
        (await officer.get("/exports?page=2")).text,
    )
    assert (first.count("Finished"), second.count("Finished")) == (50, 1)
    assert 'href="/exports?page=2"' in first
    assert 'href="/exports?page=1"' in second


async def test_asking_for_the_head_exports_nothing(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """Nobody has read anything, so nothing is in the trail."""
    answer = await officer.http.head("/violations.csv")

    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content == b""
    assert await trail(desk[1]) == []


@pytest.mark.parametrize("table", ["exports", "export_ends"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = ''", "DELETE FROM {}"])
async def test_the_trail_of_exports_can_only_grow(
    desk: tuple[Any, WebApp], officer: Browser, table: str, statement: str
) -> None:
    """Whoever can write the database can't remove what was exported."""
    await officer.get("/violations.csv")
    column = {"exports": "author", "export_ends": "outcome"}[table]
    with pytest.raises(DBAPIError, match=f"{table} is append-only"):
        async with desk[1].database.writing() as connection:
            await connection.execute(text(statement.format(table, column)))

    [export] = await trail(desk[1])
    assert (export.author, export.end, export.rows) == ("olivia", End.FINISHED, 8)
