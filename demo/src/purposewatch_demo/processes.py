"""One service as a child process: started, watched, started again when it dies, stopped."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from purposewatch_demo.embedded_broker import tied_to_caller

_STOP_PATIENCE_SECONDS = 25.0
_QUICK_DEATH_SECONDS = 5.0
_QUICK_DEATHS_ALLOWED = 5
_RESTART_PAUSE_SECONDS = 0.3
_TAIL_BYTES = 16_384
_TAIL_LINES = 15


class ServiceDiedError(Exception):
    """A service can't be kept running; the message holds its last words."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """How to run one service."""

    name: str
    module: str
    port: int
    environment: Mapping[str, str]
    log: Path

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        return f"http://127.0.0.1:{self.port}"


class Service:
    """Keeps one service running, as a container runtime would.

    It runs in a session of its own: a Ctrl-C in the terminal reaches only the demonstration,
    which stops its services in order. Where the kernel can do that, a service ends with the
    demonstration however that ends.
    """

    def __init__(self, spec: ServiceSpec) -> None:
        self.spec = spec
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False
        self._steady = False

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Start it and keep it running."""
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.spec.name}")

    def settle(self) -> None:
        """From now on a death is followed by a restart; before, it is a failure to start."""
        self._steady = True

    def check(self) -> None:
        """Raise `ServiceDiedError` when it could not be kept running."""
        if self._keeping is not None and self._keeping.done() and not self._stopping:
            self._keeping.result()

    async def stop(self) -> None:
        """SIGTERM, patience, SIGKILL; returns when it has ended."""
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_PATIENCE_SECONDS)
        finally:
            # also when the wait was cancelled: nothing may be left running
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    def last_words(self) -> str:
        """Return the end of its log."""
        try:
            with self.spec.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "(nothing was logged)"

    async def _launch(self) -> None:
        with self.spec.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied_to_caller([sys.executable, "-m", self.spec.module]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.spec.environment),
                start_new_session=True,
            )

    async def _keep(self) -> None:
        quick_deaths = 0
        while self._process is not None:
            begun = time.monotonic()
            status = await self._process.wait()
            if not self._steady:
                how = f"{_described(status)} before it was ready"
                raise self._died(how)
            quick = time.monotonic() - begun < _QUICK_DEATH_SECONDS
            quick_deaths = quick_deaths + 1 if quick else 0
            if quick_deaths > _QUICK_DEATHS_ALLOWED:
                how = f"keeps dying, the last time it {_described(status)}"
                raise self._died(how)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            self.restarts += 1
            await self._launch()

    def _died(self, how: str) -> ServiceDiedError:
        return ServiceDiedError(f"{self.spec.name} {how}; its last words:\n{self.last_words()}")


def _described(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"
