"""Counts since a time: summed by the hour, or read from the totals, they are the same."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from purposewatch_reporter.flows import sums
from purposewatch_reporter.flows.flow import FlowCount
from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.flows.reading import all_counts
from tests.unit.reporter.flows.recording import NOW, record_flows
from tests.unit.reporter.records import verdict


def verdicts(chance: Random) -> list[dict[str, Any]]:
    """Of some flows and publishers, all over a day; some began late, some ended early."""
    made = []
    for offset in range(120):
        flow = chance.randrange(8)
        first, last = (0, 23) if flow < 3 else (flow, flow + 6)
        at = NOW + timedelta(hours=chance.randint(first, last), minutes=chance.randrange(60))
        made.append(
            verdict(
                0,
                offset,
                event_time=at.isoformat(),
                role=f"role_{flow}",
                publisher=chance.choice(["crm", "shop"]),
                outcome=chance.choice(["permitted", "violation"]),
            )
        )
    return made


async def since(
    database: Database, time: datetime, monkeypatch: pytest.MonkeyPatch, many: float
) -> list[FlowCount]:
    """The counts, if so large a share of decisions reached on both sides counts as many."""
    monkeypatch.setattr(sums, "_MANY_DIVIDED", many)
    async with database.reading() as connection:
        return await all_counts(connection, "wework-labs", since=time)


@pytest.mark.parametrize("hours", [-3, 0, 5, 11, 23, 30])
async def test_totals_and_hours_say_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Whatever the time: before all events, among them, after them."""
    await record_flows(database, FlowRecorder(), verdicts(Random(3)))  # noqa: S311
    time = NOW.replace(minute=0) + timedelta(hours=hours)
    by_hours = await since(database, time, monkeypatch, -1)
    by_totals = await since(database, time, monkeypatch, 2)
    assert by_hours == by_totals
    assert sum(each.events for each in by_hours) == sum(
        datetime.fromisoformat(each["event_time"]) >= time
        for each in verdicts(Random(3))  # noqa: S311
    )
