"""Child processes of tests and benchmarks: started, waited for, signalled, killed and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import httpx

from purposewatch_demo.embedded_broker import end_process, tied_to_caller
from tests.harness.ports import take_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from tests.harness.preloaded import ForkedProcess

PREFIX = "PURPOSEWATCH_"
_READY_SECONDS = 40.0
_STOP_SECONDS = 30.0


class Process:
    """One program as a child process, with its output kept in `log` or a temporary file.

    An asynchronous context manager: inside it the process has been started. Only `env` configures
    it: variables of the surrounding environment that begin with `PURPOSEWATCH_` do not reach it.
    It dies with the process that started it, however that ends. An auditor keeps its facts in
    `facts_dir` over all its starts.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        log: Path | None = None,
    ) -> None:
        self._command = list(command)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(PREFIX)
        }
        self.facts_dir = Path(tempfile.gettempdir()) / f"purposewatch-facts-{uuid.uuid4().hex}"
        own = {f"{PREFIX}FACTS_DIR": str(self.facts_dir)}
        self._env = {**inherited, **own, **(env or {})}
        # closed by `__aexit__`
        self._output = log.open("w+b") if log else tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def logs(self) -> str:
        """Everything that it has written so far, over all its starts."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def start(self) -> None:
        """Start it, or start it again after it has ended."""
        self._process = self._launch(self._env, self._output)

    def _launch(
        self, env: Mapping[str, str], output: IO[bytes]
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        return subprocess.Popen(
            tied_to_caller(self._command), env=env, stdout=output, stderr=subprocess.STDOUT
        )

    async def wait_ended(self) -> int:
        """Return its exit status once it ends by itself."""
        return await asyncio.to_thread(self._running.wait, _STOP_SECONDS)

    def signal(self, number: int) -> None:
        """Send it a signal and don't wait."""
        self._running.send_signal(number)

    async def terminate(self) -> int:
        """SIGTERM, and return the exit status; SIGKILL when it doesn't obey."""
        await end_process(self._running, patience=_STOP_SECONDS)
        return self._running.wait()

    def kill(self) -> None:
        """SIGKILL it, as a crash would."""
        self._running.kill()
        self._running.wait()

    def pause(self) -> None:
        """SIGSTOP: it stands still, with all its connections, until `resume`."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it continues where it stood, and does not know that time has passed."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._running.pid

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def _running(self) -> subprocess.Popen[bytes] | ForkedProcess:
        assert self._process is not None, "it hasn't been started"
        return self._process

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.runs:
            await self.terminate()
        self._output.close()
        shutil.rmtree(self.facts_dir, ignore_errors=True)


class Server(Process):
    """A process that serves HTTP on one port, before and after a restart."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(command, env, log=log)
        self.port = port or take_port()

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def wait_ready(
        self, path: str = "/readyz", status: int = 200, *, patience: float = _READY_SECONDS
    ) -> None:
        """Return once `path` answers with `status`; fail with the logs if that never happens."""
        deadline = time.monotonic() + patience
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False) as client:
            answer = "no answer"
            while time.monotonic() < deadline:
                assert self.runs, f"it ended instead:\n{self.logs}"
                with contextlib.suppress(httpx.TransportError):
                    response = await client.get(path)
                    if response.status_code == status:
                        return
                    answer = response.text
                await asyncio.sleep(0.05)
        message = f"{path} did not answer {status} but {answer}; logs:\n{self.logs}"
        raise AssertionError(message)
