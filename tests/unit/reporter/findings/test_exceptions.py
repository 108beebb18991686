"""What exceptions to a policy cover stays a violation, and their end is announced."""

from datetime import timedelta
from typing import Any

import pytest

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.alerts.exception_watch import ExceptionWatch
from purposewatch_reporter.findings.silences import (
    Matchers,
    NewSilence,
    Silence,
    SilenceError,
    end_silence,
    list_silences,
)
from purposewatch_reporter.store import tables
from purposewatch_runtime import metrics as m
from tests.unit.reporter.alerts.conftest import Bench

BEFORE = timedelta(days=14)


@pytest.fixture
def bench(database: Any) -> Bench:
    """A bench without anything recorded."""
    return Bench(database)


async def grant(bench: Bench, *, days: float, **given: Any) -> Silence:
    """Add an exception that ends in so many days."""
    values = {
        "matchers": Matchers(
            "wework-labs", data_category="user.a", purpose="service", recipient="public"
        ),
        "reason": "The directory moves.",
        "author": "counsel",
        "policy_version": "2027",
        "owner": "ana",
        **given,
    }
    asked = NewSilence(expires_time=bench.now + timedelta(days=days), **values)
    async with bench.database.writing() as connection:
        return await silence_findings(connection, asked, bench.now)


async def look(bench: Bench) -> list[tuple[str, str]]:
    """Refresh the watch, and return the notices that fire: severity and summary."""
    watch = ExceptionWatch(
        bench.database, before=BEFORE, metric_set=bench.metrics, clock=lambda: bench.now
    )
    await watch.refresh()
    rows = await bench.rows(tables.notices)
    return [(row.severity, row.summary) for row in rows if row.state == "firing"]


def numbers(bench: Bench) -> dict[str, float]:
    """How many exceptions the metrics have, by state."""
    gauge = bench.metrics.gauge(m.EXCEPTIONS)
    states = ("active", "expiring", "expired")
    return {state: gauge.labels(state)._value.get() for state in states}


async def test_what_it_covers_is_a_violation(bench: Bench) -> None:
    """It is recorded and counted as silenced, and raises no alert until the exception ends."""
    await grant(bench, days=30, matchers=Matchers("wework-labs", data_category="user.a"))
    await bench.violate("user.a", "user.b")
    [excepted, other] = sorted(
        await bench.rows(tables.findings), key=lambda row: str(row.data_category)
    )
    assert (excepted.count, excepted.silenced_count, excepted.state) == (1, 1, "quiet")
    assert (other.silenced_count, other.state) == (0, "firing")
    bench.later(days=30)
    await bench.violate("user.a")
    [excepted, _] = sorted(
        await bench.rows(tables.findings), key=lambda row: str(row.data_category)
    )
    assert (excepted.count, excepted.silenced_count, excepted.state) == (2, 1, "firing")


async def test_its_end_is_announced_before_and_after(bench: Bench) -> None:
    """Once each, whatever the number of looks; it ends a week after the exception."""
    await grant(bench, days=30)
    assert await look(bench) == []
    assert numbers(bench) == {"active": 1, "expiring": 0, "expired": 0}
    bench.later(days=16)
    for _ in range(2):
        [(severity, summary)] = await look(bench)
    assert severity == "medium"
    assert summary == (
        "1 exception to version `2027` of `wework-labs`, owned by ana, expires at "
        "2026-04-01T09:00+00:00: user.a for service, to public. Then what they cover alerts. "
        "Change the service or the policy, or renew them."
    )
    bench.later(days=14)
    [(severity, summary)] = await look(bench)
    assert (severity, "expired at 2026-04-01" in summary) == ("high", True)
    assert numbers(bench) == {"active": 0, "expiring": 0, "expired": 1}
    [episodes] = {row.episode for row in await bench.rows(tables.notices)}
    assert episodes == 1
    bench.later(days=7)
    assert await look(bench) == []
    assert numbers(bench) == {"active": 0, "expiring": 0, "expired": 0}


async def test_exceptions_of_one_owner_and_end_are_announced_together(bench: Bench) -> None:
    """Others have a notice of their own, and a plain silence has none."""
    for category in ("user.a", "user.b", "user.c", "user.d"):
        wanted = Matchers("wework-labs", data_category=category, purpose="p", recipient="r")
        await grant(bench, days=3, matchers=wanted)
    await grant(bench, days=3, owner="ben", matchers=Matchers("wework-labs", kind="prohibited"))
    await grant(bench, days=3, policy_version=None, owner=None)
    found = sorted(summary for _, summary in await look(bench))
    assert [each.partition(",")[0] for each in found] == [
        "1 exception to version `2027` of `wework-labs`",
        "4 exceptions to version `2027` of `wework-labs`",
    ]
    assert "user.c for p, to r and 1 more." in found[1]


@pytest.mark.parametrize("stage_days", [20, 31])
async def test_renewing_or_ending_it_ends_the_notice(bench: Bench, stage_days: int) -> None:
    """A later exception to the same is a renewal, before or after the end."""
    await grant(bench, days=30)
    bench.later(days=stage_days)
    assert len(await look(bench)) == 1
    renewed = await grant(bench, days=60)
    assert await look(bench) == []
    assert sum(numbers(bench).values()) == 1
    async with bench.database.writing() as connection:
        await end_silence(connection, renewed.id, by="ana", now=bench.now)
    assert len(await look(bench)) == 1


async def test_it_needs_an_owner_and_a_controller(bench: Bench) -> None:
    """Nobody would be told, or nobody would know of what."""
    for given in ({"owner": None}, {"matchers": Matchers(kind="prohibited")}):
        with pytest.raises(SilenceError, match="needs `owner` and the controller"):
            await grant(bench, days=1, **given)


async def test_exceptions_can_be_listed_alone(bench: Bench) -> None:
    """In force, or all of them."""
    kept = await grant(bench, days=1)
    await grant(bench, days=1, policy_version=None, owner=None)
    async with bench.database.reading() as connection:
        for active_only in (True, False):
            found = await list_silences(
                connection, bench.now, active_only=active_only, exceptions_only=True
            )
            assert [each.id for each in found] == [kept.id]


async def test_the_notice_is_for_compliance(bench: Bench) -> None:
    """Its alert has the audience of violations and leads to the list of exceptions."""
    await grant(bench, days=1)
    await look(bench)
    await bench.advance()
    await bench.deliverer().deliver()
    [[alert]] = bench.channel.sent
    assert isinstance(alert, Alert)
    assert (alert.labels["audience"], alert.labels["controller"]) == ("compliance", "wework-labs")
    assert alert.url.endswith("/api/v1/silences?exceptions=true")
