"""Starting and stopping a service's components, and the probes that report it."""

import asyncio
import os
import signal
import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.service import Check, FatalError, Supervisor, health_routes, run
from purposewatch_runtime.service import supervisor as supervisor_module


class Fake:
    """A component that fails some times before it starts, and notes what happens to it."""

    def __init__(self, name: str, seen: list[str], failures: int = 0) -> None:
        self.name = name
        self.seen = seen
        self.failures = failures

    async def start(self) -> None:
        """Fail as often as asked, then start."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError(self.name)
        self.seen.append(f"start {self.name}")

    async def stop(self) -> None:
        """Note it."""
        self.seen.append(f"stop {self.name}")


class Broken(Fake):
    """A component that no retry repairs."""

    async def start(self) -> None:
        """Say what a person must do."""
        message = "mend the configuration"
        raise FatalError(message)


async def until_started(supervisor: Supervisor) -> None:
    """Wait until every component runs."""
    async with asyncio.timeout(5):
        while not (await supervisor.check()).ok:
            await asyncio.sleep(0.01)


async def test_components_start_in_order_and_stop_in_reverse() -> None:
    """What is started first, because others need it, is stopped last."""
    seen: list[str] = []

    async with Supervisor([Fake("a", seen), Fake("b", seen)]) as supervisor:
        await until_started(supervisor)

    assert seen == ["start a", "start b", "stop b", "stop a"]


async def test_absent_dependency_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component whose dependency is unavailable is tried again, and the check names it."""
    monkeypatch.setattr(supervisor_module, "_BACKOFF", Backoff(0.05, 0.1))
    seen: list[str] = []

    async with Supervisor([Fake("kafka", seen, failures=2)]) as supervisor:
        await asyncio.sleep(0.02)
        waiting = await supervisor.check()
        await until_started(supervisor)

    assert waiting == Check(ok=False, detail="waiting for kafka (ConnectionError)")
    assert seen == ["start kafka", "stop kafka"]


async def test_fatal_error_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a person can mend is not retried: the process is told to end."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))

    async with Supervisor([Broken("topics", [])]) as supervisor:
        await asyncio.sleep(0.02)
        check = await supervisor.check()

    assert sent == [signal.SIGTERM]
    assert check == Check(ok=False, detail="mend the configuration")
    assert isinstance(supervisor.failed, FatalError)


async def test_probes_name_each_check() -> None:
    """A probe answers 503 with the reason while any check fails; metrics are Prometheus text."""

    async def fine() -> Check:
        return Check(ok=True, detail="yes")

    async def away() -> Check:
        return Check(ok=False, detail="no broker")

    routes = health_routes(live={}, ready={"a": fine, "b": away}, registry=CollectorRegistry())
    transport = httpx.ASGITransport(app=Starlette(routes=routes))

    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        alive = await client.get("/livez")
        answer = await client.get("/readyz")
        metrics = await client.get("/metrics")

    assert alive.status_code == 200
    assert answer.status_code == 503
    assert answer.json()["checks"]["b"] == {"ok": False, "detail": "no broker"}
    assert metrics.headers["content-type"].startswith("text/plain")


def test_taken_port_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    """A service whose port is taken ends at once with status 3 and says which port that is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            run(Starlette(), Supervisor([]), host="127.0.0.1", port=port)

    assert ended.value.code == 3
    printed = "".join(capfd.readouterr())
    assert f"port {port} of 127.0.0.1 is taken; end what listens there" in printed
