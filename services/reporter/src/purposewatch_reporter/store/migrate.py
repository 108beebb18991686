"""Bring the database's schema up to date before reporters start: `migrate`.

A reporter does the same at its start. This command is for a user of the database who may alter
tables where the reporter's may not, and for upgrades that end before anything else has changed when
the schema can't be brought up to date.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.settings import DatabaseSettings
from purposewatch_reporter.store.engine import (
    APPLICATION_NAME,
    Database,
    lock_schema,
    migrations,
    upgrade,
)
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import FatalError
from purposewatch_runtime.settings import load_settings

_LOOK_SECONDS = 1.0

_log = get_logger(__name__)


def run_migrate(arguments: Sequence[str]) -> int:
    """The command: 0 when the schema is up to date, 1 when it can't be, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="migrate", description="Bring the database's schema up to date."
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=0,
        metavar="SECONDS",
        help="if the schema must change, how long to wait until no reporter is connected",
    )
    options = parser.parse_args(arguments)
    settings = load_settings(DatabaseSettings)
    configure_logs(settings, service="migration")
    try:
        done = asyncio.run(migrate(settings.database_url, wait_seconds=options.wait))
    except FatalError as error:
        sys.stderr.write(f"migrate: {error}\n")
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the driver raises: nothing has changed
        sys.stderr.write(f"migrate: {type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(f"{done}\n")
    return 0


async def migrate(url: SecretStr, *, wait_seconds: float = 0) -> str:
    """Apply the missing migrations; return what was done, in one line.

    Raises `FatalError` when a newer version made the schema, and when the schema must change and a
    reporter is still connected after `wait_seconds`: an earlier version must not go on writing to
    the schema of a later one. Then nothing has changed. A reporter is only seen on PostgreSQL.
    """
    database = Database(url, application_name="purposewatch-migration")
    waited_since = time.monotonic()
    said = False
    try:
        while (done := await _attempt(database)) is None:
            if time.monotonic() - waited_since >= wait_seconds:
                message = (
                    "the schema must change, and reporters are connected to the database; stop "
                    "all of them, then try again"
                )
                raise FatalError(message)
            if not said:
                _log.warning("waiting", component="migration", error="reporters are connected")
                said = True
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await database.stop()
    return done


async def _attempt(database: Database) -> str | None:
    """What was done, or `None` while reporters are connected to a schema that must change."""
    async with database.writing() as connection:
        # INVARIANT: reporters are looked for under the lock that each takes when it starts. So one
        # that is not seen can't begin to write before the schema has changed; then it refuses.
        await lock_schema(connection)
        before, head = await connection.run_sync(_revisions)
        if before == head:
            return f"the schema is up to date: {head}"
        if before is not None and await _reporters(connection):
            return None
        await connection.run_sync(upgrade)
    return f"schema migrated from {before or 'nothing'} to {head}"


def _revisions(connection: Connection) -> tuple[str | None, str | None]:
    with migrations(connection) as config:
        head = ScriptDirectory.from_config(config).get_current_head()
    return MigrationContext.configure(connection).get_current_revision(), head


async def _reporters(connection: AsyncConnection) -> int:
    if connection.dialect.name != "postgresql":
        return 0
    statement = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = :name"
    )
    return int(await connection.scalar(statement, {"name": APPLICATION_NAME}) or 0)
