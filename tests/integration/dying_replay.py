"""A stand-in for the command line that is killed between a replayed record and its mark.

Run as `python -m tests.integration.dying_replay dead-letters replay …`.
"""

import os
import signal
from typing import Any

from purposewatch_cli.dead_letters.actions import DeadLetterActions
from purposewatch_cli.main import app


async def _killed(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    DeadLetterActions._record_action = _killed  # type: ignore[method-assign]
    app()
