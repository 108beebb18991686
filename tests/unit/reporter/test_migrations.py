"""The schema that migrations make is the one that the code uses."""

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, text

from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.migrate import migrate, run_migrate
from purposewatch_reporter.store.tables import metadata
from purposewatch_runtime.service import FatalError
from tests.unit.reporter.records import in_topic, verdict


def differences(connection: Connection) -> list[object]:
    """What alembic would change to make the database equal to the tables."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


def dump(connection: Connection) -> list[str]:
    """The whole database as SQL statements."""
    driver = connection.connection.driver_connection
    assert driver is not None
    return list(driver._connection.iterdump())


async def test_migrations_and_tables_agree(database: Database) -> None:
    """No table, column or index is in one and not in the other."""
    async with database.writing() as connection:
        assert await connection.run_sync(differences) == []


async def test_starting_again_changes_nothing(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Every start runs the migrations: schema and rows stay as they are."""
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0, outcome="violation")]))
    async with database.writing() as connection:
        before = await connection.run_sync(dump)
    await database.start()
    async with database.writing() as connection:
        assert await connection.run_sync(dump) == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older version must not write into it, and says what to do."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"))
    await database.start()
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(FatalError, match="newer version of the reporter"):
        await database.start()
    await database.stop()


async def test_the_command_migrates_once(tmp_path: Path) -> None:
    """An empty database gets the whole schema; the second time there is nothing to do."""
    url = SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    assert re.fullmatch(r"schema migrated from nothing to \d{4}", await migrate(url))
    database = Database(url)
    async with database.writing() as connection:
        assert await connection.run_sync(differences) == []
    await database.stop()
    assert re.fullmatch(r"the schema is up to date: \d{4}", await migrate(url))


def test_the_command_says_why_it_can_not_migrate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that can't be opened: status 1, and no traceback."""
    monkeypatch.setenv("PURPOSEWATCH_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/no/ledger.db")
    assert run_migrate([]) == 1
    assert capsys.readouterr().err.startswith("migrate: ")
