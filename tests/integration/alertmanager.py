"""A private Prometheus Alertmanager from the machine's own binary, and who it notifies."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from purposewatch_demo.embedded_broker import end_process, free_port, tied_to_caller
from tests.required import skip_without

_REQUIRED = "PURPOSEWATCH_REQUIRE_ALERTMANAGER"
_PROGRAMS = ("alertmanager", "prometheus-alertmanager")
_READY_SECONDS = 20.0

# one notification per alert; the times are those of a test, not of production
_CONFIGURATION = """\
route:
  receiver: team
  group_by: [fingerprint]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: team
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


def require_alertmanager() -> str:
    """The program; skip the test without it, fail it where it is required."""
    found = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        skip_without("Alertmanager is not installed", _REQUIRED)
    return found


class Team:
    """Who is notified: an HTTP server that counts what Alertmanager tells it of findings.

    Notices (of the books, of channels) are kept apart by their kind and key.
    """

    def __init__(self) -> None:
        self.firing: Counter[str] = Counter()
        self.resolved: Counter[str] = Counter()
        self.notices: Counter[tuple[str, str, str]] = Counter()
        self.alerts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        team = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    labels = alert["labels"]
                    if labels["alertname"] == "PurposewatchNotice":
                        team.notices[labels["kind"], labels["key"], alert["status"]] += 1
                        continue
                    name = labels["fingerprint"]
                    team.alerts[name].append(alert)
                    (team.firing if alert["status"] == "firing" else team.resolved)[name] += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """One Alertmanager; `start` and `stop` keep its address and its data."""

    def __init__(self, program: str, team: Team) -> None:
        self._program = program
        self._directory = Path(tempfile.mkdtemp(prefix="purposewatch-alertmanager-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        configuration = self._directory / "alertmanager.yaml"
        configuration.write_text(_CONFIGURATION.format(url=team.url), "utf-8")

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        process = self._launch()
        deadline = time.monotonic() + _READY_SECONDS
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                try:
                    if (await client.get(f"{self.url}/-/ready")).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                assert process.poll() is None, "Alertmanager ended instead of starting"
                await asyncio.sleep(0.05)
        message = "Alertmanager did not get ready"
        raise AssertionError(message)

    def _launch(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            tied_to_caller(
                [
                    self._program,
                    f"--config.file={self._directory / 'alertmanager.yaml'}",
                    f"--storage.path={self._directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--cluster.listen-address=",
                ]
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self._process

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            await end_process(self._process, patience=10)

    async def alerts(self) -> list[dict[str, Any]]:
        """What it holds to be firing."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/api/v2/alerts")
            found: list[dict[str, Any]] = answer.json()
            return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        shutil.rmtree(self._directory)
