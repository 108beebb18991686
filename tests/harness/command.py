"""A command of the project, run to its end as its user does."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from tests.harness import preloaded

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed and how it ended."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its JSON Lines."""
        return [json.loads(line) for line in self.output.splitlines()]


async def run_command(
    *arguments: str,
    env: Mapping[str, str],
    module: str = "purposewatch_cli",
    seconds: float = 60,
) -> Ended:
    """Run `python -m <module> <arguments>`, with this environment alone.

    It is forked from a process that has imported it, where that can be done.

    Raises:
        subprocess.TimeoutExpired: it has not ended in time, and has been killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = _launch(module, arguments, env, output, errors)
        try:
            status = await asyncio.to_thread(process.wait, seconds)
        finally:
            process.kill()
        return Ended(status, _text(output), _text(errors))


def _launch(
    module: str,
    arguments: tuple[str, ...],
    env: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes],
) -> subprocess.Popen[bytes] | preloaded.ForkedProcess:
    if preloaded.AVAILABLE:
        return preloaded.ForkedProcess(
            module, env, output.fileno(), arguments=arguments, errors=errors.fileno()
        )
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, env=env, stdout=output, stderr=errors)


def _text(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()
