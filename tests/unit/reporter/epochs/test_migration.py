"""Databases from before there were pages."""

from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection, text

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.ledgers import load_pages
from purposewatch_reporter.store.positions import Place, load_places


def to_first_version(connection: Connection) -> None:
    """Make the tables as the first version had them."""
    with as_file(files("purposewatch_reporter.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")


async def test_what_was_booked_becomes_the_first_page(tmp_path: Path) -> None:
    """Positions and accounts of every partition are kept as they are."""
    database = Database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'books.db'}"))
    async with database.writing() as connection:
        await connection.run_sync(to_first_version)
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
        places = await load_places(connection, "t.verdicts", [0, 1, 2])
        accounts = await load_pages(connection, "t.events")
    await database.stop()
    assert places == {0: Place(70), 1: Place(71), 2: Place()}
    assert {n: len(pages) for n, pages in accounts.items()} == {0: 1, 1: 1}
    [account] = accounts[1]
    assert (account.base, account.accounted.intervals()) == (3, [(3, 9)])
    assert (account.verdicts, account.dead_letters) == (5, 1)
    assert (account.duplicates, account.conflicts, account.page) == (2, 1, 0)
