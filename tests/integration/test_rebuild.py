"""Ledger that were lost: written again from the topics, or caught up from a backup."""

import asyncio
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from purposewatch_contract import EVENTS, FACTS, GAPS
from purposewatch_contract.codec import FastFactCodec, fact_key
from purposewatch_demo.embedded_broker import EmbeddedBroker
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.harness.broker import RunningBroker
from tests.harness.scrape import until_json
from tests.integration.platform import Platform, platform_on
from tests.unit.reporter.facts.records import CONTROLLER, fact
from tests.unit.reporter.gaps.records import gap
from tests.unit.reporter.records import SUBJECT

pytestmark = pytest.mark.timeout(480)

# when something was recorded, and which of several batches came first
_WHEN_BOOKED = {
    "first_offset",
    "first_digest",
    "latest_offset",
    "latest_digest",
    "recorded_time",
    "seen_end",
    "started_time",
    "ended_time",
    "first_recorded_time",
    "last_recorded_time",
    "silenced",
}
_BOOKS = (
    tables.ledger,
    tables.raw_ledger,
    tables.flows,
    tables.flow_decisions,
    tables.flow_decision_categories,
    tables.flow_counts,
    tables.flow_totals,
    tables.violations,
    tables.violation_categories,
    tables.id_conflicts,
    tables.event_ids,
    tables.dead_letters,
    tables.gaps,
    tables.gap_days,
    tables.gap_ids,
    tables.facts,
    tables.fact_uses,
)


@pytest.fixture
async def platform(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Platform]:
    """The platform, running."""
    async with platform_on(broker, topic_prefix, tmp_path) as running:
        yield running


async def contents(path: Path) -> Mapping[str, Counter[Any]]:
    """All that the ledger say, but for when they were written."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{path}"))
    found: dict[str, Counter[Any]] = {}
    async with database.reading() as connection:
        for table in _BOOKS:
            columns = [column for column in table.c if column.name not in _WHEN_BOOKED]
            found[table.name] = Counter(map(tuple, await connection.execute(select(*columns))))
    await database.stop()
    return found


async def rebuild(platform: Platform, path: Path) -> tuple[int, str]:
    """Run the command; its exit status and what it says."""
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("PURPOSEWATCH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "purposewatch_reporter", "rebuild"),
        env={
            **inherited,
            **platform.environment,
            "PURPOSEWATCH_DATABASE_URL": f"sqlite+aiosqlite:///{path}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def copy(database: Path, target: Path) -> None:
    """A backup of a database in use."""
    with sqlite3.connect(database) as source, sqlite3.connect(target) as backup:
        source.backup(backup)
    source.close()
    backup.close()


async def published(platform: Platform, count: int, total: int) -> dict[str, Any]:
    """Publish so many more, and wait until as many as said are in the ledger."""
    await platform.publish(count)
    return await platform.wait_ledger(
        lambda ledger: (
            bool(ledger["reconciled"])
            and ledger["raw"]["totals"]["accepted"] + ledger["raw"]["totals"]["dead_letters"]
            == total
        )
    )


async def gaps_counted(platform: Platform, count: int) -> None:
    """Wait until so many accesses are counted as gaps: their topic is read beside the others."""
    await until_json(
        platform.reporter,
        "/api/v1/gaps",
        lambda answer: sum(item["count"] for item in answer["items"]) == count,
    )


async def facts_stated(platform: Platform, count: int) -> None:
    """Wait until so many statements are recorded about the subject of `fact`."""
    asked = f"controller={CONTROLLER}&subject={SUBJECT}&as_of=2026-03-03T00:00:00Z"
    await until_json(
        platform.reporter,
        f"/api/v1/facts?{asked}",
        lambda answer: len(answer["statements"]) == count,
    )


async def test_a_rebuilt_ledger_says_the_same(platform: Platform, tmp_path: Path) -> None:
    """Counts, violations, ledgers, dead letters, raw records: row by row."""
    await platform.write(GAPS, [gap(id=str(number % 5)) for number in range(9)])
    stated = [fact(f"s-{number % 7}") for number in range(9)]
    await platform.write(
        FACTS, map(FastFactCodec.encode, stated), partition=1, keys=map(fact_key, stated)
    )
    await platform.publish(300)
    platform.ingest.kill()
    platform.ingest.start()
    await published(platform, 100, 400)
    await gaps_counted(platform, 5)
    await facts_stated(platform, 7)
    rebuilt = tmp_path / "rebuilt.db"
    status, said = await rebuild(platform, rebuilt)
    assert (status, said[-400:].count("the ledger is written")) == (0, 1), said
    assert await platform.reporter.terminate() == 0
    expected, found = await contents(platform.database), await contents(rebuilt)
    assert found == expected
    assert expected["violations"].total() > 20
    assert expected["dead_letters"].total() == 40
    assert expected["gap_ids"].total() == 5
    assert expected["facts"].total() == 7
    status, said = await rebuild(platform, rebuilt)
    assert status == 1
    assert "the database holds a ledger already; name an empty one" in said


async def test_a_rebuilt_ledger_alerts_about_nothing_of_the_past(
    platform: Platform, tmp_path: Path
) -> None:
    """Whoever had to know was told then."""
    await published(platform, 50, 50)
    path = tmp_path / "rebuilt.db"
    assert (await rebuild(platform, path))[0] == 0
    database = Database(SecretStr(f"sqlite+aiosqlite:///{path}"))
    async with database.reading() as connection:
        findings = (await connection.execute(select(tables.findings))).all()
        waiting = (await connection.execute(select(tables.outbox))).all()
    await database.stop()
    assert findings
    assert {(row.state, row.routed_episode == row.episode) for row in findings} == {("quiet", True)}
    assert waiting == []


async def test_an_old_backup_catches_up(platform: Platform, tmp_path: Path) -> None:
    """Started on yesterday's database, the reporter ledger what came since, once."""
    await published(platform, 100, 100)
    backup = tmp_path / "backup.db"
    copy(platform.database, backup)
    await platform.write(GAPS, [gap()])
    await published(platform, 150, 250)
    await gaps_counted(platform, 1)
    assert await platform.reporter.terminate() == 0
    expected = await contents(platform.database)
    for suffix in ("", "-wal", "-shm"):
        platform.database.with_name(platform.database.name + suffix).unlink(missing_ok=True)
    backup.rename(platform.database)
    platform.reporter.start()
    await published(platform, 0, 250)
    await gaps_counted(platform, 1)
    assert await platform.reporter.terminate() == 0
    assert await contents(platform.database) == expected


async def test_an_embedded_broker_that_starts_again_has_lost_everything(
    topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger stay, the new logs get log epochs of their own, and everything counts once."""
    async with EmbeddedBroker() as first:
        address = first.bootstrap_servers
        broker = RunningBroker(address, "embedded")
        async with platform_on(broker, topic_prefix, tmp_path) as before:
            await published(before, 100, 100)
    port = int(address.rpartition(":")[2])
    monkeypatch.setattr("purposewatch_demo.embedded_broker.free_port", lambda: port)
    async with EmbeddedBroker() as second:
        monkeypatch.undo()
        assert second.bootstrap_servers == address
        async with platform_on(broker, topic_prefix, tmp_path) as after:
            after.number = before.number
            ledger = await published(after, 60, 160)
    assert ledger["totals"]["verdicts"] == 144
    assert sum(epoch["verdicts"] for epoch in ledger["ended"]) == 90
    assert ledger["totals"]["lost"] == 0
    assert after.name(EVENTS) in {note["topic"] for note in ledger["epochs"]}
