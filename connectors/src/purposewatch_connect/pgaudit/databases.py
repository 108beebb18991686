"""Reads the catalogues of a PostgreSQL server: tables, columns, views and comments on roles."""

import time
from collections.abc import Callable

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from purposewatch_connect.pgaudit.audit import Database
from purposewatch_connect.sql import Catalogue
from purposewatch_runtime.logs import get_logger

_COLUMNS = """
SELECT n.nspname || '.' || c.relname AS name, c.relkind = 'v' AS is_view,
       array_agg(a.attname::text ORDER BY a.attnum) AS columns,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END AS query
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY n.nspname, c.relname, c.relkind, c.oid
"""
_ROLES = """
SELECT r.rolname::text AS name, d.description AS comment
FROM pg_roles r
JOIN pg_shdescription d ON d.objoid = r.oid AND d.classoid = 'pg_authid'::regclass
"""
_TIMEOUT_SECONDS = 30.0

_log = get_logger(__name__)


class Databases:
    """The databases of one server, each read when it is first asked for and again later."""

    def __init__(
        self, dsn: str | None, refresh_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Without an address nothing is known of any database."""
        self._dsn = dsn
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._known: dict[str, tuple[float, Database]] = {}

    async def of(self, name: str) -> Database:
        """Return what is known of a database. Raises `OSError` or asyncpg's errors at first.

        Later, if the server can't be asked, what was known remains in use.
        """
        if self._dsn is None:
            return Database()
        read_at, known = self._known.get(name, (None, None))
        if read_at is not None and self._clock() < read_at + self._refresh_seconds:
            return known or Database()
        try:
            fresh = await self._read(name)
        except asyncpg.InvalidCatalogNameError:  # it was dropped since
            fresh = Database()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if known is None:
                raise
            _log.warning("catalogue not refreshed", database=name, error=type(error).__name__)
            fresh = known
        if known is not None and fresh == known:
            fresh = known  # the same object keeps the statements that were analysed with it
        self._known[name] = (self._clock(), fresh)
        return fresh

    async def _read(self, name: str) -> Database:
        connection = await asyncpg.connect(self._dsn, database=name, timeout=_TIMEOUT_SECONDS)
        try:
            relations = await connection.fetch(_COLUMNS, timeout=_TIMEOUT_SECONDS)
            roles = await connection.fetch(_ROLES, timeout=_TIMEOUT_SECONDS)
        finally:
            await connection.close()
        catalogue = Catalogue(
            tables={each["name"]: tuple(each["columns"]) for each in relations},
            views={each["name"]: each["query"] for each in relations if each["is_view"]},
        )
        return Database(catalogue, {each["name"]: each["comment"] for each in roles})
