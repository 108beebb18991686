"""A database of the test's own, and a ledger writer for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import aiosqlite
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from purposewatch_reporter.alerts.notices import raise_conflict_notices, raise_suspect_notices
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.severity import severity_table
from purposewatch_reporter.ledger.lookups import LogFacts, LookUps, TopicPartition
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database, upgrade
from purposewatch_reporter.store.sqlite_connection import SQLiteConnections
from tests.unit.reporter.records import PREFIX

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class TrustedLogs:
    """Logs that are always the ones that the ledger describes, from `start` on."""

    def __init__(self, start: int = 0) -> None:
        self._start = start

    async def check(self, _: str, __: Collection[int]) -> set[int]:
        """Start no log epoch."""
        return set()

    async def reached(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Every log goes on for ever."""
        return dict.fromkeys(partitions, 2**63)

    async def look_up(self, facts: LogFacts) -> None:
        """Recognise every log, and hold every expected record."""
        missing, facts.missing = facts.missing, LookUps()
        facts.recognised |= missing.recognition
        facts.starts |= dict.fromkeys(missing.starts, self._start)
        facts.records |= dict.fromkeys(missing.records, True)


def ledger_writer_of(database: Database, **options: Any) -> LedgerWriter:
    """A ledger writer at a fixed time; Kafka still holds everything, by default."""
    usual: dict[str, Any] = {
        "events_topic": f"{PREFIX}.events",
        "findings": Findings(severity_table({})),
        "logs": TrustedLogs(),
        "raw_topic": f"{PREFIX}.raw",
        "report_conflicts": raise_conflict_notices,
        "report_suspects": raise_suspect_notices,
        "partitions": 3,
        "clock": lambda: NOW,
    }
    return LedgerWriter(database, **usual | options)


@cache
def _migrated() -> bytes:
    """Return an empty SQLite database with the current schema, migrated once per process."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "template.db"
        engine = create_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return file.read_bytes()


def empty_database(directory: Path) -> Database:
    """Return an empty SQLite database with the current schema, without migrating it again."""
    file = directory / "ledger.db"
    file.write_bytes(_migrated())
    return Database(SecretStr(f"sqlite+aiosqlite:///{file}"))


@contextlib.contextmanager
def closed_connections() -> Iterator[None]:
    """Close what applications that are never started leave open.

    Else a garbage collection during another test finds it.
    """
    opened: list[aiosqlite.Connection] = []
    connect = SQLiteConnections.connect

    async def remember(
        self: SQLiteConnections, database: str, **options: Any
    ) -> aiosqlite.Connection:
        opened.append(await connect(self, database, **options))
        return opened[-1]

    with patch.object(SQLiteConnections, "connect", remember):
        yield
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        for connection in opened:
            with contextlib.suppress(ValueError):  # it was stopped
                runner.run(asyncio.wait_for(connection.close(), timeout=5))


@pytest.fixture(autouse=True)
def _closed_connections() -> Iterator[None]:
    """See `closed_connections`."""
    with closed_connections():
        yield


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty SQLite database with the current schema."""
    opened = empty_database(tmp_path)
    yield opened
    await opened.stop()


@pytest.fixture
def ledger_writer(database: Database) -> LedgerWriter:
    """A ledger writer for that database."""
    return ledger_writer_of(database)
