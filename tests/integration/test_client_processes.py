"""Whatever ends a process: what the client's call returned for arrives, once, by its id."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from purposewatch_client import Client, ClientSettings
from purposewatch_client.spool_sink import SpoolSink
from tests.harness.fake_ingest import FakeIngest
from tests.harness.ports import take_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("client_program.py")


@pytest.fixture
def ingest() -> Iterator[FakeIngest]:
    """An ingest that accepts everything."""
    with FakeIngest() as ingest:
        yield ingest


class Program:
    """The program as a child process, with its output in a file."""

    def __init__(self, name: str, directory: Path, url: str) -> None:
        self._output = directory / "output"
        environment = {
            **os.environ,
            "PURPOSEWATCH_CLIENT_SOURCE": "/portal",
            "PURPOSEWATCH_CLIENT_INGEST_URL": url,
            "PURPOSEWATCH_CLIENT_KEY": "pwk_test",
            "PURPOSEWATCH_CLIENT_SPOOL": str(directory / "spool"),
            "PURPOSEWATCH_CLIENT_CONTROLLER": "wework-labs",
            "PURPOSEWATCH_CLIENT_ROLE": "member",
            "PURPOSEWATCH_CLIENT_LINGER_SECONDS": "0.02",
            "PURPOSEWATCH_CLIENT_EXIT_TIMEOUT_SECONDS": "15",
        }
        command = [sys.executable, "-P", str(PROGRAM), name]  # beside it is a module `platform`
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdout=output, start_new_session=True
            )

    @property
    def said(self) -> Counter[str]:
        """The subjects that it named; the last line may be unfinished."""
        return Counter(self._output.read_text("utf-8").rpartition("\n")[0].split())

    def wait_for(self, events: int) -> None:
        """Wait until it has recorded so many events."""
        until = time.monotonic() + 20
        while self.said.total() < events:
            assert time.monotonic() < until
            time.sleep(0.01)

    def wait(self) -> int:
        """Wait for its end; its children end with it if it takes too long."""
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise


def run(name: str, directory: Path, url: str) -> Counter[str]:
    """Run the program to its end; what it recorded."""
    program = Program(name, directory, url)
    assert program.wait() == 0
    return program.said


def send_the_rest(directory: Path, url: str) -> Client:
    """What another process does: record an event, adopt what has no owner, send all, and end."""
    spool = directory / "spool"
    settings = ClientSettings(
        source="/portal", ingest_url=url, spool=spool, controller="wework-labs", role="member"
    )
    client = Client(settings, SpoolSink(settings))
    client.record(
        subject="another", operation="use", purpose="essential.service", categories="user.name"
    )
    until = time.monotonic() + 20
    while any(spool.glob("*.seg")):
        assert time.monotonic() < until
        client.flush(1)
        time.sleep(0.01)
        if len(list(spool.glob("*.seg"))) == 1:
            client.close(5)
    return client


@pytest.mark.parametrize("reachable", [True, False])
def test_sigkill_loses_nothing(ingest: FakeIngest, tmp_path: Path, *, reachable: bool) -> None:
    """At any moment, while events are sent, or while ingest is away."""
    url = ingest.url if reachable else f"http://127.0.0.1:{take_port()}"
    program = Program("busy", tmp_path, url)
    program.wait_for(2000)
    time.sleep(random.uniform(0, 0.05))  # noqa: S311 - at any moment
    program.process.kill()
    program.wait()
    expected = program.said
    assert bool(ingest.ids) == reachable

    client = send_the_rest(tmp_path, ingest.url)
    arrived = ingest.subjects
    # the call may not have returned to say so
    assert expected - arrived == Counter()
    assert sum((arrived - expected).values()) <= 3
    assert max(arrived.values()) == 1
    assert client.stats().damaged == 0


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("abort", 200),
        ("end", 20),
        ("fork", 100),
        ("preload", 60),
        ("fork_in_c", 15),
        ("pool", 80),
    ],
)
def test_an_end_loses_nothing(ingest: FakeIngest, tmp_path: Path, name: str, events: int) -> None:
    """Nor does a fork record anything twice, or wait for a lock of its parent's."""
    expected = run(name, tmp_path, ingest.url)
    assert len(expected) >= events

    send_the_rest(tmp_path, ingest.url)
    assert ingest.subjects == expected + Counter(["another"])
    assert max(ingest.subjects.values()) == 1


@pytest.mark.parametrize("name", ["end", "preload", "pool"])
def test_an_end_with_handlers_sends_everything(
    ingest: FakeIngest, tmp_path: Path, name: str
) -> None:
    """So nothing waits for the next process."""
    expected = run(name, tmp_path, ingest.url)
    assert ingest.subjects == expected
    assert list((tmp_path / "spool").iterdir()) == []


def test_an_end_without_ingest_is_not_held_up(tmp_path: Path) -> None:
    """The spool keeps the events."""
    started = time.monotonic()
    run("end", tmp_path, f"http://127.0.0.1:{take_port()}")
    assert time.monotonic() - started < 10  # `exit_timeout_seconds` is 15
    assert len(list((tmp_path / "spool").glob("*.seg"))) == 1


def test_a_signal_handler_ends_the_process(ingest: FakeIngest, tmp_path: Path) -> None:
    """While its own thread is in the middle of a call."""
    program = Program("on_signal", tmp_path, ingest.url)
    program.wait_for(500)
    program.process.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.said["handled"] == 1
    send_the_rest(tmp_path, ingest.url)
    assert program.said - ingest.subjects == Counter()
