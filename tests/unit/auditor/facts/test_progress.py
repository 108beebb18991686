"""How far the state is, for those who wait for it and for readiness."""

import asyncio
import time

import pytest

from purposewatch_auditor.facts.progress import FactsBehindError, Progress
from purposewatch_runtime import metrics as m
from purposewatch_runtime.metrics import MetricSet


@pytest.fixture
def metric_set() -> MetricSet:
    """The auditor's metrics."""
    return MetricSet("auditor", version="test")


@pytest.fixture
def progress(metric_set: MetricSet) -> Progress:
    """Of two partitions that were just compared with the topic."""
    made = Progress(metric_set)
    made.expect([0, 1])
    made.compared({0: 10, 1: 0}, {0: 10, 1: 400})
    return made


def detail(progress: Progress, later: float = 0.0) -> tuple[bool, str]:
    """Readiness."""
    check = progress.ready(time.monotonic() + later)
    return check.ok, check.detail


def test_a_restore_is_shown(progress: Progress) -> None:
    """Not ready until what the topic held at first is in the state."""
    progress.reached({1: 100})
    assert detail(progress) == (False, "restoring: 100 of 400 records")

    progress.reached({1: 400})
    assert detail(progress) == (True, "2 partitions")


def test_a_moment_behind_is_no_problem(progress: Progress) -> None:
    """Later on, it is one only when it lasts."""
    progress.reached({1: 400})
    progress.ends_at_least({1: 403})
    progress.reached({1: 401})

    assert detail(progress) == (True, "behind by 2 records")
    assert detail(progress, later=6.0) == (False, "behind by 2 records")


def test_partitions_that_are_not_compared_are_shown(progress: Progress) -> None:
    """Nothing is known of a partition that was just assigned."""
    progress.reached({1: 400})
    progress.expect([0, 1, 2])

    assert detail(progress) == (False, "partitions to be compared with the topic: 1")


def test_how_long_a_restore_took_is_measured(progress: Progress, metric_set: MetricSet) -> None:
    """The gauge is set when it ends; records that are missing are shown for each partition."""
    assert _value(metric_set, "purposewatch_facts_behind_records", partition="1") == 400

    progress.reached({1: 400})

    assert _value(metric_set, m.FACTS_RESTORE_SECONDS.name) > 0
    assert _value(metric_set, "purposewatch_facts_behind_records", partition="1") == 0


def _value(metric_set: MetricSet, name: str, **labels: str) -> float:
    value = metric_set.registry.get_sample_value(name, labels)
    assert value is not None
    return value


async def test_whoever_waits_goes_on_at_once(progress: Progress) -> None:
    """As soon as everything below the offset is in the state, and no sooner."""
    waiting = asyncio.create_task(progress.reach({0: 10, 1: 200}))
    await asyncio.sleep(0)
    progress.reached({1: 199})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()

    progress.reached({1: 200})
    await asyncio.wait_for(waiting, 1)


async def test_a_state_that_starts_anew_is_waited_for(progress: Progress) -> None:
    """What was reached before counts no more."""
    progress.forget(0)
    waiting = asyncio.create_task(progress.reach({0: 5}))
    await asyncio.sleep(0)
    assert not waiting.done()

    progress.compared({0: 0, 1: 0}, {0: 10, 1: 400})
    progress.reached({0: 10})
    await asyncio.wait_for(waiting, 1)


async def test_a_partition_that_goes_ends_the_wait(progress: Progress) -> None:
    """Its next owner judges the batch."""
    waiting = asyncio.create_task(progress.reach({1: 200}))
    await asyncio.sleep(0)

    progress.expect([0])

    with pytest.raises(FactsBehindError):
        await asyncio.wait_for(waiting, 1)


def test_a_log_that_ends_sooner_was_replaced(progress: Progress) -> None:
    """A log never gets shorter."""
    assert [progress.replaced({0: end}) for end in (9, 10, 11)] == [True, False, False]
