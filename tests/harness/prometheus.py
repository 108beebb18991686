"""A Prometheus of the test's own, with the project's configuration."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from tests.harness.ports import take_port
from tests.harness.process import Server

_CONFIGURATION = Path(__file__).parents[2] / "deploy" / "prometheus"


class Prometheus(Server):
    """Prometheus with deploy/prometheus as it is, but scraping and evaluating every second.

    The services are found through files of targets/, as an operator would list them. An
    asynchronous context manager: inside it Prometheus is ready.
    """

    def __init__(self, directory: Path, targets: Mapping[str, int]) -> None:
        """`targets` maps each service to its port on this machine."""
        self._home = directory / "configuration"
        self._targets = targets
        port = take_port()
        command = [
            shutil.which("prometheus") or "prometheus",
            f"--config.file={self._home / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'samples'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        super().__init__(command, port=port)

    async def query(self, query: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails the test when Prometheus refuses it."""
        return list((await self.ask("query", query=query))["result"])

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False) as client:
            answer = await client.post(f"/api/v1/{path}", data=parameters)
            if answer.status_code == httpx.codes.METHOD_NOT_ALLOWED:
                answer = await client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == httpx.codes.OK, f"{parameters}: {answer.text}"
        return answer.json()["data"]

    async def __aenter__(self) -> Self:
        shutil.copytree(_CONFIGURATION, self._home)
        file = self._home / "prometheus.yml"
        configuration = yaml.safe_load(file.read_text(encoding="utf-8"))
        configuration["global"] |= {
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "evaluation_interval": "1s",
        }
        file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        for service, port in self._targets.items():
            listed = yaml.safe_dump([{"targets": [f"127.0.0.1:{port}"]}])
            (self._home / "targets" / f"{service}.test.yaml").write_text(listed, encoding="utf-8")
        self.start()
        await self.wait_ready("/-/ready")
        return self
