"""A real Alertmanager with the project's configuration."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx

from purposewatch_demo.embedded_broker import end_process, free_port, tied_to_caller
from tests.deploy.tools import ROOT

PROGRAM = "prometheus-alertmanager"

_READY_SECONDS = 30.0


def _started(command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(tied_to_caller(command), stdout=log, stderr=log)


class Alertmanager:
    """Runs inside its context; its receivers can't be reached from a test, and need not be."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self._url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def send(self, alerts: Sequence[Mapping[str, object]]) -> None:
        """Hand alerts over as Prometheus does."""
        async with httpx.AsyncClient(base_url=self._url, trust_env=False) as client:
            headers = {"Content-Type": "application/json"}
            answer = await client.post(
                "/api/v2/alerts", content=json.dumps(alerts), headers=headers
            )
        assert answer.status_code == httpx.codes.OK, answer.text

    async def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts that carry these labels."""
        parameters = {"filter": [f'{name}="{value}"' for name, value in labels.items()]}
        async with httpx.AsyncClient(base_url=self._url, trust_env=False) as client:
            return list((await client.get("/api/v2/alerts", params=parameters)).json())

    async def __aenter__(self) -> Self:
        command = [
            shutil.which(PROGRAM) or PROGRAM,
            f"--config.file={ROOT / 'deploy' / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={self._directory / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]
        with (self._directory / "alertmanager.log").open("wb") as log:
            self._process = _started(command, log)
        if not await self._is_ready():
            text = (self._directory / "alertmanager.log").read_text(encoding="utf-8")
            message = f"Alertmanager did not get ready:\n{text}"
            raise AssertionError(message)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            await end_process(self._process, patience=10)

    async def _is_ready(self) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        async with httpx.AsyncClient(base_url=self._url, trust_env=False) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/-/ready")).status_code == httpx.codes.OK:
                        return True
                await asyncio.sleep(0.1)
        return False
