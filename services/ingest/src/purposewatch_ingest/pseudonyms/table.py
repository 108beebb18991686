"""The table that leads from subjects to their pseudonyms: SQLite for one machine, or PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Column, LargeBinary, MetaData, Table, delete, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_metadata = MetaData()
subject_pseudonyms = Table(
    "subject_pseudonyms",
    _metadata,
    Column("lookup", LargeBinary(32), primary_key=True),
    Column("pseudonym", LargeBinary(16), nullable=False),
)
_t = subject_pseudonyms.c

_LOCK = 7_270_414_120  # any number, the same in every ingest
_CONNECTIONS = 4
_SECONDS = 5
_ROWS_AT_ONCE = 400
"""SQLite takes only so many parameters in a statement."""
_PRIVATE = 0o600


class SubjectTable:
    """Finds, makes and deletes rows."""

    def __init__(self, url: SecretStr) -> None:
        self._url = make_url(url.get_secret_value())
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = self._sqlite() if self._is_sqlite else self._postgresql()

    async def start(self) -> None:
        """Make the table if it is missing; several processes may do so at once."""
        if self._is_sqlite and self._url.database:
            _make_private(self._url.database)
        async with self._engine.begin() as connection:
            if not self._is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_metadata.create_all)

    async def stop(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def find(self, lookups: Iterable[bytes]) -> dict[bytes, bytes]:
        """The pseudonyms of those rows that there are."""
        async with self._engine.begin() as connection:
            return await _find(connection, sorted(lookups))

    async def delete(self, lookups: Iterable[bytes]) -> bool:
        """Delete rows; whether there was one."""
        async with self._engine.begin() as connection:
            deleted = await connection.execute(
                delete(subject_pseudonyms).where(_t.lookup.in_(list(lookups)))
            )
        return bool(deleted.rowcount)

    async def decide(
        self, wanted: Mapping[tuple[bytes, ...], bytes]
    ) -> dict[tuple[bytes, ...], bytes]:
        """The pseudonym of each subject: the one that is kept, or else the one that is wanted.

        A subject is named by its lookups, the oldest key's first. INVARIANT: processes that share a
        subject's oldest key agree: the row of that key is inserted first, unless it is there, and
        then read.
        """
        async with self._engine.begin() as connection:
            found = await _find(connection, sorted(each for keys in wanted for each in keys))
            decided = {
                keys: next((found[each] for each in keys if each in found), pseudonym)
                for keys, pseudonym in wanted.items()
            }
            claims = {keys[0]: decided[keys] for keys in wanted if keys[0] not in found}
            if claims:
                await self._insert(connection, claims)
                claimed = await _find(connection, sorted(claims))
                decided |= {keys: claimed[keys[0]] for keys in wanted if keys[0] in claimed}
            others = {
                each: decided[keys] for keys in wanted for each in keys[1:] if each not in found
            }
            if others:
                await self._insert(connection, others)
        return decided

    async def _insert(self, connection: AsyncConnection, rows: Mapping[bytes, bytes]) -> None:
        """Insert the rows that are missing, in an order in which no two processes block."""
        dialect = sqlite if self._is_sqlite else postgresql
        statement = dialect.insert(subject_pseudonyms).on_conflict_do_nothing()
        values = [{"lookup": each, "pseudonym": rows[each]} for each in sorted(rows)]
        await connection.execute(statement, values)

    def _sqlite(self) -> AsyncEngine:
        engine = create_async_engine(
            self._url,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"timeout": _SECONDS},
        )

        @event.listens_for(engine.sync_engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # the driver must not begin transactions by itself
            cursor = connection.cursor()
            # A pseudonym must not be lost once an event has it: each commit reaches the disk. And
            # what is deleted is overwritten, not only unlinked.
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA secure_delete=ON")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin_transaction(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _postgresql(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            pool_timeout=_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "timeout": _SECONDS,
                "command_timeout": _SECONDS,
                "server_settings": {"application_name": "purposewatch-ingest"},
            },
        )


def _make_private(file: str) -> None:
    """Make the file, if it is missing, so that only the process's own user reads it."""
    Path(file).touch(_PRIVATE)


async def _find(connection: AsyncConnection, lookups: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(lookups), _ROWS_AT_ONCE):
        some = lookups[start : start + _ROWS_AT_ONCE]
        rows = await connection.execute(select(_t.lookup, _t.pseudonym).where(_t.lookup.in_(some)))
        found.update((bytes(row.lookup), bytes(row.pseudonym)) for row in rows)
    return found
