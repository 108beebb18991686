"""A service of the project as a process of its own."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.harness import preloaded
from tests.harness.ports import take_port
from tests.harness.process import PREFIX, Server


class ServiceProcess(Server):
    """One service run as `python -m <module>`, on a free port, with JSON logs kept.

    `module` may be a stand-in for a `service` (such as `auditor`), and `log` a file to write to.
    It is forked from a process that has imported the services, unless it has to be `fresh`, with
    memory that it shares with nobody.
    """

    def __init__(
        self,
        module: str,
        env: Mapping[str, str],
        *,
        service: str | None = None,
        log: Path | None = None,
        fresh: bool = False,
    ) -> None:
        self._module = module
        self._forks = preloaded.AVAILABLE and not fresh
        service = (service or module.removeprefix("purposewatch_")).upper()
        port = take_port()
        own = {
            f"{PREFIX}LOG_FORMAT": "json",
            **env,
            f"{PREFIX}{service}_HTTP_PORT": str(port),
        }
        super().__init__([sys.executable, "-m", module], own, port=port, log=log)

    def _launch(
        self, env: Mapping[str, str], output: IO[bytes]
    ) -> subprocess.Popen[bytes] | preloaded.ForkedProcess:
        if self._forks:
            return preloaded.ForkedProcess(self._module, env, output.fileno())
        return super()._launch(env, output)
