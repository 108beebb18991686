"""How fast the page lists violations when there are a million of them, on PostgreSQL.

`python -m bench.desk [violations]` fills a private server with violations as skewed as real ones,
asks the page for every filter alone, for pairs and triples, on first and deep pages and in every
order, and prints how long the server took. It fails when one page took 200 ms or more, or when a
plan reads a whole table of violations. Needs PostgreSQL's programs on the machine.
"""

import asyncio
import itertools
import json
import random
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import httpx
from pydantic import SecretStr
from sqlalchemy import event, text

from purposewatch_reporter.app import build_app
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.accounts.roles import Role
from purposewatch_reporter.web.accounts.sessions import SessionPolicy, open_session
from purposewatch_reporter.web.accounts.store import Account, add_account
from purposewatch_reporter.web.lists.keys import Cursor, Key
from purposewatch_reporter.web.triage.status import Status
from purposewatch_reporter.web.visit import SESSION_COOKIE
from purposewatch_shared.decision import Kind
from tests.integration.postgres import PostgreSQL, require_postgresql

VIOLATIONS = 1_000_000
FLOWS = 4_000
DAYS = 180
LIMIT_MS = 200.0
ROUNDS = 3
SEED = 11
TRIAGED_FINDINGS = 400
TRIAGED_VIOLATIONS = 5_000
UNTIL = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[1]

_TABLES = ("violations", "violation_categories")
_DIMENSIONS = ("kind", "category", "purpose", "role", "recipient", "publisher", "controller")
_SINGLES = ("severity", "status", "outcome", "assignee", "operation", "statement", "version")


@dataclass
class Flow:
    """A flow that is a violation again and again, in some stretch of time."""

    group: Group
    severity: Severity
    operation: str
    statement: str
    start: float
    length: float


@dataclass
class Filling:
    """What was put into the database, as far as queries are made of it."""

    flows: list[Flow]
    counts: dict[str, int] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    """Values by filter, the most frequent first."""
    middle: Key | None = None
    late: Key | None = None
    event_id: str = ""
    subject: str = ""


def make_flows(chance: random.Random) -> list[Flow]:
    """Different flows; few of them are steady, many come and go."""
    kinds = [str(kind) for kind in Kind] + ["unknown"]
    flows: dict[Group, Flow] = {}
    while len(flows) < FLOWS:
        controller = chance.choice(["wework-labs"] * 3 + ["linggan-house"])
        group = Group(
            controller=controller,
            role=f"role_{_skewed(chance, 8)}",
            kind=kinds[_skewed(chance, len(kinds))],
            data_category=f"user.category_{_skewed(chance, 60)}",
            purpose=f"purpose_{_skewed(chance, 40)}",
            recipient=f"third_party.recipient_{_skewed(chance, 15)}",
            publisher=f"{controller[:2]}-publisher-{_skewed(chance, 25)}",
        )
        steady = chance.random() < 0.2
        flows[group] = Flow(
            group,
            list(Severity)[(len(group.kind) + len(group.recipient)) % len(Severity)],
            chance.choices(["use", "collect", "store", "share", "erase"], [60, 20, 12, 7.9, 0.1])[
                0
            ],
            f"statement.{_skewed(chance, 120)}",
            0.0 if steady else chance.random() * 0.98,
            1.0 if steady else 0.001 + chance.random() ** 3 * 0.3,
        )
    return list(flows.values())


def _skewed(chance: random.Random, size: int) -> int:
    return min(size - 1, int(chance.paretovariate(0.9)) - 1)


