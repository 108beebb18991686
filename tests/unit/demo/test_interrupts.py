"""What Ctrl-C means."""

import asyncio
import os
import signal

import pytest

from purposewatch_demo.interrupts import Interrupts


async def _task(interrupts: Interrupts, *, gently: bool) -> None:
    interrupts.take()
    if gently:
        interrupts.begin_gently()
    await asyncio.sleep(30)


async def test_the_first_signal_only_ends_the_feeding() -> None:
    """The ledger is settled before the end."""
    interrupts = Interrupts()
    task = asyncio.create_task(_task(interrupts, gently=True))
    await asyncio.sleep(0)

    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(interrupts.ending.wait(), 5)

    assert not task.done()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_before_feeding_it_ends_at_once() -> None:
    """There is nothing to settle yet."""
    interrupts = Interrupts()
    task = asyncio.create_task(_task(interrupts, gently=False))
    await asyncio.sleep(0)

    os.kill(os.getpid(), signal.SIGHUP)

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_later_signals_do_not_cut_the_clearing_up_short() -> None:
    """Impatience leaves no process behind."""
    interrupts = Interrupts()
    cleared = False

    async def clearing_up() -> None:
        nonlocal cleared
        try:
            await _task(interrupts, gently=False)
        finally:
            await asyncio.sleep(0.05)
            cleared = True

    task = asyncio.create_task(clearing_up())
    await asyncio.sleep(0)
    for _ in range(3):
        interrupts.interrupt()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert cleared
