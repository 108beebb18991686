"""Fills an empty database with violations, as fast as PostgreSQL accepts them."""

import itertools
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
from sqlalchemy import Table

from bench.page.flows import Flow, make_flows, rows_of
from purposewatch_reporter.findings.triage import Status
from purposewatch_reporter.parameters import Key
from purposewatch_reporter.store.tables import violation_categories, violations

SEED = 11
TABLES = (violations.name, violation_categories.name)
DIMENSIONS = ("kind", "category", "purpose", "role", "recipient", "publisher", "controller")
SINGLES = ("severity", "status", "outcome", "assignee", "operation", "statement", "version")

_TRIAGED_FINDINGS = 400
_TRIAGED_VIOLATIONS = 5_000
_BATCH = 20_000


@dataclass
class Filling:
    """What was put into the database, as far as queries are made of it."""

    flows: list[Flow]
    values: dict[str, list[str]] = field(default_factory=dict)
    """Values by filter, the most frequent first."""
    middle: Key | None = None
    late: Key | None = None
    event_id: str = ""
    subject: str = ""


async def fill(dsn: str, count: int) -> Filling:
    """Fill the tables; findings are what the ledger writer would make of them."""
    chance = random.Random(SEED)  # noqa: S311 - the same every time
    filling = Filling(make_flows(chance))
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '256MB'")
    async with _without_indexes(connection):
        rows = rows_of(filling.flows, count, chance)
        while batch := list(itertools.islice(rows, _BATCH)):
            await _copy(connection, violations, (row for row, _ in batch))
            await _copy(
                connection, violation_categories, (part for _, more in batch for part in more)
            )
    names = await _add_findings(connection, filling.flows)
    await _triage(connection, chance, names)
    await connection.execute("VACUUM ANALYZE")
    await _learn(connection, filling)
    await connection.close()
    return filling


async def _copy(connection: Any, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    columns = [column.name for column in table.columns]
    await connection.copy_records_to_table(table.name, records=rows, columns=columns)


@asynccontextmanager
async def _without_indexes(connection: Any) -> AsyncIterator[None]:
    """Drop the keys and indexes of the filled tables, and make the same ones again at the end."""
    constraints = await connection.fetch(
        "SELECT conrelid::regclass AS of, quote_ident(conname) AS name, "
        "pg_get_constraintdef(oid) AS text FROM pg_constraint "
        "WHERE conrelid = ANY($1::regclass[]) AND contype IN ('f', 'p') ORDER BY contype",
        TABLES,
    )
    indexes = await connection.fetch(
        "SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS text FROM pg_index "
        "WHERE indrelid = ANY($1::regclass[]) AND NOT indisprimary",
        TABLES,
    )
    for row in constraints:  # foreign keys first: they rest on the primary ones
        await connection.execute(f"ALTER TABLE {row['of']} DROP CONSTRAINT {row['name']}")
    for row in indexes:
        await connection.execute(f"DROP INDEX {row['name']}")
    yield
    for row in indexes:
        await connection.execute(row["text"])
    for row in reversed(constraints):
        await connection.execute(
            f"ALTER TABLE {row['of']} ADD CONSTRAINT {row['name']} {row['text']}"
        )


async def _add_findings(connection: Any, flows: list[Flow]) -> list[str]:
    """A finding for each flow that occurred; their names."""
    grown = await connection.fetch(
        "SELECT fingerprint, count(*) AS n, min(event_time) AS first, max(event_time) AS last, "
        "max(violation_id) AS latest FROM violation_categories GROUP BY fingerprint"
    )
    by_name = {flow.group.fingerprint: flow for flow in flows}
    await connection.executemany(
        "INSERT INTO findings (fingerprint, controller, role, kind, data_category, purpose, "
        "recipient, publisher, outcome, severity, first_event_time, last_event_time, "
        "first_recorded_time, last_recorded_time, count, silenced_count, state, episode, "
        "episode_count, routed_episode, last_violation_id, summary, statement, accesses, "
        "episode_accesses) VALUES "
        "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$11,$12,$13,0,'quiet',1,$13,1,$14,'',$15,$13,$13)",
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
    return [row["fingerprint"] for row in grown]


async def _triage(connection: Any, chance: random.Random, findings: list[str]) -> None:
    states = [str(status) for status in Status]
    assignees = [f"officer-{number}" for number in range(12)]
    chosen = [("finding", name) for name in chance.sample(findings, _TRIAGED_FINDINGS)]
    singles = await connection.fetch(
        "SELECT id FROM violations ORDER BY md5(id) LIMIT $1", _TRIAGED_VIOLATIONS
    )
    chosen += [("violation", row["id"]) for row in singles]
    await connection.executemany(
        "INSERT INTO triage VALUES ($1, $2, $3, $4, now())",
        [(*each, chance.choice(states), chance.choice([None, *assignees])) for each in chosen],
    )


async def _learn(connection: Any, filling: Filling) -> None:
    columns = {"category": "data_category", "version": "policy_version"}
    for name in (*DIMENSIONS, *SINGLES):
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
