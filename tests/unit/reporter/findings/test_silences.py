"""Suppressions: nothing is lost by them but the alert."""

from datetime import timedelta
from typing import Any

import pytest

from purposewatch_reporter.findings import silences as suppressions_module
from purposewatch_reporter.findings.silences import (
    Matchers,
    Suppression,
    SuppressionError,
    add_suppression,
    end_suppression,
    list_suppressions,
)
from purposewatch_reporter.store import tables
from tests.unit.reporter.alerts.conftest import Bench
from tests.unit.reporter.conftest import NOW


@pytest.fixture
def bench(database: Any) -> Bench:
    """A bench without anything booked."""
    return Bench(database)


async def suppress(bench: Bench, **given: Any) -> Suppression:
    """Suppress for a day, by default one category."""
    values = {
        "reason": "known; being mended",
        "author": "ana",
        "expires_time": bench.now + timedelta(days=1),
        "now": bench.now,
        **given,
    }
    matchers = values.pop("matchers", Matchers(data_category="user.a"))
    async with bench.database.writing() as connection:
        return await add_suppression(connection, matchers, **values)


async def finding(bench: Bench, category: str = "user.a") -> Any:
    """The finding of a category."""
    [row] = [row for row in await bench.rows(tables.findings) if row.data_category == category]
    return row


async def test_what_is_suppressed_is_booked_and_counted_but_not_alerted(bench: Bench) -> None:
    """The others alert as ever."""
    await suppress(bench)
    await bench.violate("user.a", "user.a", "user.b")
    await bench.turn()
    found = await finding(bench)
    assert (found.count, found.suppressed_count, found.episode, found.state) == (2, 2, 0, "quiet")
    other = await finding(bench, "user.b")
    assert [row.fingerprint for row in await bench.rows()] == [other.fingerprint]
    suppressed = [row.suppressed for row in await bench.rows(tables.violations)]
    assert sorted(suppressed) == [False, True, True]


async def test_it_ends_the_alerts_that_it_covers(bench: Bench) -> None:
    """At once; an unrouted episode is never told."""
    await bench.violate("user.a", "user.b")
    await bench.turn()
    await bench.violate("user.c")
    await suppress(bench, matchers=Matchers(controller="wework-labs", data_category="user.a"))
    await suppress(bench, matchers=Matchers(data_category="user.c"))
    await bench.turn()
    states = {row.fingerprint: row.state for row in await bench.rows()}
    assert states == {
        (await finding(bench, "user.a")).fingerprint: "resolved",
        (await finding(bench, "user.b")).fingerprint: "firing",
    }


async def test_it_expires(bench: Bench) -> None:
    """Then the next violation begins an episode, which counts from there."""
    await suppress(bench)
    await bench.violate("user.a")
    bench.later(days=1)
    await bench.violate("user.a")
    await bench.turn()
    found = await finding(bench)
    assert (found.count, found.suppressed_count) == (2, 1)
    assert (found.episode, found.episode_count, found.episode_started_time) == (1, 1, bench.now)
    assert len(await bench.rows()) == 1


async def test_it_can_be_ended_and_stays_in_the_record(bench: Bench) -> None:
    """With who ended it; a second time is refused."""
    added = await suppress(bench)
    bench.later(hours=1)
    async with bench.database.writing() as connection:
        ended = await end_suppression(connection, added.id, by="ben", now=bench.now)
        assert ended is not None
        with pytest.raises(SuppressionError, match="is over already"):
            await end_suppression(connection, added.id, by="ben", now=bench.now)
        assert await end_suppression(connection, "0" * 32, by="ben", now=bench.now) is None
        assert await list_suppressions(connection, bench.now) == [ended]
        assert await list_suppressions(connection, bench.now, active_only=True) == []
    assert (ended.ended_by, ended.ended_time, ended.reason) == ("ben", bench.now, added.reason)
    await bench.violate("user.a")
    assert (await finding(bench)).state == "firing"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"matchers": Matchers()}, "give at least one field"),
        ({"reason": "  "}, "must not be empty"),
        ({"author": ""}, "must not be empty"),
        ({"reason": "x" * 2001}, "2000 characters at most"),
        ({"expires_time": NOW}, "must be in the future, 366 days at most"),
        ({"expires_time": NOW + timedelta(days=367)}, "must be in the future"),
    ],
)
async def test_it_says_what_why_by_whom_and_how_long(
    bench: Bench, given: dict[str, Any], message: str
) -> None:
    """Or it isn't added."""
    with pytest.raises(SuppressionError, match=message):
        await suppress(bench, **given)
    assert await bench.rows(tables.suppressions) == []


async def test_there_can_be_only_so_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch with a violation looks at all of them."""
    monkeypatch.setattr(suppressions_module, "MAX_ACTIVE", 1)
    await suppress(bench)
    with pytest.raises(SuppressionError, match="end some first"):
        await suppress(bench)
