"""Silences: nothing is lost by them but the alert."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.findings import silences as silences_module
from purposewatch_reporter.findings.silences import (
    Matchers,
    NewSilence,
    Silence,
    SilenceError,
    end_silence,
    list_silences,
)
from purposewatch_reporter.store import tables
from tests.unit.reporter.alerts.conftest import Bench
from tests.unit.reporter.conftest import NOW


@pytest.fixture
def bench(database: Any) -> Bench:
    """A bench without anything recorded."""
    return Bench(database)


async def silence(bench: Bench, **given: Any) -> Silence:
    """Silence for a day, by default one category."""
    values = {
        "reason": "known; being mended",
        "author": "ana",
        "expires_time": bench.now + timedelta(days=1),
        **given,
    }
    matchers = values.pop("matchers", Matchers(data_category="user.a"))
    async with bench.database.writing() as connection:
        return await silence_findings(connection, NewSilence(matchers, **values), bench.now)


async def finding(bench: Bench, category: str = "user.a") -> Any:
    """The finding of a category."""
    [row] = [row for row in await bench.rows(tables.findings) if row.data_category == category]
    return row


async def test_what_is_silenced_is_recorded_and_counted_but_not_alerted(bench: Bench) -> None:
    """The others alert as ever."""
    await silence(bench)
    await bench.violate("user.a", "user.a", "user.b")
    await bench.advance()
    found = await finding(bench)
    assert (found.count, found.silenced_count, found.episode, found.state) == (2, 2, 0, "quiet")
    other = await finding(bench, "user.b")
    assert [row.fingerprint for row in await bench.rows()] == [other.fingerprint]
    silenced = [row.silenced for row in await bench.rows(tables.violations)]
    assert sorted(silenced) == [False, True, True]


async def test_it_ends_the_alerts_that_it_covers(bench: Bench) -> None:
    """At once; an unrouted episode is never told."""
    await bench.violate("user.a", "user.b")
    await bench.advance()
    await bench.violate("user.c")
    await silence(bench, matchers=Matchers(controller="wework-labs", data_category="user.a"))
    await silence(bench, matchers=Matchers(data_category="user.c"))
    await bench.advance()
    states = {row.fingerprint: row.state for row in await bench.rows()}
    assert states == {
        (await finding(bench, "user.a")).fingerprint: "resolved",
        (await finding(bench, "user.b")).fingerprint: "firing",
    }


async def test_it_expires(bench: Bench) -> None:
    """Then the next violation begins an episode, which counts from there."""
    await silence(bench)
    await bench.violate("user.a")
    bench.later(days=1)
    await bench.violate("user.a")
    await bench.advance()
    found = await finding(bench)
    assert (found.count, found.silenced_count) == (2, 1)
    assert (found.episode, found.episode_count, found.episode_started_time) == (1, 1, bench.now)
    assert len(await bench.rows()) == 1


async def test_it_can_be_ended_and_stays_in_the_record(bench: Bench) -> None:
    """With who ended it; a second time is refused."""
    added = await silence(bench)
    bench.later(hours=1)
    async with bench.database.writing() as connection:
        by = "ben" * 40  # longer than the trail has room for
        ended = await end_silence(connection, added.id, by=by, now=bench.now, reason="It is over.")
        assert ended is not None
        with pytest.raises(SilenceError, match="has ended already"):
            await end_silence(connection, added.id, by="ben", now=bench.now)
        assert await end_silence(connection, "0" * 32, by="ben", now=bench.now) is None
        assert await list_silences(connection, bench.now) == [ended]
        assert await list_silences(connection, bench.now, active_only=True) == []
        [act] = await connection.execute(select(tables.triage_acts))
    assert (ended.ended_by, ended.ended_time, ended.reason) == (by, bench.now, added.reason)
    assert (act.target_kind, act.target_id, act.act) == ("silence", added.id, "end")
    assert (act.author, act.comment, act.time) == (by[:64], ended.ended_reason, bench.now)
    await bench.violate("user.a")
    assert (await finding(bench)).state == "firing"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"matchers": Matchers()}, "give at least one field"),
        ({"reason": "  "}, "must not be empty"),
        ({"author": ""}, "must not be empty"),
        ({"reason": "x" * 2001}, "must not exceed 2000 characters"),
        ({"expires_time": NOW}, "must be in the future, at most 366 days ahead"),
        ({"expires_time": NOW + timedelta(days=367)}, "must be in the future"),
    ],
)
async def test_it_says_what_why_by_whom_and_how_long(
    bench: Bench, given: dict[str, Any], message: str
) -> None:
    """Or it isn't added."""
    with pytest.raises(SilenceError, match=message):
        await silence(bench, **given)
    assert await bench.rows(tables.silences) == []


async def test_there_can_be_only_so_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch with a violation looks at all of them."""
    monkeypatch.setattr(silences_module, "MAX_ACTIVE", 1)
    await silence(bench)
    with pytest.raises(SilenceError, match="end some first"):
        await silence(bench)
