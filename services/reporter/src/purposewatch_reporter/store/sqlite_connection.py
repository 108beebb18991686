"""SQLite connections that can be stopped more than once.

Written for aiosqlite 0.22 and SQLAlchemy 2.1. When a request is cancelled in the middle of a
statement, SQLAlchemy begins to close its connection, is cancelled again, and stops the connection's
thread. The close that it began then stops the thread a second time and waits for a thread that has
ended: for ever, and so does the event loop that wants to end its tasks before it closes.
"""

import asyncio
import sqlite3
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64


class StoppableConnection(aiosqlite.Connection):
    """A connection whose second `stop` has nothing to wait for."""

    _stopped = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Close the connection and end its thread, after what was asked of it before."""
        if self._stopped:
            return None
        self._stopped = True
        return super().stop()


async def connect_sqlite(database: str, **options: Any) -> aiosqlite.Connection:
    """Connect to a database; the options are those of `sqlite3.connect`.

    For `async_creator_fn` in the engine's `connect_args`.
    """
    connection = StoppableConnection(lambda: sqlite3.connect(database, **options), _ROWS_AT_ONCE)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: it must not hold up the exit
    return await connection
