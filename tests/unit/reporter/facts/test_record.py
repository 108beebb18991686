"""Statements of facts in the database: what the topic holds, each once."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from purposewatch_contract.codec import fact_key
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.ledger.positions import SkippedRecordsError
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import facts, notices
from purposewatch_runtime import metrics as m
from tests.unit.reporter.facts.records import CONSENT, TOPIC, at, fact, in_facts
from tests.unit.reporter.logs import TOPICS, Pipeline
from tests.unit.reporter.records import record


async def stored(database: Database) -> dict[str, Any]:
    """The rows by the id of the statement."""
    async with database.reading() as connection:
        rows = await connection.execute(select(facts))
        return {row.statement_id: row for row in rows}


async def test_a_statement_is_stored_whole(database: Database, ledger_writer: LedgerWriter) -> None:
    """Everything that a reader needs to prove it, and what orders it among others."""
    stated = fact(until=at(20), time=at(9), accepted_time=at(9, 1))
    receipt = await ledger_writer.record_facts(in_facts([stated]))
    assert receipt.facts == {(CONSENT, "consent"): 1}
    row = (await stored(database))["s-1"]
    shown = (row.controller, row.subject, row.fact, row.value, row.evidence, row.publisher)
    assert shown == (
        stated.controller,
        stated.subject,
        CONSENT,
        True,
        "receipt/s-1",
        "consent",
    )
    times = (row.effective_from, row.until, row.stated_time, row.accepted_time)
    assert times == (at(8), at(20), at(9), at(9, 1))
    assert (row.content_digest.hex(), row.affected_events) == (stated.content_digest, 0)


async def test_repeats_and_redeliveries_change_nothing(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """A repeat has a new offset, a redelivery the old one; both are told apart from news."""
    first = in_facts([fact(), fact(), fact("s-2")])
    receipt = await ledger_writer.record_facts(first)
    before = await stored(database)
    again = await ledger_writer.record_facts(first)
    repeated = await ledger_writer.record_facts(in_facts([fact(accepted_time=at(10))], start=3))
    assert await stored(database) == before
    assert (receipt.duplicates, receipt.facts.total()) == (1, 2)
    assert (again.repeats, again.facts, repeated.duplicates, repeated.facts) == (3, {}, 1, {})


async def test_an_id_with_other_content_is_reported(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """The topic holds the last record of a key; another key is another statement."""
    other = fact(value=False, content_digest="1" * 32)
    moved = fact(effective_from=at(7), content_digest="2" * 32)
    receipt = await ledger_writer.record_facts(in_facts([fact(), other, moved]))
    assert receipt.conflicts == 2
    async with database.reading() as connection:
        values = (await connection.execute(select(facts.c.effective_from, facts.c.value))).all()
        [notice] = (await connection.execute(select(notices))).all()
    assert sorted(map(tuple, values)) == [(at(7), True), (at(8), False)]
    assert (notice.kind, notice.key) == ("conflict", "consent")
    assert "s-1" in notice.summary


async def test_a_tombstone_deletes_one_statement(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """By the key alone, in the same batch or later; a statement after it is stored again."""
    await ledger_writer.record_facts(in_facts([fact(), fact("s-2"), fact_key(fact())]))
    assert (await stored(database)).keys() == {"s-2"}
    await ledger_writer.record_facts(in_facts([fact_key(fact("s-2")), fact()], start=3))
    assert (await stored(database)).keys() == {"s-1"}


async def test_what_no_service_can_have_written_is_suspect(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """A key that is not the statement's would outlive, or replace, another one."""
    good, wrong_key = in_facts([fact(), fact("s-2")])
    wrong_key.key = good.key
    records = [
        good,
        wrong_key,
        record(TOPIC, 0, 2, None, b"nonsense"),
        record(TOPIC, 0, 3, None),
        record(TOPIC, 0, 4, b"nonsense", good.key),
    ]
    receipt = await ledger_writer.record_facts(records)
    assert receipt.dead_letters == {"suspect": 3, "not_json": 1}
    assert (await stored(database)).keys() == {"s-1"}
    assert (await ledger_writer.record_facts(records)).dead_letters == {}


async def test_a_batch_that_fails_stores_nothing(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Statements and position are one transaction."""
    async with database.writing() as connection:
        await connection.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(SQLAlchemyError):
        await ledger_writer.record_facts(in_facts([fact()]))
    assert await ledger_writer.positions(TOPIC, [0]) == {0: 0}
    async with database.writing() as connection:
        await connection.exec_driver_sql("DROP TRIGGER fail")
    await ledger_writer.record_facts(in_facts([fact()]))
    assert await ledger_writer.positions(TOPIC, [0]) == {0: 1}


async def test_offsets_may_be_missing_only_if_they_were_compacted_away(
    database: Database,
) -> None:
    """A batch beyond the position is refused while Kafka holds a record between them."""
    pipeline = Pipeline(database)
    for number in range(6):
        one = fact(f"s-{number}")
        [made] = in_facts([one])
        pipeline.logs.append(TOPICS.facts, 0, made.value, made.key)
    pipeline.logs.compact(TOPICS.facts, 0, [0, 1, 3])
    await pipeline.ledger_writer.record_facts(pipeline.logs.of(TOPICS.facts)[:1])
    assert (await stored(database)).keys() == {"s-2"}
    with pytest.raises(SkippedRecordsError):
        await pipeline.ledger_writer.record_facts(pipeline.logs.of(TOPICS.facts, start=5))
    await pipeline.ledger_writer.record_facts(pipeline.logs.of(TOPICS.facts, start=3))
    assert (await stored(database)).keys() == {"s-2", "s-4", "s-5"}
    # the first record, by which the log is recognised, may go as well
    pipeline.logs.compact(TOPICS.facts, 0, [2])
    assert await pipeline.ledger_writer.positions(TOPICS.facts, [0]) == {0: 6}


async def test_a_replaced_log_is_read_from_its_beginning(database: Database) -> None:
    """What it repeats is known; what it does not repeat stays in the ledger."""
    pipeline = Pipeline(database)
    for one in in_facts([fact(), fact("s-2")]):
        pipeline.logs.append(TOPICS.facts, 0, one.value, one.key)
    await pipeline.ledger_writer.record_facts(pipeline.logs.of(TOPICS.facts))
    pipeline.logs.recreate(TOPICS.facts)
    for one in in_facts([fact("s-3"), fact("s-2")]):
        pipeline.logs.append(TOPICS.facts, 0, one.value, one.key)
    assert await pipeline.ledger_writer.positions(TOPICS.facts, [0]) == {0: 0}
    receipt = await pipeline.ledger_writer.record_facts(pipeline.logs.of(TOPICS.facts))
    assert (receipt.facts.total(), receipt.duplicates) == (1, 1)
    assert (await stored(database)).keys() == {"s-1", "s-2", "s-3"}


async def test_metrics_count_statements_by_fact_and_publisher(
    ledger_writer: LedgerWriter,
) -> None:
    """Once each."""
    metric_set = m.MetricSet("reporter", version="0")
    handlers = Handlers(ledger_writer, metric_set)
    await handlers.facts(in_facts([fact(), fact(), fact("s-2", fact="consent.survey")]))
    for name in (CONSENT, "consent.survey"):
        labels = {"fact": name, "publisher": "consent"}
        sample = metric_set.registry.get_sample_value("purposewatch_recorded_facts_total", labels)
        assert sample == 1
