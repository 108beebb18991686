"""Violations recorded before findings existed become findings."""

import json
from collections.abc import AsyncIterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, select, text

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.records import verdict


def _first_schema(connection: Connection) -> None:
    with as_file(files("purposewatch_reporter.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")


def _insert(table: str, values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join(f":{name}" for name in values)
    return text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values  # noqa: S608


def _violation(number: int, category: str) -> dict[str, Any]:
    value = verdict(
        0,
        number,
        outcome="violation",
        kind="prohibited",
        categories={category: "violation", "user.other": "unknown", "user.fine": "permitted"},
    )
    return {
        "id": f"{number:032x}",
        "topic": "data-access.events",
        "partition": 0,
        "event_offset": number,
        "event_id": value["event_id"],
        "event_source": value["event_source"],
        "event_time": f"2026-03-02 08:{number:02}:00.000000",
        "booked_time": f"2026-03-02 09:{number:02}:00.000000",
        "origin": "http",
        "publisher": "crm",
        "subject": "psn:1:00",
        "controller": "wework-labs",
        "role": "member",
        "operation": "use",
        "purpose": "marketing.advertising",
        "recipient": "first_party",
        "outcome": "violation",
        "kind": "prohibited",
        "summary": f"number {number}",
        "verdict": json.dumps(value),
    }


def _alert(number: int, kind: str, *, delivered: bool) -> dict[str, Any]:
    return {
        "channel": "webhook",
        "fingerprint": f"{number:032x}",
        "kind": kind,
        "created_time": "2026-03-02 09:00:00.000000",
        "attempts": 0,
        "due_time": "2026-03-02 09:00:00.000000",
        "delivered_time": "2026-03-02 09:30:00.000000" if delivered else None,
    }


@pytest.fixture
async def migrated(tmp_path: Path) -> AsyncIterator[Database]:
    """Three violations of two categories, of which the last waits for delivery; a conflict."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"))
    async with database.writing() as connection:
        await connection.run_sync(_first_schema)
        rows = [("violations", _violation(n, "user.a" if n < 2 else "user.b")) for n in range(3)]
        for n in range(3):
            for category in ("user.a" if n < 2 else "user.b", "user.other"):
                row = {"violation_id": f"{n:032x}", "data_category": category}
                rows.append(("violation_categories", row))
            rows.append(("outbox", _alert(n, "violation", delivered=n < 2)))
        conflict = _violation(9, "user.a") | {"first_partition": 0, "first_offset": 0}
        for name in ("origin", "subject", "role", "operation", "purpose", "recipient"):
            del conflict[name]
        rows.append(("id_conflicts", conflict))
        rows.append(("outbox", _alert(9, "conflict", delivered=False)))
        for table, values in rows:
            statement, given = _insert(table, values)
            await connection.execute(statement, given)
    await database.start()
    yield database
    await database.stop()


async def test_violations_are_grouped_and_only_what_waited_alerts(migrated: Database) -> None:
    """Once per group; history raises no alert."""
    async with migrated.reading() as connection:
        findings = {
            row.data_category: row for row in await connection.execute(select(tables.findings))
        }
        categories = list(await connection.execute(select(tables.violation_categories)))
        outbox = list(await connection.execute(select(tables.outbox)))
        [notice] = await connection.execute(select(tables.notices))
    counts = {name: row._mapping["count"] for name, row in findings.items()}
    assert counts == {"user.a": 2, "user.b": 1, "user.other": 3}
    assert {name: (row.kind, row.state) for name, row in findings.items()} == {
        "user.a": ("prohibited", "quiet"),
        "user.b": ("prohibited", "firing"),
        "user.other": ("unknown", "firing"),
    }
    quiet, firing = findings["user.a"], findings["user.b"]
    assert (quiet.episode, quiet.routed_episode) == (1, 1)
    assert (firing.episode, firing.routed_episode, firing.quiet_time) == (1, 0, None)
    assert quiet.quiet_time.isoformat() == "2026-03-02T09:01:00+00:00"
    assert quiet.last_event_time.isoformat() == "2026-03-02T08:01:00+00:00"
    for row in findings.values():
        assert row.fingerprint == Group(*(getattr(row, n) for n in Group._fields)).fingerprint
    assert {(row.data_category, row.kind, row.fingerprint) for row in categories} == {
        (name, row.kind, row.fingerprint) for name, row in findings.items()
    }
    assert outbox == []
    assert (notice.kind, notice.key, notice.state, notice.episode_count) == (
        "conflict",
        "crm",
        "firing",
        1,
    )
