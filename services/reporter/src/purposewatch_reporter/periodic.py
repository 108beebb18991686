"""Do something again and again, in the background of a service."""

import asyncio
from collections.abc import Awaitable, Callable

from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


class Periodic:
    """Calls `action` every `seconds`; a failure is logged, and the next call is its repair."""

    def __init__(self, name: str, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._seconds = seconds
        self._action = action
        self._failing: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first call is made at once."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Break off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._action()
            except Exception as error:  # noqa: BLE001 - whatever failed is tried again
                self._report(type(error).__name__)
            else:
                self._report(None)
            await asyncio.sleep(self._seconds)

    def _report(self, failing: str | None) -> None:
        if failing is not None and failing != self._failing:  # once, not every second
            _log.warning("failed; will be tried again", part=self.name, error=failing)
        elif failing is None and self._failing is not None:
            _log.info("works again", part=self.name)
        self._failing = failing
