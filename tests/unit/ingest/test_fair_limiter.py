"""Waiting for a share."""

import asyncio

import pytest

from purposewatch_ingest.fair_limiter import FairLimiter, NoUnitsError, RefusalReason
from purposewatch_ingest.fair_share import SharePolicy


async def test_a_request_waits_until_units_are_released() -> None:
    """A waiting request continues as soon as another one is finished."""
    limiter = FairLimiter(SharePolicy(1, 1, 10))
    held = await limiter.acquire("a", 1)
    waiting = asyncio.create_task(limiter.acquire("b", 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    limiter.release(held)
    assert (await waiting).granted


@pytest.mark.parametrize(
    ("capacity", "publisher", "reason"),
    [(2, "a", RefusalReason.SHARE), (1, "b", RefusalReason.CAPACITY)],
)
async def test_waiting_ends_with_who_was_the_cause(
    capacity: int, publisher: str, reason: RefusalReason
) -> None:
    """After the timeout the error says whether the publisher itself or all of them are busy."""
    limiter = FairLimiter(SharePolicy(capacity, 1, 10))
    held = await limiter.acquire("a", 1)
    with pytest.raises(NoUnitsError) as raised:
        await limiter.acquire(publisher, 1, timeout_seconds=0.01)
    assert reason is raised.value.reason
    limiter.release(held)
    limiter.release(await limiter.acquire(publisher, 1, timeout_seconds=0.01))


async def test_full_queue_refuses_at_once() -> None:
    """What does not even get into the queue does not wait."""
    limiter = FairLimiter(SharePolicy(1, 1, 1))
    await limiter.acquire("a", 1)
    waiting = asyncio.create_task(limiter.acquire("a", 1))
    await asyncio.sleep(0)
    with pytest.raises(NoUnitsError) as raised:
        await limiter.acquire("a", 1)
    assert raised.value.reason is RefusalReason.QUEUE_FULL
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize("granted_first", [True, False])
async def test_a_cancelled_request_leaves_nothing_behind(*, granted_first: bool) -> None:
    """A request that is cancelled while it waits, or just when it is granted, holds nothing."""
    limiter = FairLimiter(SharePolicy(1, 1, 10))
    held = await limiter.acquire("a", 1)
    waiting = asyncio.create_task(limiter.acquire("b", 1))
    await asyncio.sleep(0)
    if granted_first:
        limiter.release(held)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    if not granted_first:
        limiter.release(held)
    await limiter.acquire("c", 1, timeout_seconds=0.01)
