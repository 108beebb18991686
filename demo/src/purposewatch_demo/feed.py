"""Feeds traffic at a pace, with several batches under way at once."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from purposewatch_demo.traffic import Batch

_AT_ONCE = 6
_MAX_CATCH_UP_SECONDS = 1.0


@dataclass(slots=True)
class Pace:
    """Says when the next batch is due. Pure: the time is handed in.

    After a stall it makes up for at most a second of what was missed.
    """

    rate: float
    """Events per second; 0 is as fast as they are taken."""
    _next: float | None = field(default=None)

    def wait(self, events: int, now: float) -> float:
        """Seconds to wait before sending this many events."""
        if self.rate <= 0:
            return 0.0
        due = max(now - _MAX_CATCH_UP_SECONDS, self._next if self._next is not None else now)
        self._next = due + events / self.rate
        return max(0.0, due - now)


class Feeder:
    """Takes batches from `source` until it is dry or feeding is stopped."""

    def __init__(
        self,
        source: Callable[[], Batch | None],
        deliver: Callable[[Batch], Awaitable[None]],
        pace: Pace,
    ) -> None:
        self._source = source
        self._deliver = deliver
        self._pace = pace
        self._stopping = asyncio.Event()
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=1)

    def stop(self) -> None:
        """Send nothing new. What is under way is still delivered."""
        self._stopping.set()

    async def run(self) -> None:
        """Feed. Returns when everything that was taken from the source is delivered.

        INVARIANT: every batch taken from the source is handed to `deliver`.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())
            await self._dispatch()
            for _ in range(_AT_ONCE):
                await self._queue.put(None)

    async def _dispatch(self) -> None:
        while not self._stopping.is_set():
            batch = self._source()
            if batch is None:
                return
            wait = self._pace.wait(len(batch.items), time.monotonic())
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
            await self._queue.put(batch)

    async def _work(self) -> None:
        while (batch := await self._queue.get()) is not None:
            await self._deliver(batch)
