"""Waiting for the demonstration's services."""

import os
from pathlib import Path

import httpx
import pytest

from purposewatch_demo.fleet import StartError, wait_until_ready
from purposewatch_demo.processes import Service, ServiceSpec


async def test_a_service_that_dies_before_it_is_ready_could_not_start(tmp_path: Path) -> None:
    """For example over a faulty variable: nothing has been sent, so nothing can be wrong."""
    (tmp_path / "fake_service.py").write_text("raise SystemExit('no such luck')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    service = Service(ServiceSpec("fake", "fake_service", 1, environment, tmp_path / "fake.log"))
    await service.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(StartError, match="no such luck"):
                await wait_until_ready(client, {"fake": service}, lambda _: None)
    finally:
        await service.stop()
