"""Calls a function at a fixed interval, in the background of a service."""

import asyncio
from collections.abc import Awaitable, Callable

from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


class Periodic:
    """Calls `action`, waits `seconds`, and repeats. A failure is logged; the next call retries."""

    def __init__(self, name: str, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._seconds = seconds
        self._action = action
        self._failing: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start; the first call is made at once."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cancel the call in progress, if any, and make no further one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._action()
            except Exception as error:  # noqa: BLE001 - the next call retries
                self._report(type(error).__name__)
            else:
                self._report(None)
            await asyncio.sleep(self._seconds)

    def _report(self, failing: str | None) -> None:
        if failing is not None and failing != self._failing:  # log a persisting failure once
            _log.warning("periodic task failed", component=self.name, error=failing)
        elif failing is None and self._failing is not None:
            _log.info("periodic task recovered", component=self.name)
        self._failing = failing
