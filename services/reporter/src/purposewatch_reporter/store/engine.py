"""The database: SQLite for one machine, PostgreSQL for more.

INVARIANT: everything that one batch changes is written in one transaction of the write engine.
"""

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from pydantic import SecretStr
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from purposewatch_reporter.store.sqlite_connection import SQLiteConnections
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import Check, FatalError

APPLICATION_NAME = "purposewatch-reporter"
"""Under which the database knows the connections of reporters."""

_MIGRATION_LOCK = 7_270_414_119  # any number, the same in every reporter
_CONNECTIONS = 5  # of each pool on PostgreSQL, and as many more for peaks
_READERS = 4
_BUSY_SECONDS = 5
_STATEMENT_SECONDS = 60
_CHECK_SECONDS = 3
_PRIVATE = 0o600

_log = get_logger(__name__)


@contextmanager
def migrations(connection: Connection) -> Iterator[Config]:
    """Alembic's configuration, for the migrations on this connection."""
    with as_file(files("purposewatch_reporter.store") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        yield config


async def lock_schema(connection: AsyncConnection) -> None:
    """Wait until no other process migrates, and let none do so before this transaction ends."""
    if connection.dialect.name == "postgresql":  # on SQLite, a transaction that writes is alone
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
        )


def upgrade(connection: Connection) -> None:
    """Apply the missing migrations inside the caller's transaction: all of them or none.

    Raises `FatalError` when this version does not know the schema.
    """
    with migrations(connection) as config:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            message = (
                f"cannot use the database's schema: {error}; it was probably made by a newer "
                "version of the reporter: run that version, or restore a backup"
            )
            raise FatalError(message) from None


def keep_private(file: Path) -> None:
    """Let only the process's own user read an SQLite file, whether it exists yet or not.

    SQLite gives the files beside it (`-wal`, `-shm`) the permissions that it has.
    """
    file.touch(_PRIVATE)
    for each in (file, *(file.with_name(f"{file.name}-{part}") for part in ("wal", "shm"))):
        try:
            if stat.S_IMODE(each.stat().st_mode) & ~_PRIVATE:
                each.chmod(_PRIVATE)
        except FileNotFoundError:
            continue
        except PermissionError:
            _log.warning("database file belongs to another user; its permissions are unchanged")


class Transactions:
    """Transactions on some connections to the database: those that write, those that only read."""

    def __init__(self, write: AsyncEngine, read: AsyncEngine) -> None:
        self._write = write
        self._read = read

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on an error."""
        async with self._write.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._read.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads: all of it what was committed before its first statement.

        On SQLite, each transaction that reads is one.
        """
        async with self.reading() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
                # a plan for any time span, which it would keep, is slow for long ones
                await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
            yield connection


class Database(Transactions):
    """The database, for the reporter's own work: the ledger, alerts, housekeeping.

    HTTP requests use `requests`, which has connections of its own: however many pages and exports
    wait for the database, the ledger does not wait for one of their connections.

    On SQLite there is one writer, whose transactions take the write lock at their beginning, so
    that none fails half way for want of it; readers never wait for it (WAL).
    """

    name = "database"

    def __init__(self, url: SecretStr, *, application_name: str = APPLICATION_NAME) -> None:
        self._url = make_url(url.get_secret_value())
        self._application_name = application_name
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._sqlite_connections = SQLiteConnections()
        if self._is_sqlite:
            write = self._sqlite("BEGIN IMMEDIATE", connections=1)
            own, others = (self._sqlite("BEGIN", connections=_READERS) for _ in range(2))
            super().__init__(write, own)
            self.requests = Transactions(write, others)
            self._engines = [write, own, others]
        else:
            own, others = self._postgresql(), self._postgresql()
            super().__init__(own, own)
            self.requests = Transactions(others, others)
            self._engines = [own, others]

    async def start(self) -> None:
        """Bring the schema up to date; several reporters may do so at once."""
        file = self._url.database
        if self._is_sqlite and file and not file.startswith("file:"):
            keep_private(Path(file))
        async with self._write.begin() as connection:
            await lock_schema(connection)
            await connection.run_sync(upgrade)

    async def stop(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            await engine.dispose()
        await self._sqlite_connections.ended()

    async def check(self) -> Check:
        """Whether the database answers."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS), self.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 - any failure means "unavailable"
            return Check(ok=False, detail=f"no answer ({type(error).__name__})")
        return Check(ok=True, detail="answers")

    def _sqlite(self, begin: str, *, connections: int) -> AsyncEngine:
        engine = create_async_engine(
            self._url,
            pool_size=connections,
            max_overflow=0,
            hide_parameters=True,
            connect_args={
                "timeout": _BUSY_SECONDS,
                "async_creator_fn": self._sqlite_connections.connect,
            },
        )

        @event.listens_for(engine.sync_engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # the driver must not begin transactions by itself
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            # A power cut may undo the latest commits but never half of one. That is enough: the
            # position in Kafka is part of the commit, so what was undone is recorded again.
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin_transaction(connection: Any) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _postgresql(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "command_timeout": _STATEMENT_SECONDS,
                "server_settings": {
                    "application_name": self._application_name,
                    # takes longer to compile the lists' statements than they take to run
                    "jit": "off",
                    # the host of another reporter may have vanished with rows locked
                    "idle_in_transaction_session_timeout": f"{_STATEMENT_SECONDS}s",
                    "lock_timeout": f"{_STATEMENT_SECONDS // 2}s",
                },
            },
        )
