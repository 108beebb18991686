"""Start the components of a service in order, keep trying, and stop them in reverse order."""

import asyncio
import os
import signal
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.probes import Check

_RETRY_FIRST_SECONDS = 0.5
_RETRY_LAST_SECONDS = 15.0

_log = get_logger(__name__)


class FatalError(Exception):
    """Something only a person can mend; the message says how. The process ends with status 1."""


class Component(Protocol):
    """A piece of a service that is started before use and stopped after it."""

    name: str

    async def start(self) -> None:
        """Start; raising anything but `FatalError` means «try again later»."""

    async def stop(self) -> None:
        """Finish what is in hand and let go."""


class Supervisor:
    """Starts parts in order, in the background, and stops them in reverse order.

    A part that can't start because what it needs is away (Kafka, the database) is tried again
    with growing pauses, while the process already answers its probes.
    """

    def __init__(self, parts: Sequence[Component]) -> None:
        self._parts = parts
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
        for part in reversed(self._started):
            try:
                await part.stop()
            except Exception:  # noqa: BLE001 - the parts behind it must be stopped all the same
                _log.exception("could not stop cleanly", part=part.name)
        _log.info("stopped")

    async def check(self) -> Check:
        """Whether every part has been started."""
        if self.failed is not None:
            return Check(ok=False, detail=str(self.failed))
        if len(self._started) == len(self._parts):
            return Check(ok=True, detail="every part is started")
        return Check(ok=False, detail=f"waiting for {self._waiting_for}")

    async def _start_all(self) -> None:
        try:
            for part in self._parts:
                await self._start(part)
            _log.info("started")
        except FatalError as error:
            self.failed = error
            _log.critical("cannot run", error=str(error))
            os.kill(os.getpid(), signal.SIGTERM)

    async def _start(self, part: Component) -> None:
        pause = _RETRY_FIRST_SECONDS
        while True:
            try:
                await part.start()
            except FatalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the part is not there yet
                self._waiting_for = f"{part.name} ({type(error).__name__})"
                _log.warning(
                    "waiting",
                    part=part.name,
                    error=f"{type(error).__name__}: {error}",
                    retry_seconds=pause,
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_LAST_SECONDS)
            else:
                self._started.append(part)
                return
