"""Feeding at a pace."""

import asyncio

import pytest

from purposewatch_demo.feed import Feeder, Pace
from purposewatch_demo.flows import Transport
from purposewatch_demo.tally import Unforeseen
from purposewatch_demo.traffic import Batch, Item

ONE = Batch("crm", Transport.SINGLE, (Item(b"{}", Unforeseen()),))


def test_events_are_due_at_the_rate() -> None:
    """At ten a second, five events leave half a second for the next."""
    pace = Pace(rate=10)

    assert [pace.wait(5, 0.0), pace.wait(5, 0.0), pace.wait(5, 0.1)] == [0.0, 0.5, 0.9]


def test_a_stall_is_made_up_for_by_a_second_at_most() -> None:
    """After a minute without feeding there is no flood of a minute's events."""
    pace = Pace(rate=10)
    pace.wait(10, 0.0)

    waits = [pace.wait(10, 60.0) for _ in range(3)]

    assert waits == [0.0, 0.0, 1.0]


def test_rate_zero_never_waits() -> None:
    """As fast as they are taken."""
    pace = Pace(rate=0)

    assert [pace.wait(1_000, 0.0), pace.wait(1_000, 0.0)] == [0.0, 0.0]


async def test_everything_taken_from_the_source_is_delivered() -> None:
    """A source that runs dry ends the feeding, after the last delivery."""
    supply = iter([ONE] * 50)
    delivered = []

    async def deliver(batch: Batch) -> None:
        await asyncio.sleep(0.001)
        delivered.append(batch)

    await Feeder(lambda: next(supply, None), deliver, Pace(rate=0)).run()

    assert len(delivered) == 50


async def test_stopping_still_delivers_what_was_taken() -> None:
    """Nothing is taken from the source and then dropped."""
    taken = 0
    delivered = 0

    def source() -> Batch:
        nonlocal taken
        taken += 1
        return ONE

    async def deliver(batch: Batch) -> None:
        nonlocal delivered
        await asyncio.sleep(0.005)
        delivered += 1

    feeder = Feeder(source, deliver, Pace(rate=200))
    running = asyncio.create_task(feeder.run())
    await asyncio.sleep(0.1)
    feeder.stop()
    await running

    assert taken > 0
    assert taken == delivered


async def test_slow_ingest_holds_the_source_back() -> None:
    """No more is taken from the source than can be under way."""
    taken = 0

    def source() -> Batch:
        nonlocal taken
        taken += 1
        return ONE

    async def deliver(batch: Batch) -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(Feeder(source, deliver, Pace(rate=0)).run())
    await asyncio.sleep(0.05)

    assert taken <= 8
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
