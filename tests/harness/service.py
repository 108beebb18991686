"""A service of the project as a process of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.harness.ports import take_port
from tests.harness.process import PREFIX, Server


class ServiceProcess(Server):
    """One service run as `python -m <module>`, on a free port, with JSON logs kept.

    `module` may be a stand-in for a `service` (such as `auditor`), and `log` a file to write to.
    """

    def __init__(
        self,
        module: str,
        env: Mapping[str, str],
        *,
        service: str | None = None,
        log: Path | None = None,
    ) -> None:
        service = (service or module.removeprefix("purposewatch_")).upper()
        port = take_port()
        own = {
            f"{PREFIX}LOG_FORMAT": "json",
            **env,
            f"{PREFIX}{service}_HTTP_PORT": str(port),
        }
        super().__init__([sys.executable, "-m", module], own, port=port, log=log)
