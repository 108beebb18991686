"""Databases of earlier versions keep what they recorded."""

from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, text

from purposewatch_reporter.ledger.positions import ReadPosition
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_epochs
from purposewatch_reporter.store.positions import load_positions
from tests.unit.reporter.epochs.rows_0006 import check_upgraded, fill_0006
from tests.unit.reporter.epochs.rows_0012 import check_carried, fill_0012


def to_version(connection: Connection, version: str) -> None:
    """Make the tables as an earlier version had them."""
    with as_file(files("purposewatch_reporter.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, version)


async def test_a_database_of_the_first_version_becomes_log_epoch_0(tmp_path: Path) -> None:
    """Positions and ledgers of every partition are kept as they are."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"))
    async with database.writing() as connection:
        await connection.run_sync(to_version, "0001")
        for partition in (0, 1):
            await connection.execute(
                text("INSERT INTO positions VALUES ('t.verdicts', :n, :next)"),
                {"n": partition, "next": 70 + partition},
            )
            await connection.execute(
                text("INSERT INTO ledger VALUES ('t.events', :n, 3, '[[3,9]]', 5, 1, 2, :n)"),
                {"n": partition},
            )
    await database.start()
    async with database.reading() as connection:
        positions = await load_positions(connection, "t.verdicts")
        ledgers = await load_epochs(connection, "t.events")
    await database.stop()
    assert positions == {0: ReadPosition(70), 1: ReadPosition(71)}
    assert {n: len(epochs) for n, epochs in ledgers.items()} == {0: 1, 1: 1}
    [ledger] = ledgers[1]
    assert (ledger.base, ledger.accounted.intervals()) == (3, [(3, 9)])
    assert (ledger.verdicts, ledger.dead_letters) == (5, 1)
    assert (ledger.duplicates, ledger.conflicts, ledger.log_epoch) == (2, 1, 0)


async def test_events_of_earlier_versions_stand_for_one_access_each(tmp_path: Path) -> None:
    """What was counted before 0013."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"))
    async with database.writing() as connection:
        await connection.run_sync(to_version, "0012")
        await fill_0012(connection)
    await database.start()
    async with database.reading() as connection:
        await check_carried(connection)
    await database.stop()


async def test_a_database_with_log_epochs_keeps_them_under_their_new_names(tmp_path: Path) -> None:
    """Every row of 0006 is there after the columns have been renamed, with its values."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"))
    async with database.writing() as connection:
        await connection.run_sync(to_version, "0006")
        await fill_0006(connection)
    await database.start()
    async with database.reading() as connection:
        await check_upgraded(connection)
    await database.stop()
