"""Components start in order, are retried, and stop in reverse order."""

import asyncio
import os
import signal

import pytest
from structlog.testing import capture_logs

from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.service import Check, FatalError, Supervisor, UnavailableError
from purposewatch_runtime.service import supervisor as supervisor_module


class Fake:
    """A component that fails some times before it starts, and records its starts and stops."""

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


class Refused(Fake):
    """A component that says what it needs."""

    async def start(self) -> None:
        """Say what a person must do."""
        message = "grant READ to User:auditor"
        raise UnavailableError(message)


async def test_what_is_missing_is_said_in_log_and_probe() -> None:
    """Somebody else repairs it, so the component is tried again."""
    with capture_logs() as logs:
        async with Supervisor([Refused("kafka access", [])]) as supervisor:
            await asyncio.sleep(0.02)
            waiting = await supervisor.check()

    said = "waiting for kafka access (grant READ to User:auditor)"
    assert waiting == Check(ok=False, detail=said)
    assert [log["error"] for log in logs if log["event"] == "waiting"] == [
        "grant READ to User:auditor"
    ]


async def test_fatal_error_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a person can repair is not retried: the process is asked to end."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))

    async with Supervisor([Broken("topics", [])]) as supervisor:
        await asyncio.sleep(0.02)
        check = await supervisor.check()

    assert sent == [signal.SIGTERM]
    assert check == Check(ok=False, detail="mend the configuration")
    assert isinstance(supervisor.failed, FatalError)


async def test_each_stage_of_the_start_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says what was started, in which order, and how long each stage took."""
    with capture_logs() as lines:
        monkeypatch.setattr(supervisor_module, "_log", get_logger("test"))
        async with Supervisor([Fake("a", []), Fake("b", [])]) as supervisor:
            await until_started(supervisor)

    stages = [(line["event"], line.get("component")) for line in lines]
    assert stages == [
        ("component started", "a"),
        ("component started", "b"),
        ("started", None),
        ("stopped", None),
    ]
    assert all(line["seconds"] >= 0 for line in lines[:3])
