"""Late facts: statements that would change which value earlier verdicts used."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from purposewatch_contract.codec import DecodedFact
from purposewatch_policy import FactStatement, statement_in_force
from purposewatch_policy.vocabulary import Taxonomy
from purposewatch_reporter.facts.watch import FactWatch
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.fact_uses import prune_uses
from purposewatch_reporter.store.tables import fact_uses, facts
from purposewatch_runtime import metrics as m
from tests.unit.reporter.conftest import NOW, empty_database, ledger_writer_of
from tests.unit.reporter.facts.records import (
    CONSENT,
    CONTROLLER,
    at,
    fact,
    in_facts,
    in_verdicts,
    used,
)
from tests.unit.reporter.records import verdict


async def affected(database: Database) -> dict[str, int]:
    """How many events each late statement affects."""
    async with database.reading() as connection:
        query = select(facts.c.statement_id, facts.c.affected_events)
        rows = await connection.execute(query.where(facts.c.affected_events > 0))
        return {row.statement_id: row.affected_events for row in rows}


async def test_a_statement_after_its_verdicts_is_late(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """It affects the events of its time that another value was used for, and no others."""
    values = [
        used(n, at(hour), holds=value)
        for n, (hour, value) in enumerate(
            [(7, True), (8, True), (9, True), (10, False), (11, None)]
        )
    ]
    await ledger_writer.record_verdicts(in_verdicts(values))
    withdrawn = fact(value=False, effective_from=at(8))
    receipt = await ledger_writer.record_facts(in_facts([withdrawn]))
    assert await affected(database) == {"s-1": 3}  # at 8 and 9 it held, at 11 it was not stated
    assert receipt.late_facts == {(CONTROLLER, CONSENT): 1}


async def test_affected_accesses_are_counted_apart(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Also when a correction takes the events over."""

    async def counted() -> dict[str, tuple[int, int]]:
        async with database.reading() as connection:
            rows = await connection.execute(select(facts).order_by(facts.c.statement_id))
            return {row.statement_id: (row.affected_events, row.affected_accesses) for row in rows}

    values = [used(n, at(9 + n), holds=False, count=count) for n, count in enumerate((250, 1, 3))]
    await ledger_writer.record_verdicts(in_verdicts(values))
    await ledger_writer.record_facts(in_facts([fact()]))
    assert await counted() == {"s-1": (3, 254)}
    await ledger_writer.record_facts(in_facts([fact("s-2", effective_from=at(10))], start=1))
    assert await counted() == {"s-1": (1, 250), "s-2": (2, 4)}


