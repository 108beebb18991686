"""Trying until it succeeds ends with success or with the stop, whichever is first."""

import asyncio

import pytest

from purposewatch_runtime.kafka.retry import retry


async def test_it_tries_until_it_succeeds() -> None:
    """Every failure is told, and the first success is the result."""
    told: list[BaseException] = []
    errors = [OSError(), ValueError()]

    async def attempt() -> int:
        if errors:
            raise errors.pop()
        return 7

    result = await retry(
        attempt, stopping=asyncio.Event(), failed=told.append, first_seconds=0, last_seconds=0
    )

    assert result == 7
    assert [type(error) for error in told] == [ValueError, OSError]


async def test_a_stop_ends_an_attempt_that_hangs() -> None:
    """Nobody waits for an attempt that never ends once the stop has come."""
    stopping = asyncio.Event()

    async def attempt() -> None:
        stopping.set()
        await asyncio.sleep(3_600)

    with pytest.raises(ConnectionError, match="stopped before"):
        async with asyncio.timeout(5):
            await retry(attempt, stopping=stopping, failed=print, first_seconds=1, last_seconds=1)
