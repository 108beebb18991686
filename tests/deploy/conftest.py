"""The scene that the tests of queries and rules share: it takes a while to set."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.deploy.scene import Scene, playing
from tests.deploy.tools import require
from tests.harness.alertmanager import require_alertmanager

_FLOWING_SECONDS = 90.0
_SEEN = (
    "sum(purposewatch_recorded_violations_total) > 0",
    "purposewatch:dead_letters:ratio_rate1h >= 0",
    'sum(rate(purposewatch_alert_deliveries_total{result="delivered"}[1m])) > 0',
    "sum(rate(purposewatch_recorded_dead_letters_total[1m])) > 0",
    "sum(rate(purposewatch_http_request_seconds_count[1m])) > 0",
)
"""Once all of these have an answer, whatever is still missing is missing for good."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the fixtures out of a test's time."""
    for item in items:
        if "scene" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Services under traffic, and a Prometheus that has seen all of it for a while."""
    require("prometheus")
    require_alertmanager()
    async with playing(tmp_path_factory.mktemp("scene")) as set_up:
        deadline = time.monotonic() + _FLOWING_SECONDS
        missing = list(_SEEN)
        while missing and time.monotonic() < deadline:
            if await set_up.prometheus.query(missing[0]):
                del missing[0]
            else:
                await asyncio.sleep(0.5)
        assert missing == []
        await asyncio.sleep(3)  # a few more scrapes: rates need two
        yield set_up
