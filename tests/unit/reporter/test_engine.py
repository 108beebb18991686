"""The connections to the database."""

import asyncio
import threading
from contextlib import AsyncExitStack

import anyio
from sqlalchemy import text

from purposewatch_reporter.store.engine import Database


async def test_requests_never_keep_the_ledger_waiting_for_a_connection(database: Database) -> None:
    """However many of them wait for the database themselves."""
    async with AsyncExitStack() as requests:

        async def request() -> None:
            await requests.enter_async_context(database.requests.reading())

        waiting = [asyncio.create_task(request()) for _ in range(40)]
        await asyncio.sleep(0.1)
        assert not all(task.done() for task in waiting)  # all connections of requests are taken

        async with asyncio.timeout(2):
            async with database.reading() as connection:
                await connection.execute(text("SELECT 1"))
            async with database.writing() as connection:
                await connection.execute(text("SELECT 1"))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_cancelled_request_leaves_no_task_behind(database: Database) -> None:
    """The framework cancels again at each wait, so the connection is stopped while it closes."""
    before = asyncio.all_tasks()
    slow = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
        "SELECT max(i) FROM n"
    )
    with anyio.move_on_after(0.01):
        async with database.requests.reading() as connection:
            await connection.execute(slow)

    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=5)
    assert not left


async def test_closing_waits_for_a_statement_that_nobody_waits_for(database: Database) -> None:
    """Its thread reports to the event loop, which may close next."""
    slow = text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) "
        "SELECT max(i) FROM n"
    )
    before = set(threading.enumerate())
    with anyio.move_on_after(0.05):
        async with database.requests.reading() as connection:
            await connection.execute(slow)
    working = {each for each in threading.enumerate() if "_connection_worker" in each.name} - before
    assert working

    await database.stop()

    assert not [thread for thread in working if thread.is_alive()]
