"""Services and commands that start at once: forked from a process that has imported them already.

To import a service takes up to two seconds of CPU, and the tests start services hundreds of times.
A forked service runs the same `__main__`, in a process of its own, with its own environment.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from functools import cache
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext

AVAILABLE = sys.platform == "linux"

_IMPORTED = (
    "purposewatch_ingest.__main__",
    "purposewatch_auditor.__main__",
    "purposewatch_reporter.__main__",
    "purposewatch_cli.main",
    # what they import only while they start
    "aiosqlite",
    "asyncpg",
    "faststream.specification.asyncapi.v2_6_0",
    "faststream.specification.asyncapi.v3_0_0",
    "uvloop",
)
_PR_SET_PDEATHSIG = 1


class ForkedProcess:
    """`python -m <module>` by a fork; what `subprocess.Popen` offers for a process that runs.

    Like a process that `tied_to_caller` starts, it is killed when this process ends. `output` is
    the file descriptor that it appends to; what it says of errors goes there too, or to `errors`.
    """

    def __init__(
        self,
        module: str,
        env: Mapping[str, str],
        output: int,
        *,
        arguments: Sequence[str] = (),
        errors: int | None = None,
    ) -> None:
        opened = (output, output if errors is None else errors)
        files = [f"/proc/{os.getpid()}/fd/{each}" for each in opened]
        self._process = _server().Process(
            target=_become, args=([module, *arguments], dict(env), files)
        )
        self._process.daemon = True
        self._process.start()
        self._reading = threading.Lock()

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative after a signal; `None` while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """The exit status, or `None` while it runs."""
        with self._reading:  # the status can be read once
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time.
        """
        wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def _become(command: list[str], env: Mapping[str, str], files: list[str]) -> None:
    """Run in the forked process, which has nothing of a test yet but what it has imported."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for standard, file in zip((1, 2), files, strict=True):
        opened = os.open(file, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, standard)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