def rows_of(
    flows: list[Flow], count: int, chance: random.Random
) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
    """Violations with their categories; a few flows make up most of them."""
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(flows))))
    siblings: dict[tuple[str, ...], list[Flow]] = {}
    for flow in flows:
        siblings.setdefault(_same(flow.group), []).append(flow)
    for number in range(count):
        flow = chance.choices(flows, cum_weights=weights)[0]
        at = flow.start + flow.length * chance.random()
        when = UNTIL - timedelta(days=DAYS) * (1 - min(at, 1.0))
        parts = {flow.group.data_category: flow}
        for other in siblings[_same(flow.group)]:
            if chance.random() < 0.3 and len(parts) < 6:
                parts.setdefault(other.group.data_category, other)
        worst = max((each.severity for each in parts.values()), key=lambda each: each.rank)
        name = f"{chance.getrandbits(128):032x}"
        group = flow.group
        unknown = group.kind == "unknown"
        summary = f"`{group.data_category}` may not be used for `{group.purpose}`. " * 2
        verdict = json.dumps({"categories": [], "note": summary * 5})
        violation = (
            name,
            "data-access.events",
            number % 6,
            number // 6,
            f"event-{number}",
            f"/{group.publisher}/path",
            when,
            when,
            "http",
            group.publisher,
            f"psn:1:{chance.randrange(40_000):032x}",
            group.controller,
            group.role,
            flow.operation,
            group.purpose,
            group.recipient,
            "unknown" if unknown else "violation",
            None if unknown else group.kind,
            chance.choices(["2", "1", "0"], [90, 9.99, 0.01])[0],
            flow.statement,
            "members.1",
            "omitted",
            summary,
            verdict,
            str(worst),
            False,
        )
        yield (
            violation,
            [
                (name, category, each.group.kind, each.group.fingerprint, when)
                for category, each in parts.items()
            ],
        )


def _same(group: Group) -> tuple[str, ...]:
    return (group.controller, group.role, group.purpose, group.recipient, group.publisher)


_VIOLATION_COLUMNS = [
    "id",
    "topic",
    "partition",
    "event_offset",
    "event_id",
    "event_source",
    "event_time",
    "booked_time",
    "origin",
    "publisher",
    "subject",
    "controller",
    "role",
    "operation",
    "purpose",
    "recipient",
    "outcome",
    "kind",
    "policy_version",
    "statement",
    "clause",
    "grade",
    "summary",
    "verdict",
    "severity",
    "suppressed",
]
_CATEGORY_COLUMNS = ["violation_id", "data_category", "kind", "fingerprint", "event_time"]


async def fill(dsn: str, count: int) -> Filling:
    """Fill the tables; findings follow from the violations as booking would have made them."""
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    filling = Filling(make_flows(chance))
    connection = await asyncpg.connect(dsn)
    rows = rows_of(filling.flows, count, chance)
    while batch := list(itertools.islice(rows, 20_000)):
        await connection.copy_records_to_table(
            "violations", records=[row for row, _ in batch], columns=_VIOLATION_COLUMNS
        )
        await connection.copy_records_to_table(
            "violation_categories",
            records=[part for _, parts in batch for part in parts],
            columns=_CATEGORY_COLUMNS,
        )
    grown = await connection.fetch(
        "SELECT fingerprint, count(*) AS n, min(event_time) AS first, max(event_time) AS last, "
        "max(violation_id) AS latest FROM violation_categories GROUP BY fingerprint"
    )
    by_name = {flow.group.fingerprint: flow for flow in filling.flows}
    await connection.executemany(
        "INSERT INTO findings (fingerprint, controller, role, kind, data_category, purpose, "
        "recipient, publisher, outcome, severity, first_event_time, last_event_time, "
        "first_booked_time, last_booked_time, count, suppressed_count, state, episode, "
        "episode_count, routed_episode, last_violation_id, summary, statement) VALUES "
        "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$11,$12,$13,0,'quiet',1,$13,1,$14,'',$15)",
        [
            (
                row["fingerprint"],
                *by_name[row["fingerprint"]].group,
                "unknown" if by_name[row["fingerprint"]].group.kind == "unknown" else "violation",
                str(by_name[row["fingerprint"]].severity),
                row["first"],
                row["last"],
                row["n"],
                row["latest"],
                by_name[row["fingerprint"]].statement,
            )
            for row in grown
        ],
    )
    await _triage(connection, chance, [row["fingerprint"] for row in grown])
    await connection.execute("VACUUM ANALYZE")
    await _learn(connection, filling)
    await connection.close()
    return filling


