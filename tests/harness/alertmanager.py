"""A private Prometheus Alertmanager from the machine's own binary, and who it notifies."""

import json
import shutil
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.harness.ports import take_port
from tests.harness.process import Server
from tests.harness.required import skip_without

_REQUIRED = "PURPOSEWATCH_REQUIRE_ALERTMANAGER"
_PROGRAMS = ("alertmanager", "prometheus-alertmanager")

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
    """Who is notified: an HTTP server that counts what Alertmanager sends it about findings.

    Notices (of the ledger, of channels) are kept apart by their kind and key.
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

    def configuration(self, directory: Path) -> Path:
        """Write the configuration of an Alertmanager that notifies this team."""
        file = directory / f"alertmanager-{self._server.server_address[1]}.yaml"
        file.write_text(_CONFIGURATION.format(url=self.url), "utf-8")
        return file

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Alertmanager(Server):
    """One Alertmanager; `terminate` and `start_ready` keep its address and its data.

    An asynchronous context manager that starts nothing by itself, and removes the data in the end.
    """

    def __init__(self, configuration: Path) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="purposewatch-alertmanager-"))
        port = take_port()
        command = [
            require_alertmanager(),
            f"--config.file={configuration}",
            f"--storage.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, port=port)

    async def start_ready(self) -> None:
        """Start it and wait until it is ready."""
        self.start()
        await self.wait_ready("/-/ready")

    async def send(self, alerts: Sequence[Mapping[str, object]]) -> None:
        """Hand alerts over as Prometheus does."""
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False) as client:
            answer = await client.post("/api/v2/alerts", json=alerts)
        assert answer.status_code == httpx.codes.OK, answer.text

    async def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """The firing alerts that carry these labels."""
        parameters = {"filter": [f'{name}="{value}"' for name, value in labels.items()]}
        async with httpx.AsyncClient(base_url=self.base_url, trust_env=False) as client:
            return list((await client.get("/api/v2/alerts", params=parameters)).json())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        shutil.rmtree(self._directory)
