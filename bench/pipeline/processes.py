"""Processes under measurement."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from purposewatch_demo.embedded_broker import end_process, tied_to_caller

_PREFIX = "PURPOSEWATCH_"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATIENCE_SECONDS = 30.0


class EndedError(RuntimeError):
    """A process ended while it was measured; the message holds the end of what it wrote."""


class Measured:
    """A running process."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def pids(self) -> Sequence[int]:
        """The ids of all processes that it consists of."""
        return (self.pid,)

    def check(self) -> None:
        """Raise `EndedError` if it is gone."""
        if self._process.poll() is not None:
            written = self._output.read_text(errors="replace")[-3000:]
            message = f"process ended with status {self._process.returncode}: {written}"
            raise EndedError(message)

    async def end(self) -> None:
        """SIGTERM, and wait."""
        await end_process(self._process, patience=_PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def running(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]
) -> AsyncIterator[list[Measured]]:
    """Python processes, each with these arguments and settings of this project, and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    with tempfile.TemporaryDirectory(prefix="purposewatch-bench-") as directory:
        started: list[Measured] = []
        try:
            for number, (arguments, own) in enumerate(zip(commands, environments, strict=True)):
                output = Path(directory) / str(number)
                with output.open("wb") as stream:
                    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                        tied_to_caller([sys.executable, *arguments]),
                        env={**inherited, **own},
                        stdout=stream,
                        stderr=subprocess.STDOUT,
                    )
                started.append(Measured(process, output))
            yield started
        finally:
            for process_ in started:
                await process_.end()


def cpu_seconds(processes: Iterable[Measured]) -> float:
    """Processor time of all threads so far, those that have ended included."""
    total = 0
    for process in processes:
        process.check()
        for pid in process.pids:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            # the name in parentheses may hold spaces; behind it, user time is the 12th field
            fields = stat.rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def rss_bytes(processes: Iterable[Measured]) -> int:
    """Memory that is in use now."""
    pages = 0
    for process in processes:
        for pid in process.pids:
            text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
            pages += int(text.split()[1])
    return pages * _PAGE