async def _triage(connection: Any, chance: random.Random, findings: list[str]) -> None:
    states = [str(status) for status in Status]
    assignees = [f"officer-{number}" for number in range(12)]
    chosen = [("finding", name) for name in chance.sample(findings, TRIAGED_FINDINGS)]
    singles = await connection.fetch(
        "SELECT id FROM violations ORDER BY md5(id) LIMIT $1", TRIAGED_VIOLATIONS
    )
    chosen += [("violation", row["id"]) for row in singles]
    await connection.executemany(
        "INSERT INTO triage VALUES ($1, $2, $3, $4, now())",
        [(*each, chance.choice(states), chance.choice([None, *assignees])) for each in chosen],
    )


async def _learn(connection: Any, filling: Filling) -> None:
    columns = {"category": "data_category", "version": "policy_version"}
    for name in (*_DIMENSIONS, *_SINGLES):
        if name in ("status", "assignee"):
            query = f"SELECT {name} AS v, count(*) FROM triage GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608 - made of constants
        elif name in ("operation", "statement", "version"):
            column = columns.get(name, name)
            query = f"SELECT {column} AS v, count(*) FROM violations GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608 - made of constants
        else:
            column = columns.get(name, name)
            query = f"SELECT {column} AS v, sum(count) FROM findings GROUP BY 1 ORDER BY 2 DESC"  # noqa: S608 - made of constants
        filling.values[name] = [row["v"] for row in await connection.fetch(query) if row["v"]]
    for share, name in ((0.5, "middle"), (0.01, "late")):
        row = await connection.fetchrow(
            "SELECT event_time, id FROM violations ORDER BY event_time, id OFFSET $1 LIMIT 1",
            int(share * await connection.fetchval("SELECT count(*) FROM violations")),
        )
        setattr(filling, name, Key(row["event_time"], row["id"]))
    row = await connection.fetchrow("SELECT event_id, subject FROM violations LIMIT 1")
    filling.event_id, filling.subject = row["event_id"], row["subject"]


def queries(filling: Filling) -> Iterator[tuple[str, dict[str, str]]]:  # noqa: C901 - one list of questions
    """Every filter alone, pairs of all dimensions, triples, deep pages, orders and ranges."""
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    deep = {
        "first": {},
        "middle": {"after": Cursor(0, filling.middle).written()},
        "late": {"after": Cursor(0, filling.late).written()},
        "back": {"before": Cursor(0, filling.late).written()},
    }

    def picked(name: str) -> list[str]:
        values = filling.values[name]
        return list(dict.fromkeys((values[0], values[-1])))

    for place, cursor in deep.items():
        yield f"no filter, {place}", dict(cursor)
        for name in (*_DIMENSIONS, *_SINGLES):
            for value in picked(name):
                yield f"single, {place}", {name: value, **cursor}
    for one in ({"event_id": filling.event_id}, {"subject": filling.subject}):
        yield "single, first", one
        yield "with a kind", {**one, "kind": filling.values["kind"][0]}
    pairs = list(itertools.combinations((*_DIMENSIONS, *_SINGLES), 2))
    for names in [*pairs, *(chance.sample((*_DIMENSIONS, *_SINGLES), 3) for _ in range(100))]:
        place = chance.choice(list(deep))
        chosen = {name: chance.choice(picked(name)) for name in names}
        yield f"{'pair' if len(names) == 2 else 'triple'}, {place}", {**chosen, **deep[place]}
    for order in ("oldest", "severity"):
        yield f"order {order}", {"order": order}
        for name in (*_DIMENSIONS, *_SINGLES):
            for value in picked(name):
                yield f"order {order}", {"order": order, name: value}
    for days in (1, 30, 150):
        since = (UNTIL - timedelta(days=days)).replace(tzinfo=None).isoformat()
        until = (UNTIL - timedelta(days=days - 1)).replace(tzinfo=None).isoformat()
        for name in _DIMENSIONS:
            for value in picked(name):
                yield "range", {"since": since, "until": until, name: value}


