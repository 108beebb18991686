"""A Prometheus of the test's own, with the project's configuration."""

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import httpx
import yaml

from purposewatch_demo.embedded_broker import end_process, free_port, tied_to_caller
from tests.deploy.tools import ROOT

_READY_SECONDS = 30.0


def _started(command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(tied_to_caller(command), stdout=log, stderr=log)


class Prometheus:
    """Prometheus with deploy/prometheus as it is, but scraping and evaluating every second.

    The services are found through files of targets/, as an operator would list them.
    """

    def __init__(self, directory: Path, targets: Mapping[str, int]) -> None:
        """`targets` maps each service to its port on this machine."""
        self._directory = directory
        self._targets = targets
        self._url = f"http://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    async def query(self, query: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails the test when Prometheus refuses it."""
        return list((await self.ask("query", query=query))["result"])

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        async with httpx.AsyncClient(base_url=self._url, trust_env=False) as client:
            answer = await client.post(f"/api/v1/{path}", data=parameters)
            if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
                answer = await client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == httpx.codes.OK, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    async def __aenter__(self) -> Self:
        home = self._directory / "configuration"
        shutil.copytree(ROOT / "deploy" / "prometheus", home)
        configuration = yaml.safe_load((home / "prometheus.yml").read_text(encoding="utf-8"))
        configuration["global"] |= {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        }
        (home / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        for service, port in self._targets.items():
            listed = yaml.safe_dump([{"targets": [f"127.0.0.1:{port}"]}])
            (home / "targets" / f"{service}.test.yaml").write_text(listed, encoding="utf-8")
        command = [
            shutil.which("prometheus") or "prometheus",
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._directory / 'samples'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
            "--log.level=error",
        ]
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = _started(command, log)
        await self._wait_ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            await end_process(self._process, patience=10)

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        async with httpx.AsyncClient(base_url=self._url, trust_env=False) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/-/ready")).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.1)
        log = (self._directory / "prometheus.log").read_text(encoding="utf-8")
        message = f"Prometheus did not get ready:\n{log}"
        raise AssertionError(message)
