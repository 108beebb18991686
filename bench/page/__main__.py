"""How fast the page lists violations when there are a million of them, on PostgreSQL.

`python -m bench.page [violations]` fills a private server with violations as skewed as real ones,
asks the page for every filter alone, for pairs and triples, on first and deep pages and in every
order, and prints how long the server took. A page that took too long is asked for again, in case
that was the machine's load. It fails when one page took 200 ms or more, or when a
plan reads a whole table of violations. Needs PostgreSQL's programs on the machine.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
from pydantic import SecretStr
from sqlalchemy import text

from bench.page.filling import Filling, fill
from bench.page.plans import Plans
from bench.page.questions import queries
from purposewatch_reporter.app import build_app
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.request_context import SESSION_COOKIE
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.sessions import SessionPolicy, open_session
from purposewatch_reporter.web.users.store import User, add_user
from tests.harness.postgresql import PostgreSQL, require_postgresql

VIOLATIONS = 1_000_000
LIMIT_MS = 200.0
ROUNDS = 3
ROUNDS_AGAIN = 20
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def page_of(url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Database]]:
    """The page, with somebody signed in; a client in the same process."""
    database = Database(SecretStr(url))
    await database.start()
    now = datetime.now(UTC)
    policy = SessionPolicy(timedelta(days=1), timedelta(days=1))
    async with database.writing() as connection:
        await add_user(connection, User("officer", Role.OFFICER), now)
        token = await open_session(connection, "officer", policy, now)
    app, _ = build_app(
        ReporterSettings(database_url=SecretStr(url), policies_dir=ROOT / "policies")
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://localhost",
        cookies={SESSION_COOKIE: token},
        timeout=60,
    ) as client:
        yield client, database
    await database.stop()


async def measure(url: str, filling: Filling) -> int:
    """Ask everything, print the figures; the exit status."""
    plans = Plans()
    plans.install()
    figures: dict[str, dict[str, float]] = {}
    paused = 0
    async with page_of(url) as (client, database):
        for _ in range(20):
            await client.get("/violations")
        before = _load()
        for label, query in queries(filling):
            path = f"/violations?{urlencode(query)}"
            taken, shown = await _best(client, path, ROUNDS)
            figures.setdefault(label, {})[path] = taken
            paused += "paused after" in shown
        for asked in ("", "?order=severity", "?order=count", "?status=open", "?page=40"):
            path = f"/findings{asked}"
            figures.setdefault("findings", {})[path] = (await _best(client, path, ROUNDS))[0]
        print(f"load average, before the pages and after: {before}, {_load()}")
        again = [(pages, path) for pages in figures.values() for path in pages]
        again = [(pages, path) for pages, path in again if pages[path] >= LIMIT_MS]
        for pages, path in again:
            first = pages[path]
            pages[path] = (await _best(client, path, ROUNDS_AGAIN))[0]
            print(f"asked again, as it took {first:.1f} ms at first: {pages[path]:.1f}  {path}")
        slowest = _print_figures(figures)
        print(f"\n{paused} pages paused before they were full")
        print()
        for plan in await plans.examples(database):
            print(plan, end="\n\n")
        whole = await plans.whole_tables(database)
        print(f"{len(plans.sent)} different statements; {len(whole)} read a whole table")
        for plan in whole[:3]:
            print(plan)
        seconds, lines = await _export(client)
        print(f"export of everything: {seconds:.1f} s, {lines / seconds:.0f} violations/s")
    return 1 if whole or slowest >= LIMIT_MS else 0


async def _best(client: httpx.AsyncClient, path: str, rounds: int) -> tuple[float, str]:
    """The fastest of some requests, in ms, and what was answered."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        answer = await client.get(path)
        times.append(1000 * (time.perf_counter() - start))
        assert answer.status_code == 200, (answer.status_code, path)  # noqa: S101
    return min(times), answer.text


def _print_figures(figures: dict[str, dict[str, float]]) -> float:
    """A line for each group, and the slowest pages; the time of the slowest."""
    print(f"the best of {ROUNDS} requests for each page, in ms, with everything the server does")
    print(f"{'pages':22} {'number':>6} {'median':>8} {'p95':>8} {'slowest':>8}")
    everything = {path: taken for pages in figures.values() for path, taken in pages.items()}
    for label, pages in [*sorted(figures.items()), ("all", everything)]:
        times = sorted(pages.values())
        p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
        print(
            f"{label:22} {len(times):6} {statistics.median(times):8.1f} {p95:8.1f} {times[-1]:8.1f}"
        )
    print("slowest:")
    slowest = sorted(everything.items(), key=lambda item: -item[1])
    for path, taken in slowest[:8]:
        print(f"  {taken:7.1f}  {path[:150]}")
    return slowest[0][1]


def _load() -> str:
    """The load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


async def _export(client: httpx.AsyncClient) -> tuple[float, int]:
    """How long it took, and the violations in it."""
    start = time.perf_counter()
    lines = -1  # the head
    async with client.stream("GET", "/violations.csv") as answer:
        async for part in answer.aiter_bytes():
            lines += part.count(b"\r\n")
    return time.perf_counter() - start, lines


async def run(count: int) -> int:
    """A server, a filling, the figures."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        name = await server.create_database()
        database = Database(SecretStr(server.url(name)))
        await database.start()
        await database.stop()
        start = time.perf_counter()
        filling = await fill(server.dsn(name), count)
        check = Database(SecretStr(server.url(name)))
        async with check.reading() as connection:
            sizes = await connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM violations), (SELECT count(*) FROM findings), "
                    "(SELECT count(*) FROM violation_categories)"
                )
            )
            print("violations, findings, categories:", *sizes.one())
        await check.stop()
        print(f"filled in {time.perf_counter() - start:.0f} s\n")
        return await measure(server.url(name), filling)


if __name__ == "__main__":
    sys.exit(asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else VIOLATIONS)))
