"""Run one service: an ASGI application with background parts, one process, clean shutdown."""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

import uvicorn
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from starlette.types import ASGIApp

from purposewatch_runtime.health import Check
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.settings import faults, misspelt

_log = get_logger(__name__)

S = TypeVar("S", bound=BaseSettings)

_NOT_SERVING = 3
_RETRY_FIRST_SECONDS = 0.5
_RETRY_LAST_SECONDS = 15.0
_COLLECT_EVERY = 100_000


class FatalError(Exception):
    """Something only a person can mend; the message says how. The process ends with status 1."""


class Part(Protocol):
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

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._started: list[Part] = []
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

    async def _start(self, part: Part) -> None:
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


def _settle_memory() -> None:
    """Spare the garbage collector what lives as long as the process, and most of its rounds.

    Batches make thousands of objects at once that refer to nothing but each other's texts and die
    young by themselves; with Python's own threshold it looks through them every 700.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def load_settings(kind: type[S]) -> S:
    """Read settings from the environment; on an error name each variable and exit with status 2.

    A variable that is probably misspelt is named on standard error and has no effect.
    """
    for guess in misspelt(kind, os.environ):
        sys.stderr.write(f"{guess}\n")
    try:
        return kind()
    except ValidationError as error:
        for fault in faults(error):
            sys.stderr.write(f"{fault}\n")
        raise SystemExit(2) from None


def run(app: ASGIApp, supervisor: Supervisor, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Exits with status 1 after a `FatalError`, and with 3 when nothing can listen at the port.
    """
    listener = _listener(host, port)

    # uvicorn raises the signal again once it has shut down: a clean stop is no death by signal.
    def end(*_: object) -> None:
        raise SystemExit(1 if supervisor.failed is not None else 0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    _settle_memory()
    config = uvicorn.Config(
        app,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(_NOT_SERVING)
    if supervisor.failed is not None:
        raise SystemExit(1)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is taken; end what listens there"
        else:
            reason = (error.strerror or type(error).__name__).lower()
            what = f"can't listen at port {port} of {host}: {reason}; correct the host"
        _log.critical(
            "cannot run", error=f"{what}, or set another port in PURPOSEWATCH_…_HTTP_PORT"
        )
        raise SystemExit(_NOT_SERVING) from None
    return listener
