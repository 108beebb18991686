"""A pgaudit connector in a process of its own, which may kill itself while it publishes.

`following.py MAPPING POLICIES LOG STATE SPOOL KILL` reads the whole log, with a window, and ends.
The spool is a file of JSON lines. The process kills itself after as many accesses as KILL says, or
before it stores how far it has read when that is `commit`.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from purposewatch_connect.mapping import Access, Gap
from purposewatch_connect.pgaudit import app
from purposewatch_connect.pgaudit.follow import LogFollower
from purposewatch_connect.pgaudit.settings import PgauditSettings


class FileSpool:
    """Appends accesses to a file, durably."""

    name = "spool"

    def __init__(self, path: Path, kill: str) -> None:
        self._path = path
        self._left = int(kill) if kill.isdigit() else -1

    def append(self, access: Access) -> None:
        """Append one."""
        row = [access.id, access.count, access.time.isoformat(), access.subject_id]
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(row)}\n")
            file.flush()
            os.fsync(file.fileno())
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def append_gap(self, gap: Gap) -> None:
        """There must be none."""
        raise AssertionError(gap)

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""


async def main() -> None:
    """Follow the log until it is read."""
    mapping, policies, log, state, spool, kill = sys.argv[1:]
    if kill == "commit":
        LogFollower.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    settings = PgauditSettings(
        connect_mapping_file=Path(mapping),
        policies_dir=Path(policies),
        connect_pgaudit_log=Path(log),
        connect_pgaudit_format="jsonlog",
        connect_state_dir=Path(state),
        connect_aggregate_seconds=60,
    )
    _, supervisor = app.build_app(settings, spool_of=lambda _: FileSpool(Path(spool), kill))
    async with supervisor:
        while not _is_read(Path(log), Path(state)):
            await asyncio.sleep(0.02)


def _is_read(log: Path, state: Path) -> bool:
    for file in state.glob("*.json"):
        found = json.loads(file.read_text(encoding="utf-8"))
        return found["offset"] == log.stat().st_size and found["batch_end"] is None
    return False


if __name__ == "__main__":
    asyncio.run(main())
