"""Counts as schema 0012 had them, and what they must be after an upgrade."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import FromClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows import counted
from purposewatch_reporter.store import tables

_TIME = "2026-03-02 08:00:00.000000"
_FLOW = {"controller": "wework-labs", "role": "member", "data_category": "user.name"}
_SAID = {"outcome": "violation", "kind": "prohibited"}
_FINDING = {
    "fingerprint": "f" * 32,
    **_FLOW,
    **_SAID,
    "purpose": "marketing",
    "recipient": "first_party",
    "publisher": "crm",
    "severity": "high",
    "count": 7,
    "silenced_count": 2,
    "episode_count": 5,
    "state": "quiet",
    "episode": 1,
    "routed_episode": 1,
    "last_violation_id": "a" * 32,
    "summary": "s",
    **{f"{name}_time": _TIME for name in ("first_event", "last_event")},
    **{f"{name}_time": _TIME for name in ("first_recorded", "last_recorded")},
}
_VIOLATION = {
    "id": "a" * 32,
    "topic": "t.events",
    "partition": 0,
    "event_offset": 1,
    **dict.fromkeys(("event_id", "event_source", "origin", "publisher", "subject"), "x"),
    **dict.fromkeys(("role", "operation", "purpose", "recipient"), "x"),
    "controller": "wework-labs",
    **_SAID,
    "summary": "s",
    "verdict": "{}",
    "event_time": _TIME,
    "recorded_time": _TIME,
}
_ROWS: tuple[tuple[str, FromClause, dict[str, Any]], ...] = (
    (
        "hourly_counts",
        counted.decisions,
        {"hour": _TIME, **_FLOW, "purpose": "p", "recipient": "r", **_SAID, "count": 3},
    ),
    (
        "hourly_verdicts",
        counted.events,
        {"hour": _TIME, "controller": "c", "publisher": "crm", **_SAID, "count": 4},
    ),
    (
        "statement_counts",
        counted.statements,
        {"controller": "c", "version": "1", "statement": "s", "outcome": "permitted", "count": 5},
    ),
    ("findings", tables.findings, _FINDING),
    ("violations", tables.violations, _VIOLATION),
)


async def fill_0012(connection: AsyncConnection) -> None:
    """Insert a row into each table that counts."""
    for table, _, values in _ROWS:
        names = ", ".join(f'"{name}"' for name in values)
        written = ", ".join(_literal(value) for value in values.values())
        await connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({written})"))  # noqa: S608


async def check_carried(connection: AsyncConnection) -> None:
    """Every count is still there; every event has stood for one access."""
    for _, table, values in _ROWS:
        [row] = (await connection.execute(select(table))).mappings()
        assert row["accesses"] == values.get("count", 1)
        if table is tables.findings:
            assert (row["silenced_accesses"], row["episode_accesses"]) == (2, 5)
        if table not in (tables.findings, tables.violations):
            times = {"hour": datetime(2026, 3, 2, 8, tzinfo=UTC)} if "hour" in values else {}
            assert {name: row[name] for name in values} == values | times


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"
