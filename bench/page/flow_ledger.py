"""How fast the page lists flows when the ledger has as many as it keeps, on both databases.

`python -m bench.page.flow_ledger [flows] [days]` fills a database with flows that each occurred on
every day, sums the hours, asks for first and deep pages, every filter and several times, for the
overview and for counts, and prints how long the server took, and the plans. It fails when one
answer took 200 ms or more.
"""

import asyncio
import hashlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import httpx
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from bench.page.__main__ import page_of
from purposewatch_reporter.flows.flow import Sum
from purposewatch_reporter.flows.flow_list import FlowPlace, write_place
from purposewatch_reporter.flows.hour_sums import HourSummer
from purposewatch_reporter.flows.outlines import read_outlines
from purposewatch_reporter.store.engine import Database
from tests.harness.postgresql import PostgreSQL, require_postgresql

FLOWS, DAYS = 100_000, 90
LIMIT_MS = 200.0
ROUNDS = 5
_SEED = 11
_CONTROLLER = "wework-labs"
_NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
_TABLES = ("flows", "flow_decisions", "flow_decision_categories", "flow_totals")
_INDEXES = ("ix_flow_counts_decision_id", "ix_flow_counts_hourly")


def rows(number_of_flows: int, days: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Rows of all tables but the counts: a decision for each flow, and now and then a second."""
    chance = random.Random(_SEED)  # noqa: S311 - the same every time
    for number in range(number_of_flows):
        flow = _id("flow", number)
        recorded = _NOW - timedelta(minutes=number)
        category = f"user.category_{_skewed(chance, 60)}"
        categories = f'["{category}","user.name"]'
        terms = (
            f"role_{_skewed(chance, 8)}",
            chance.choice(["use", "collect", "store", "share"]),
            f"purpose_{number % 400}",
            f"third_party.recipient_{_skewed(chance, 15)}",
        )
        unstated = (None, None, None, None)
        known = (categories, "{}", "{}", False, False, recorded)
        yield "flows", (flow, _CONTROLLER, *terms, *unstated, *known)
        for part in range(1 if number % 10 else 2):
            decision = _id(f"decision-{part}", number)
            is_violation = part == 1 or number % 97 == 0
            said = ("violation", "undeclared_purpose") if is_violation else ("permitted", "none")
            yield "flow_decisions", (decision, flow, "1", "0" * 64, *said, True, True)
            for each in (category, "user.name"):
                statement = f"statement.{number % 120}"
                row = (decision, each, *said, statement, is_violation)
                yield "flow_decision_categories", row
            first = _NOW - timedelta(days=days)
            yield "flow_totals", (decision, _publisher(number), 3 * days, 3 * days, first, _NOW)


def _id(what: str, number: int) -> bytes:
    return hashlib.blake2b(f"{what}-{number}".encode(), digest_size=16).digest()


def _publisher(number: int) -> str:
    return f"publisher-{number % 25}"


def _skewed(chance: random.Random, size: int) -> int:
    return min(size - 1, int(chance.paretovariate(0.9)) - 1)


async def fill_postgresql(dsn: str, number_of_flows: int, days: int) -> None:
    """Fill PostgreSQL; every decision is counted on each day, at an hour of its own."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET session_replication_role = replica")  # checks no foreign keys
    await connection.execute("SET maintenance_work_mem = '256MB'")
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _TABLES}
    for name, row in rows(number_of_flows, days):
        found[name].append(row)
    for name in _TABLES:
        await connection.copy_records_to_table(name, records=found[name])
    kept = [
        await connection.fetchval("SELECT pg_get_indexdef($1::regclass)", name) for name in _INDEXES
    ]
    for name in _INDEXES:
        await connection.execute(f"DROP INDEX {name}")
    await connection.execute(
        "INSERT INTO flow_counts (hour, decision_id, publisher, count, accesses, first_time, "
        "last_time) SELECT $1::timestamptz - day * interval '1 day' "
        "- (get_byte(decision_id, 0) % 24) * interval '1 hour' AS hour, decision_id, publisher, "
        "3, 3, $1::timestamptz - day * interval '1 day', $1::timestamptz - day * interval '1 day' "
        "FROM generate_series(0, $2 - 1) AS day, flow_totals",
        _NOW,
        days,
    )
    for statement in kept:
        await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def fill_sqlite(file: Path, number_of_flows: int, days: int) -> None:
    """Fill SQLite with the same; it has no statistics, as in production."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA synchronous = off")
    found: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _TABLES}
    for name, row in rows(number_of_flows, days):
        found[name].append(tuple(_as_text(value) for value in row))
    for name in _TABLES:
        marks = ", ".join("?" * len(found[name][0]))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", found[name])  # noqa: S608 - names of ours
    query = "SELECT sql FROM sqlite_master WHERE name = ?"
    kept = [connection.execute(query, [name]).fetchone()[0] for name in _INDEXES]
    for name in _INDEXES:
        connection.execute(f"DROP INDEX {name}")
    for day in reversed(range(days)):
        time = _as_text(_NOW - timedelta(days=day))
        connection.execute(
            "INSERT INTO flow_counts (hour, decision_id, publisher, count, accesses, first_time, "
            "last_time) SELECT strftime('%Y-%m-%d %H:%M:%S.000000', ?, "
            "'-' || (unicode(hex(decision_id)) % 24) || ' hours') AS hour, decision_id, "
            "publisher, 3, 3, ?, ? FROM flow_totals ORDER BY 1, 2",
            [time, time, time],
        )
        connection.commit()
    for statement in kept:
        connection.execute(statement)
    connection.commit()
    connection.close()


def _as_text(value: Any) -> Any:
    """A value as SQLite stores it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def questions() -> Iterator[tuple[str, str]]:
    """What is asked of the page."""
    hours = {"hour": 1, "day": 24, "week": 168, "month": 720, "90 days": 2_160}
    times = {
        name: {"since": (_NOW - timedelta(hours=length)).replace(tzinfo=None).isoformat()}
        for name, length in hours.items()
    }
    filters: list[dict[str, str]] = [
        {},
        {"controller": _CONTROLLER},
        {"role": "role_0"},
        {"role": "role_7"},
        {"purpose": "purpose_399"},
        {"recipient": "third_party.recipient_3"},
        {"category": "user.category_59"},
        {"category": "user.name"},
        {"outcome": "violation"},
        {"kind": "undeclared_purpose"},
        {"kind": "prohibited"},
        {"publisher": "publisher-7"},
        {"publisher": "nobody"},
        {"role": "role_1", "purpose": "purpose_7", "outcome": "permitted"},
    ]
    for place, number in (("first", None), ("middle", FLOWS // 2), ("late", FLOWS - 60)):
        after = {}
        if number is not None:
            row = FlowPlace(_NOW - timedelta(minutes=number), _id("flow", number))
            after = {"after": write_place(row)}
        for each in filters:
            yield place, f"/flows?{urlencode({**each, **after})}"
    for name, time_asked in times.items():
        for each in filters:
            yield (
                f"since an {name}" if name == "hour" else f"since a {name}",
                (f"/flows?{urlencode({**each, **time_asked})}"),
            )
    yield "one flow", f"/flows/{_id('flow', 0).hex()}"
    for span in ("24h", "7d", "30d"):
        yield "overview", f"/?span={span}"
    for by in ("hour", "publisher", "outcome"):
        yield "counts of events", f"/api/v1/counts?by={by}"
    for by in ("hour", "role", "category", "purpose", "recipient"):
        yield "counts of decisions", f"/api/v1/counts?of=decisions&by={by}"


_BESIDE = ("/?span=90d", "/policies", "/api/v1/counts?of=decisions&by=role&by=recipient")
"""Other answers from the counts of all flows: shown, and not limited."""


async def measure(url: str, title: str) -> float:
    """Ask everything; the time of the slowest page of the list."""
    sent: dict[str, Any] = {}

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT") and "flow" in statement:
            sent.setdefault(statement, parameters)

    figures: dict[str, list[tuple[float, str]]] = {}
    async with page_of(url) as (client, database):
        for label, path in questions():
            figures.setdefault(label, []).append((await _best(client, path, ROUNDS), path))
        plans = dict(sent)
        beside = [(await _best(client, path, 1), path) for path in _BESIDE]
        whole = {}
        for days in (None, DAYS):
            start = time.perf_counter()
            since = None if days is None else _NOW - timedelta(days=days)
            async with database.reading() as connection:
                read = read_outlines(connection, Sum, controller=_CONTROLLER, since=since)
                number = sum([len(list(some)) async for some in read])
            whole[f"{number:,} outlines, since {days or 'ever'}"] = time.perf_counter() - start
        print(f"\n{title}\nthe best of {ROUNDS} requests for each page, in ms")
        print(f"{'pages':18} {'number':>6} {'median':>8} {'slowest':>8}")
        for label, taken in figures.items():
            times = sorted(each for each, _ in taken)
            print(f"{label:18} {len(times):6} {statistics.median(times):8.1f} {times[-1]:8.1f}")
        slowest = sorted(each for taken in figures.values() for each in taken)[-5:]
        for taken_ms, path in [*reversed(slowest), *beside]:
            print(f"  {taken_ms:8.1f}  {path[:120]}")
        for what, seconds in whole.items():
            print(f"  {seconds:8.2f} s to read the whole ledger: {what}")
        async for plan in _plans(database, plans):
            print(plan, end="\n\n")
    event.remove(Engine, "before_cursor_execute", note)
    return slowest[-1][0]


async def _best(client: httpx.AsyncClient, path: str, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        answer = await client.get(path)
        times.append(1000 * (time.perf_counter() - start))
        assert answer.status_code == 200, (answer.status_code, path)  # noqa: S101
    return min(times)


async def _plans(database: Database, sent: dict[str, Any]) -> AsyncIterator[str]:
    """The plans of the statements that the list sends."""
    async with database.reading() as connection:
        for statement, parameters in sent.items():
            yield "\n".join([statement, *await _plan(connection, statement, parameters)])


async def _plan(connection: AsyncConnection, statement: str, parameters: Any) -> list[str]:
    is_sqlite = connection.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    found = await connection.exec_driver_sql(explain + statement, parameters)
    return [f"    {row[-1] if is_sqlite else row[0]}" for row in found]


@asynccontextmanager
async def _postgresql(number_of_flows: int, days: int) -> AsyncIterator[str]:
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        name = await server.create_database()
        url = server.url(name)
        await _migrate(url)
        await fill_postgresql(server.dsn(name), number_of_flows, days)
        yield url


@asynccontextmanager
async def _sqlite(number_of_flows: int, days: int) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
        file = Path(directory) / "ledger.db"
        url = f"sqlite+aiosqlite:///{file}"
        await _migrate(url)
        fill_sqlite(file, number_of_flows, days)
        yield url


async def _migrate(url: str) -> None:
    database = Database(SecretStr(url))
    await database.start()
    await database.stop()


async def _sum_hours(url: str) -> str:
    """Sum the hours that are over, as the reporter does."""
    database = Database(SecretStr(url))
    start = time.perf_counter()
    await HourSummer(database, lambda: True, lambda: datetime.now(UTC)).refresh()
    taken = time.perf_counter() - start
    async with database.writing() as connection:
        rows = await connection.scalar(text("SELECT count(*) FROM decision_sums"))
        if connection.dialect.name == "postgresql":
            await connection.execute(text("ANALYZE"))
    await database.stop()
    return f"summed in {taken:.0f} s to {rows:,} rows of decisions"


async def run(number_of_flows: int, days: int) -> int:
    """Both databases, one after the other; the exit status."""
    slowest = 0.0
    for title, database in (("PostgreSQL", _postgresql), ("SQLite", _sqlite)):
        start = time.perf_counter()
        async with database(number_of_flows, days) as url:
            check = Database(SecretStr(url))
            async with check.reading() as connection:
                counted = await connection.execute(text("SELECT count(*) FROM flow_counts"))
                number = counted.scalar_one()
            await check.stop()
            taken = time.perf_counter() - start
            summing = await _sum_hours(url)
            said = (
                f"{number_of_flows:,} flows, {number:,} counts; filled in {taken:.0f} s, {summing}"
            )
            slowest = max(slowest, await measure(url, f"{title}: {said}"))
    return 1 if slowest >= LIMIT_MS else 0


if __name__ == "__main__":
    asked = [int(each) for each in sys.argv[1:]]
    sys.exit(asyncio.run(run(*(asked + [FLOWS, DAYS][len(asked) :]))))
