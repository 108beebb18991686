"""Recording flows, and reading their counts."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event

from purposewatch_contract import flow_digest
from purposewatch_reporter.flows.flow import OTHER, FlowCount
from purposewatch_reporter.flows.queries import read_flow
from purposewatch_reporter.flows.record import FlowRecorder
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.flows.reading import all_counts
from tests.unit.reporter.flows.recording import NOW, record_flows, record_in
from tests.unit.reporter.records import verdict


async def counts_of(database: Database, **asked: Any) -> list[FlowCount]:
    """What the ledger says of one controller."""
    async with database.reading() as connection:
        return await all_counts(connection, "wework-labs", **asked)


async def test_flow_is_stored_whole(database: Database) -> None:
    """Every dimension, the categories in order, what was claimed, and what the ledger said."""
    value = verdict(categories={"user.b": "permitted", "user.a": "permitted"})
    value["data"] |= {
        "source": "employer",
        "location": "eu",
        "retention_days": 30,
        "legal_basis": "consent",
        "facts": {"consent.marketing": True},
    }
    value["facts"] = [{"fact": "consent.marketing", "claimed": True, "value": False}]
    [new] = (await record_flows(database, FlowRecorder(), [value])).new
    [found] = await counts_of(database)
    assert found.flow == new.flow
    assert found.flow.terms.data_categories == ("user.a", "user.b")
    assert found.flow.terms.facts == {"consent.marketing": True}
    assert found.flow.ledger == {"consent.marketing": False}
    assert found.flow.id == flow_digest(found.flow.terms, found.flow.ledger)
    async with database.reading() as connection:
        assert await read_flow(connection, found.flow.id) == found.flow
        assert await read_flow(connection, b"0" * 16) is None


async def test_counts_are_summed_over_hours_and_publishers(database: Database) -> None:
    """One row for a flow and decision, with the times of the events themselves."""
    recorder = FlowRecorder()
    values = [
        verdict(publisher="shop", count=5),
        verdict(event_time="2026-03-02T07:59:59Z"),
        verdict(event_time="2026-03-02T10:00:01Z"),
    ]
    for each in values:
        await record_flows(database, recorder, [each])
    [found] = await counts_of(database)
    assert (found.events, found.accesses, found.publishers) == (3, 7, ("crm", "shop"))
    assert found.first_time == datetime(2026, 3, 2, 7, 59, 59, tzinfo=UTC)
    assert found.last_time == datetime(2026, 3, 2, 10, 0, 1, tzinfo=UTC)
    assert [each.statement for each in found.categories] == ["members.contact.use"]
    [part] = await counts_of(
        database,
        since=datetime(2026, 3, 2, 8, tzinfo=UTC),
        until=datetime(2026, 3, 2, 10, tzinfo=UTC),
    )
    assert (part.events, part.accesses, part.publishers) == (1, 5, ("shop",))
    assert await counts_of(database, since=NOW.replace(day=3)) == []


async def test_decisions_of_one_flow_are_apart(database: Database) -> None:
    """By policy version, outcome, kind, and what was decided about the categories."""
    values = [
        verdict(),
        verdict(policy={"version": "2019-01-01", "digest": "1" * 64}),
        verdict(outcome="violation"),
        verdict(outcome="violation", kind="prohibited"),
        verdict(outcome="unknown", policy=None),
    ]
    await record_flows(database, FlowRecorder(), values)
    found = await counts_of(database)
    assert len({each.flow.id for each in found}) == 1
    assert sorted((each.version or "", each.outcome, each.kind or "") for each in found) == [
        ("", "unknown", ""),
        ("2018-05-25", "permitted", ""),
        ("2018-05-25", "violation", "prohibited"),
        ("2018-05-25", "violation", "undeclared_purpose"),
        ("2019-01-01", "permitted", ""),
    ]


async def test_flow_is_new_once(database: Database) -> None:
    """Whichever recorder meets it, and however often."""
    recorder = FlowRecorder()
    first = await record_flows(database, recorder, [verdict(), verdict(outcome="violation")])
    again = await record_flows(database, recorder, [verdict()])
    elsewhere = await record_flows(database, FlowRecorder(), [verdict(publisher="shop")])
    assert [len(each.new) for each in (first, again, elsewhere)] == [1, 0, 0]
    assert first.new[0].publisher == "crm"


async def test_batch_of_known_flows_takes_two_statements(database: Database) -> None:
    """One for the counts of the hour, one for the totals, however many flows there are."""
    values = [verdict(role=f"role_{number}", outcome="violation") for number in range(20)]
    recorder = FlowRecorder()
    await record_flows(database, recorder, values)
    sent: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if "flow" in statement:
            sent.append(statement.split("(", maxsplit=1)[0].strip())

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await record_flows(database, recorder, values)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sent == ['INSERT INTO "flow_counts"', 'INSERT INTO "flow_totals"']


async def test_places_of_a_batch_that_is_rolled_back_are_not_kept(database: Database) -> None:
    """The next one inserts the rows again."""
    recorder = FlowRecorder()
    async with database.writing() as connection:
        await record_in(connection, recorder, [verdict()])
        await connection.rollback()
    assert len((await record_flows(database, recorder, [verdict()])).new) == 1
    [found] = await counts_of(database)
    assert found.events == 1


@pytest.mark.parametrize("recorders", [1, 2])
async def test_flows_beyond_the_limit_are_counted_together(
    database: Database, recorders: int
) -> None:
    """Every event is counted, whichever flow has a row of its own."""
    by_turns = [FlowRecorder(limit=2) for _ in range(recorders)]
    roles = ["member", "visitor", "mentor", "member_employee", "mentor", "member", "visitor"]
    admissions = [
        await record_flows(
            database,
            by_turns[number % recorders],
            [verdict(role=role, outcome="violation", count=number + 1)],
        )
        for number, role in enumerate(roles)
    ]
    assert [len(each.new) for each in admissions] == [1, 1, 0, 0, 0, 0, 0]
    found = await counts_of(database)
    by_role = {each.flow.terms.role: each for each in found}
    assert {role: each.events for role, each in by_role.items()} == {
        "member": 2,
        "visitor": 2,
        OTHER: 3,
    }
    other = by_role[OTHER]
    assert (other.flow.is_other, other.outcome, other.kind) == (
        True,
        "violation",
        "undeclared_purpose",
    )
    assert other.accesses == 3 + 4 + 5
    assert sum(each.events for each in found) == len(roles)


async def test_limit_is_of_each_controller(database: Database) -> None:
    """The flows of one leave room for those of another."""
    other = verdict()
    other["data"]["controller"] = "linggan-house"
    admission = await record_flows(database, FlowRecorder(limit=1), [verdict(), other])
    assert len(admission.new) == 2