async def test_facts_of_others_affect_nothing(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Another subject, controller or fact is another history."""
    await ledger_writer.record_verdicts(in_verdicts([used(0, at(9))]))
    others = [
        fact("s-1", subject=f"psn:1:{'0' * 32}"),
        fact("s-2", controller="linggan-house"),
        fact("s-3", fact="consent.survey"),
        fact("s-4", effective_from=at(10)),
        fact("s-5", until=at(9)),  # it expired just then, so nothing is stated
    ]
    receipt = await ledger_writer.record_facts(in_facts(others))
    assert (await affected(database), receipt.late_facts) == ({}, {})


async def test_a_correction_takes_the_events_over(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Each event is counted for the statement that would decide now, and for no other."""
    await ledger_writer.record_verdicts(
        in_verdicts([used(0, at(9), holds=False), used(1, at(11), holds=False)])
    )
    await ledger_writer.record_facts(in_facts([fact()]))
    assert await affected(database) == {"s-1": 2}
    receipt = await ledger_writer.record_facts(
        in_facts([fact("s-2", effective_from=at(10))], start=1)
    )
    assert await affected(database) == {"s-1": 1, "s-2": 1}
    assert receipt.late_facts.total() == 1
    corrected = fact("s-3", value=False, time=at(9))
    receipt = await ledger_writer.record_facts(in_facts([corrected], start=2))
    assert await affected(database) == {"s-2": 1}
    assert receipt.late_facts == {}


async def test_a_statement_that_overtakes_the_verdict_is_late_as_well(
    database: Database,
) -> None:
    """The reporter may read the statement first, though the auditor decided before it came."""
    writer = ledger_writer_of(database, clock=lambda: at(9))
    await writer.record_facts(in_facts([fact(value=False)]))
    receipt = await writer.record_verdicts(
        in_verdicts([used(0, at(8, 30), holds=True, decided_time=at(9).isoformat())])
    )
    assert (await affected(database), receipt.late_facts.total()) == ({"s-1": 1}, 1)


async def test_what_the_auditor_knew_is_not_looked_up(database: Database) -> None:
    """A statement that was recorded long before the decision was part of it."""
    writer = ledger_writer_of(database, clock=lambda: at(8))
    await writer.record_facts(in_facts([fact(value=False)]))
    knowing = used(0, at(9), holds=False, decided_time=at(9).isoformat())
    receipt = await ledger_writer_of(database).record_verdicts(in_verdicts([knowing]))
    assert (await affected(database), receipt.late_facts) == ({}, {})


async def test_redelivered_verdicts_are_stored_once(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Uses are part of the transaction that records the verdict; duplicates have none."""
    values = [used(0, at(9), holds=True), used(1, at(9), holds=True, event_id="event-0-0")]
    for _ in range(2):
        await ledger_writer.record_verdicts(in_verdicts(values))
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(fact_uses)) == 1


async def test_uses_are_pruned_by_age(database: Database, ledger_writer: LedgerWriter) -> None:
    """What came late before stays listed."""
    await ledger_writer.record_verdicts(in_verdicts([used(0, at(9))]))
    await ledger_writer.record_facts(in_facts([fact()]))
    async with database.writing() as connection:
        assert await prune_uses(connection, NOW) == 0
        assert await prune_uses(connection, NOW + timedelta(seconds=1)) == 1
    assert await affected(database) == {"s-1": 1}


async def test_verdicts_without_facts_cost_no_statement(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """A batch of them makes the statements that it made before there were facts."""
    statements: list[str] = []
    for engine in database._engines:
        event.listen(
            engine.sync_engine,
            "before_cursor_execute",
            lambda *arguments: statements.append(str(arguments[2])),
        )
    await ledger_writer.record_verdicts(in_verdicts([verdict(0, 0), verdict(0, 1)]))
    assert statements
    others = [one for one in statements if not one.startswith('INSERT INTO "flows"')]
    assert not [one for one in others if "fact" in one]


async def test_late_facts_are_counted_in_metrics(ledger_writer: LedgerWriter) -> None:
    """By controller and fact, once for each statement."""
    metric_set = m.MetricSet("reporter", version="0")
    handlers = Handlers(ledger_writer, metric_set)
    await handlers.verdicts(in_verdicts([used(0, at(9)), used(1, at(10))]))
    await handlers.facts(in_facts([fact()]))
    labels = {"controller": CONTROLLER, "fact": CONSENT}
    assert metric_set.registry.get_sample_value("purposewatch_late_facts_total", labels) == 1


async def test_counts_of_late_facts_begin_at_zero() -> None:
    """For each fact of each vocabulary, so that the first late statement is an increase."""
    vocabulary = SimpleNamespace(facts=Taxonomy.of("fact", CONSENT, "consent.survey"))
    declared = SimpleNamespace(vocabularies={CONTROLLER: vocabulary})
    metric_set = m.MetricSet("reporter", version="0")
    watch = FactWatch(declared, metric_set)
    metric_set.counter(m.LATE_FACTS).labels(CONTROLLER, CONSENT).inc()
    await watch.refresh()
    for name, count in ((CONSENT, 1), ("consent.survey", 0)):
        labels = {"controller": CONTROLLER, "fact": name}
        sample = metric_set.registry.get_sample_value("purposewatch_late_facts_total", labels)
        assert sample == count


TIMES = st.integers(0, 6).map(lambda minutes: at(8, minutes))


@st.composite
def statements(draw: st.DrawFn) -> DecodedFact:
    """A statement that often begins, ends or was made when another one did."""
    begins = draw(TIMES)
    return fact(
        f"s-{draw(st.integers(0, 10_000))}",
        value=draw(st.booleans()),
        effective_from=begins,
        until=draw(st.none() | st.integers(1, 3).map(lambda n: begins + timedelta(minutes=n))),
        time=draw(TIMES),
    )


def expected(stated: Sequence[DecodedFact], uses: Sequence[tuple[datetime, bool | None]]) -> Any:
    """The same by a walk over everything."""
    known = [
        FactStatement(one.value, one.effective_from, one.until, one.time, one.id, one.source)
        for one in stated
    ]
    found: dict[str, int] = {}
    for time, value in uses:
        decides = statement_in_force(known, time)
        if decides is not None and decides.holds_at(time) is not value:
            found[decides.statement] = found.get(decides.statement, 0) + 1
    return found


@settings(max_examples=25, deadline=None)
@given(
    stated=st.lists(statements(), max_size=6, unique_by=lambda one: one.id),
    uses=st.lists(st.tuples(TIMES, st.none() | st.booleans()), max_size=6),
    steps=st.lists(st.booleans(), max_size=6),
)
def test_counts_follow_from_what_is_stored_in_any_order(
    stated: list[DecodedFact],
    uses: list[tuple[datetime, bool | None]],
    steps: list[bool],
) -> None:
    """Statements and verdicts may arrive in any order, one by one or together."""

    async def run() -> dict[str, int]:
        with TemporaryDirectory() as directory:
            database = empty_database(Path(directory))
            writer = ledger_writer_of(database)
            left_facts = in_facts(stated)
            left_uses = in_verdicts(
                [used(n, time, holds=value) for n, (time, value) in enumerate(uses)]
            )
            for takes_fact in steps:
                if takes_fact and left_facts:
                    await writer.record_facts([left_facts.pop(0)])
                elif left_uses:
                    await writer.record_verdicts([left_uses.pop(0)])
            if left_uses:
                await writer.record_verdicts(left_uses)
            if left_facts:
                await writer.record_facts(left_facts)
            found = await affected(database)
            await database.stop()
            return found

    assert asyncio.run(run()) == expected(stated, uses)
