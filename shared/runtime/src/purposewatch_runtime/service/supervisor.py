"""Start the components of a service one by one, keep trying, and stop them in reverse order."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry
from purposewatch_runtime.service.probes import Check

_BACKOFF = Backoff(first_seconds=0.5, last_seconds=15.0)

_log = get_logger(__name__)


class FatalError(Exception):
    """An error that only a person can repair; the text says how. The process exits with 1."""


class UnavailableError(Exception):
    """What a component needs can't be used yet; the text, for logs and probes, says what to do."""


class Component(Protocol):
    """Something with a life cycle, started before use and stopped after it."""

    name: str
    """Names the stage of the start in logs and probes."""

    async def start(self) -> None:
        """Start. Any error but `FatalError` means that it is to be tried again later."""

    async def stop(self) -> None:
        """Finish what is in flight and release what is held."""


class Supervisor:
    """Starts components in order, in the background, and stops them in reverse order.

    Each component is a stage of the start, named in logs and probes. A component that can't start
    because what it needs is unavailable (Kafka, the database) is tried again with back-off, while
    the process already answers its probes.
    """

    def __init__(self, components: Sequence[Component]) -> None:
        self._components = components
        self._started: list[Component] = []
        self._waiting_for = "the first attempt"
        self._task: asyncio.Task[None] | None = None
        self.failed: FatalError | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._start_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for component in reversed(self._started):
            try:
                await component.stop()
            except Exception:  # noqa: BLE001 - the components behind it must be stopped all the same
                _log.exception("component not stopped cleanly", component=component.name)
        _log.info("stopped")

    async def check(self) -> Check:
        """Whether every component is started; names the stage that is waited for."""
        if self.failed is not None:
            return Check(ok=False, detail=str(self.failed))
        if len(self._started) == len(self._components):
            return Check(ok=True, detail="every component is started")
        return Check(ok=False, detail=f"waiting for {self._waiting_for}")

    async def _start_all(self) -> None:
        begun = time.monotonic()
        try:
            for component in self._components:
                await self._start(component)
        except FatalError as error:
            self.failed = error
            _log.critical("cannot run", error=str(error))
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            _log.info("started", seconds=round(time.monotonic() - begun, 3))

    async def _start(self, component: Component) -> None:
        begun = time.monotonic()
        self._waiting_for = component.name

        def report(error: BaseException, pause: float) -> None:
            says = isinstance(error, UnavailableError)
            kind = type(error).__name__
            self._waiting_for = f"{component.name} ({error if says else kind})"
            _log.warning(
                "waiting",
                component=component.name,
                error=str(error) if says else f"{kind}: {error}",
                retry_seconds=round(pause, 3),
            )

        await retry(component.start, backoff=_BACKOFF, fatal=FatalError, on_failure=report)
        self._started.append(component)
        seconds = round(time.monotonic() - begun, 3)
        _log.info("component started", component=component.name, seconds=seconds)
