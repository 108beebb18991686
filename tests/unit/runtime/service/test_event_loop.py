"""The lateness of the event loop is measured."""

import asyncio
import time

from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import EventLoopWatch


async def test_a_blocked_loop_is_seen() -> None:
    """Something that blocks the loop for half a second shows as a delay of about that."""
    metric_set = m.MetricSet("auditor", version="0")
    watch = EventLoopWatch(metric_set)
    await watch.start()
    await asyncio.sleep(0.05)
    time.sleep(0.6)  # noqa: ASYNC251 - it is to block
    await asyncio.sleep(0.05)
    await watch.stop()

    name = m.EVENT_LOOP_LAG_SECONDS.name
    late = metric_set.registry.get_sample_value(f"{name}_sum")
    assert metric_set.registry.get_sample_value(f"{name}_count") == 1
    assert late is not None
    assert 0.2 < late < 5
