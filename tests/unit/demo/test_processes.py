"""Keeping a service running."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from purposewatch_demo.processes import Service, ServiceDiedError, ServiceSpec

WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("waiting", flush=True)
time.sleep(60)
"""
DIES = "raise SystemExit('no such luck')"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + WAITS.replace(
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))", ""
)


@asynccontextmanager
async def service(tmp_path: Path, code: str) -> AsyncIterator[Service]:
    """A service whose module holds this code."""
    (tmp_path / "fake_service.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    spec = ServiceSpec("fake", "fake_service", 1, environment, tmp_path / "fake.log")
    found = Service(spec)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_killed_service_is_started_again(tmp_path: Path) -> None:
    """As a container runtime would, and it is counted."""
    async with service(tmp_path, WAITS) as found:
        await until(lambda: "waiting" in found.last_words())
        found.settle()
        first = found.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: found.restarts == 1 and found.pid not in {None, first})
        found.check()


async def test_a_death_before_it_was_ready_is_a_failure_with_its_last_words(
    tmp_path: Path,
) -> None:
    """A service that can't start is not started over and over."""
    async with service(tmp_path, DIES) as found:
        await until(lambda: found.pid is None)
        with pytest.raises(ServiceDiedError, match="no such luck"):
            await asyncio.wait_for(_checked_forever(found), 20)


async def test_a_service_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    """Restarts end when they do not help."""
    async with service(tmp_path, DIES) as found:
        found.settle()
        with pytest.raises(ServiceDiedError, match="keeps dying"):
            await asyncio.wait_for(_checked_forever(found), 20)


async def test_stopping_is_gentle_and_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM is enough for a service that listens to it."""
    async with service(tmp_path, WAITS) as found:
        await until(lambda: "waiting" in found.last_words())
        pid = found.pid
        assert pid is not None
    assert found.restarts == 0
    assert not _runs(pid)


async def test_a_service_that_will_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience has an end."""
    monkeypatch.setattr("purposewatch_demo.processes._STOP_PATIENCE_SECONDS", 0.2)
    async with service(tmp_path, STUBBORN) as found:
        await until(lambda: "waiting" in found.last_words())
        found.settle()
        pid = found.pid
        assert pid is not None
    assert not _runs(pid)


async def test_a_service_is_out_of_reach_of_the_terminals_ctrl_c(tmp_path: Path) -> None:
    """It leads a session of its own."""
    async with service(tmp_path, WAITS) as found:
        pid = found.pid
        assert pid is not None
        assert os.getsid(pid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's parent-death signal")
async def test_a_service_dies_with_the_demonstration(tmp_path: Path) -> None:
    """Even SIGKILL leaves no service behind."""
    starter = f"""
import asyncio, os
from pathlib import Path
from purposewatch_demo.processes import Service, ServiceSpec
async def main():
    spec = ServiceSpec("fake", "fake_service", 1, os.environ, Path({str(tmp_path)!r}) / "fake.log")
    service = Service(spec)
    await service.start()
    print(service.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    (tmp_path / "fake_service.py").write_text(WAITS)
    demonstration = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        starter,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert demonstration.stdout is not None
    pid = int(await demonstration.stdout.readline())
    await until(lambda: "waiting" in (tmp_path / "fake.log").read_text())
    demonstration.kill()
    await demonstration.wait()

    await until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def _checked_forever(service: Service) -> None:
    while True:
        service.check()
        await asyncio.sleep(0.02)
