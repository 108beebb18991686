"""The list of flows: filters, pages, sums."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_reporter.flow_watch import FlowWatch
from purposewatch_reporter.flows import flow_list
from purposewatch_reporter.flows.flow import OTHER
from purposewatch_reporter.flows.flow_list import (
    FlowFilters,
    FlowRow,
    read_flow_list,
    read_place,
    write_place,
)
from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.flows.share import count_difference, read_share
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import event_sums, notices
from purposewatch_runtime.metrics import MetricSet
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.flows.recording import NOW, record_flows
from tests.unit.reporter.flows.summed import close, sum_all
from tests.unit.reporter.records import in_topic, verdict

MONTH = timedelta(days=30)
_DIFFERENCE = "purposewatch_flow_count_difference"


async def rows_of(database: Database, **asked: Any) -> list[FlowRow]:
    """The first page."""
    async with database.reading() as connection:
        filters = FlowFilters(**asked)
        rows, after = await read_flow_list(connection, filters, after=None, size=50)
    assert after is None
    return list(rows)


@pytest.fixture
async def three(database: Database) -> Database:
    """Three flows, one of them with two outcomes and publishers."""
    old = "2026-02-01T08:15:00Z"
    values = [
        verdict(role="member", categories={"user.name": "permitted", "user.names": "permitted"}),
        verdict(role="visitor", event_time=old),
        verdict(role="visitor", outcome="violation", publisher="shop", count=5),
        verdict(role="mentor", outcome="unknown", policy=None, event_time=old),
    ]
    await record_flows(database, FlowRecorder(), values)
    return database


@pytest.mark.parametrize(
    ("asked", "roles"),
    [
        ({}, {"member", "visitor", "mentor"}),
        ({"role": "visitor"}, {"visitor"}),
        ({"controller": "linggan-house"}, set()),
        ({"category": "user.name"}, {"member"}),
        ({"category": "user.nam_"}, set()),
        ({"outcome": "permitted"}, {"member", "visitor"}),
        ({"kind": "undeclared_purpose"}, {"visitor"}),
        ({"publisher": "shop"}, {"visitor"}),
        ({"publisher": "shop", "outcome": "permitted"}, set()),
        ({"since": NOW - MONTH * 2}, {"member", "visitor", "mentor"}),
        ({"since": NOW - timedelta(days=1)}, {"member", "visitor"}),
        ({"until": NOW - timedelta(days=1)}, {"visitor", "mentor"}),
        ({"since": NOW - timedelta(days=1), "outcome": "permitted"}, {"member"}),
        ({"since": NOW - MONTH * 2, "publisher": "shop"}, {"visitor"}),
    ],
)
async def test_filters_are_about_one_decision(
    three: Database, asked: dict[str, Any], roles: set[str]
) -> None:
    """Outcome, publisher and time must match the same one, not three of them."""
    found = await rows_of(three, **asked)
    assert {row.flow.terms.role for row in found} == roles


async def test_row_sums_up_all_decisions(three: Database) -> None:
    """Of the time that was asked for."""
    [row] = await rows_of(three, role="visitor")
    assert (row.events, row.accesses, row.publishers) == (2, 6, ["crm", "shop"])
    assert row.first_time == datetime(2026, 2, 1, 8, 15, tzinfo=UTC)
    assert row.last_time == datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
    [row] = await rows_of(three, role="visitor", since=NOW - timedelta(days=1))
    assert (row.events, row.accesses, row.publishers) == (1, 5, ["shop"])


async def test_pages_have_every_flow_once(database: Database) -> None:
    """Also of one batch, whose flows were recorded at the same time."""
    recorder = FlowRecorder()
    await record_flows(database, recorder, [verdict(role=f"role_{n}") for n in range(7)])
    seen: list[bytes] = []
    after = None
    for _ in range(4):
        async with database.reading() as connection:
            rows, after = await read_flow_list(connection, FlowFilters(), after=after, size=2)
        seen += [row.flow.id for row in rows]
        if after is not None:
            assert read_place(write_place(after)) == after
    assert after is None
    assert len(seen) == len(set(seen)) == 7


async def test_rare_is_found_on_a_later_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page examines so many flows; the next one goes on behind them."""
    monkeypatch.setattr(flow_list, "_WINDOW", 2)
    monkeypatch.setattr(flow_list, "_MOST_EXAMINED", 4)
    values = [verdict(role=f"role_{number}") for number in range(9)]
    await record_flows(database, FlowRecorder(), values)
    async with database.reading() as connection:
        rows, _ = await read_flow_list(connection, FlowFilters(), after=None, size=9)
    last = rows[-1].flow.terms.role
    await record_flows(database, FlowRecorder(), [verdict(role=last, outcome="violation")])
    after, pages = None, []
    async with database.reading() as connection:
        for _ in range(3):
            asked = FlowFilters(outcome="violation")
            found, after = await read_flow_list(connection, asked, after=after, size=9)
            pages.append([row.flow.terms.role for row in found])
    assert (pages, after) == ([[], [], [last]], None)


async def test_share_of_other_is_told(database: Database) -> None:
    """Of all events, those about flows beyond the limit; they are in the list as one."""
    writer = ledger_writer_of(database, max_flows=1)
    values = [verdict(0, n, role=role) for n, role in enumerate(["member", "visitor", "mentor"])]
    await writer.record_verdicts(in_topic("verdicts", values))
    async with database.reading() as connection:
        assert await read_share(connection) == (3, 2)
    assert {row.flow.terms.role: row.events for row in await rows_of(database)} == {
        "member": 1,
        OTHER: 2,
    }


async def test_counts_agree_with_the_ledger(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Duplicates and conflicts are not counted; a difference shows, and raises a notice."""
    metric_set = MetricSet("reporter", version="0")
    watch = FlowWatch(database, metric_set, lambda: NOW)

    async def shown() -> tuple[int, list[str]]:
        await watch.refresh()
        async with database.reading() as connection:
            states = (await connection.execute(select(notices.c.state))).scalars().all()
            difference = await count_difference(connection)
        assert metric_set.registry.get_sample_value(_DIFFERENCE) == difference
        return difference, list(states)

    values = [
        verdict(0, 0),
        verdict(0, 1, event_id="event-0-0"),
        verdict(0, 2, event_id="event-0-0", content="other"),
        verdict(0, 3, outcome="violation"),
    ]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    assert await shown() == (0, ["firing"]), "the notice is about the conflict"
    assert metric_set.registry.get_sample_value("purposewatch_flows") == 1
    await record_flows(database, FlowRecorder(), [verdict(0, 9)])
    assert await shown() == (1, ["firing", "firing"])


async def test_sums_agree_with_the_ledger(database: Database, ledger_writer: LedgerWriter) -> None:
    """What the pages add up is compared as well, once hours are summed."""
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0), verdict(0, 1)]))
    await close(database, NOW)
    await sum_all(database)
    async with database.snapshot() as connection:
        assert await count_difference(connection) == 0
    async with database.writing() as connection:
        await connection.execute(event_sums.update().values(count=5))
    async with database.snapshot() as connection:
        assert await count_difference(connection) == 3
