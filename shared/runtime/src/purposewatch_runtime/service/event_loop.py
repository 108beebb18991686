"""Measures how late the event loop is: the first sign that a process is overloaded."""

import asyncio
import time

from purposewatch_runtime import metrics as m

_INTERVAL_SECONDS = 0.25


class EventLoopWatch:
    """A component of every service that sets a timer and observes how late it fires."""

    name = "event loop"

    def __init__(self, metric_set: m.MetricSet) -> None:
        self._lag = metric_set.histogram(m.EVENT_LOOP_LAG_SECONDS)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to measure."""
        self._task = asyncio.create_task(self._measure())

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(_INTERVAL_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - asked - _INTERVAL_SECONDS))