@asynccontextmanager
async def desk_of(url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Database]]:
    """The page, with somebody signed in; a client in the same process."""
    database = Database(SecretStr(url))
    await database.start()
    now = datetime.now(UTC)
    policy = SessionPolicy(timedelta(days=1), timedelta(days=1))
    async with database.writing() as connection:
        await add_account(connection, Account("officer", Role.OFFICER), now)
        token = await open_session(connection, "officer", policy, now)
    app, _ = build_app(
        ReporterSettings(database_url=SecretStr(url), policies_dir=ROOT / "policies")
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://desk",
        cookies={SESSION_COOKIE: token},
        timeout=60,
    ) as client:
        yield client, database
    await database.stop()


class Plans:
    """Looks at the plan of every statement that the page sends."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def install(self) -> None:
        """Note every statement with its parameters, each text once."""
        from sqlalchemy.engine import Engine  # noqa: PLC0415 - only here

        @event.listens_for(Engine, "before_cursor_execute")
        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith(("SELECT", "WITH")) and "violation" in statement:
                self.sent.setdefault(statement, parameters)

    async def whole_tables(self, database: Database) -> list[str]:
        """Plans that read a table of violations from end to end."""
        found = []
        for statement, parameters in list(self.sent.items()):
            async with database.reading() as connection:
                plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                lines = [row[0] for row in plan]
            if any(re.search(rf"Seq Scan on ({'|'.join(_TABLES)})\b", line) for line in lines):
                found.append("\n".join([statement, *lines]))
        return found

    async def examples(self, database: Database) -> Iterator[str]:
        """The plans of the statements that find a page, shortened."""
        shown = []
        for mark in ("WITH heads", "keys"):
            for statement, parameters in self.sent.items():
                if mark in statement and "UNION" not in statement:
                    async with database.reading() as connection:
                        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                        shown.append("\n".join([f"-- {mark}", *(row[0] for row in plan)]))
                    break
        return iter(shown)


async def measure(url: str, filling: Filling) -> int:
    """Ask everything, print the figures; the exit status."""
    plans = Plans()
    plans.install()
    figures: dict[str, list[float]] = {}
    slow: list[tuple[float, str]] = []
    short = 0
    async with desk_of(url) as (client, database):
        for _ in range(20):
            await client.get("/violations")
        for label, query in queries(filling):
            path = f"/violations?{urlencode(query)}"
            times = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                answer = await client.get(path)
                times.append(1000 * (time.perf_counter() - start))
                assert answer.status_code == 200, (answer.status_code, path)  # noqa: S101
            short += "paused after" in answer.text
            taken = min(times)
            figures.setdefault(label, []).append(taken)
            slow.append((taken, path))
        findings = []
        for asked in ("", "?order=severity", "?order=count", "?status=open", "?page=40"):
            start = time.perf_counter()
            answer = await client.get(f"/findings{asked}")
            findings.append(1000 * (time.perf_counter() - start))
        figures["findings"] = findings
        print(
            f"the best of {ROUNDS} requests for each page, in ms, with everything the server does"
        )
        print(f"{'pages':22} {'number':>6} {'median':>8} {'p95':>8} {'slowest':>8}")
        for label, times in sorted(figures.items()):
            times.sort()
            p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
            print(
                f"{label:22} {len(times):6} {statistics.median(times):8.1f} {p95:8.1f} "
                f"{times[-1]:8.1f}"
            )
        slow.sort(reverse=True)
        print(f"\n{short} of {len(slow)} pages paused before they were full")
        print("slowest:")
        for taken, path in slow[:8]:
            print(f"  {taken:7.1f}  {path[:150]}")
        print()
        for plan in await plans.examples(database):
            print(plan, end="\n\n")
        whole = await plans.whole_tables(database)
        print(f"{len(plans.sent)} different statements; {len(whole)} read a whole table")
        for plan in whole[:3]:
            print(plan)
        print(f"export of everything: {await _export(client):.1f} s")
    return 1 if whole or slow[0][0] >= LIMIT_MS else 0


async def _export(client: httpx.AsyncClient) -> float:
    start = time.perf_counter()
    async with client.stream("GET", "/violations.csv") as answer:
        async for _ in answer.aiter_bytes():
            pass
    return time.perf_counter() - start


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
