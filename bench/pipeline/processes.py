"""Processes under measurement."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from tests.harness.process import Process

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class EndedError(RuntimeError):
    """A process ended while it was measured; the message holds the end of what it wrote."""


class Measured(Process):
    """A process whose processor time and memory can be read."""

    @property
    def pids(self) -> Sequence[int]:
        """The ids of all processes that it consists of."""
        return (self.pid,)

    def check(self) -> None:
        """Raise `EndedError` if it is gone."""
        if not self.runs:
            message = f"a process ended while it was measured: {self.logs[-3000:]}"
            raise EndedError(message)


@contextlib.asynccontextmanager
async def running(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]]
) -> AsyncIterator[list[Measured]]:
    """Python processes, each with these arguments and settings of this project, and no others."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Measured([sys.executable, *arguments], own))
            for arguments, own in zip(commands, environments, strict=True)
        ]


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
