"""SQLite connections that may be stopped more than once, and whose threads can be waited for.

Written for aiosqlite 0.22 and SQLAlchemy 2.1. When a request is cancelled in the middle of a
statement, SQLAlchemy begins to close its connection, is cancelled again, and stops the connection's
thread. The close that it began then stops the thread a second time and waits for a thread that has
ended: for ever, and so does the event loop that wants to end its tasks before it closes. The thread
itself ends with the statement, for which nobody waits.
"""

import asyncio
import sqlite3
from typing import Any
from weakref import WeakSet

import aiosqlite

_ROWS_AT_ONCE = 64
_END_SECONDS = 5.0


class StoppableConnection(aiosqlite.Connection):
    """A connection whose second `stop` has nothing to wait for."""

    stopped = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Close the connection and end its thread, after what was asked of it before."""
        if self.stopped:
            return None
        self.stopped = True
        return super().stop()

    def join(self) -> None:
        """Wait a while for the thread to end."""
        self._thread.join(_END_SECONDS)


class SQLiteConnections:
    """Opens connections, and waits for their ends."""

    def __init__(self) -> None:
        self._opened: WeakSet[StoppableConnection] = WeakSet()

    async def connect(self, database: str, **options: Any) -> aiosqlite.Connection:
        """Connect to a database; the options are those of `sqlite3.connect`.

        For `async_creator_fn` in an engine's `connect_args`.
        """
        connection = StoppableConnection(
            lambda: sqlite3.connect(database, **options), _ROWS_AT_ONCE
        )
        connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: exits do not wait for it
        self._opened.add(connection)
        return await connection

    async def ended(self) -> None:
        """Wait for the threads of connections that were closed or stopped.

        INVARIANT: the event loop stays open until then; they report to it what they finish.
        """
        for connection in list(self._opened):
            if connection.stopped:
                await asyncio.to_thread(connection.join)
