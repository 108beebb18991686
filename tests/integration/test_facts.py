"""Facts on PostgreSQL: the same rows and counts, also when statements and verdicts race."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from purposewatch_contract.codec import DecodedFact, fact_key
from purposewatch_reporter.facts.queries import is_in_force, read_history, read_subject
from purposewatch_reporter.store.engine import Database
from tests.harness.postgresql import PostgreSQL, require_postgresql
from tests.unit.reporter.conftest import ledger_writer_of
from tests.unit.reporter.facts.records import (
    CONSENT,
    CONTROLLER,
    TOPIC,
    at,
    fact,
    in_facts,
    in_verdicts,
    used,
)
from tests.unit.reporter.facts.test_late import affected
from tests.unit.reporter.facts.test_record import stored
from tests.unit.reporter.records import SUBJECT

RACES = 20


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    """An empty database with the current schema."""
    with PostgreSQL(require_postgresql()) as server:
        await server.start()
        opened = Database(SecretStr(server.url(await server.create_database())))
        await opened.start()
        yield opened
        await opened.stop()


async def test_statements_are_stored_read_and_counted(database: Database) -> None:
    """Repeats, a correction of content, a tombstone; what counts; and whom a late one affects."""
    writer = ledger_writer_of(database, facts_topic=TOPIC)
    uses = [used(0, at(9)), used(1, at(11), holds=True), used(2, at(12), holds=False)]
    await writer.record_verdicts(in_verdicts(uses))
    changed = fact(value=False, content_digest="1" * 32, evidence=None)
    stated: list[DecodedFact | bytes] = [
        fact(),
        fact(),
        fact("s-2", value=False, effective_from=at(10), until=at(12)),
        fact("s-3"),
        fact_key(fact("s-3")),
        changed,
    ]
    receipt = await writer.record_facts(in_facts(stated))
    assert (receipt.duplicates, receipt.conflicts) == (1, 1)
    rows = await stored(database)
    assert {name: row.value for name, row in rows.items()} == {"s-1": False, "s-2": False}
    assert await affected(database) == {"s-1": 1, "s-2": 2}
    async with database.reading() as connection:
        found = await read_subject(
            connection,
            controller=CONTROLLER,
            subject=SUBJECT,
            fact=None,
            as_of=at(11),
            limit=5,
        )
        history = await read_history(
            connection, subject=SUBJECT, controller=CONTROLLER, fact=CONSENT, at=at(9)
        )
    shown = [(row.statement_id, is_in_force(row, at(11))) for row in found]
    assert shown == [("s-2", True), ("s-1", False)]
    assert [row.statement_id for row in history] == ["s-2", "s-1"]


async def test_a_statement_and_a_verdict_recorded_at_the_same_time_see_each_other(
    database: Database,
) -> None:
    """By two reporters: whichever commits last counts the event. Without a lock, neither would."""
    reporters = [ledger_writer_of(database, facts_topic=TOPIC) for _ in range(2)]
    for number in range(RACES):
        subject = f"psn:1:{number:032x}"
        verdict = used(number, at(9), holds=True)
        verdict["data"] = {**verdict["data"], "subject": subject}
        late = fact(f"s-{number}", value=False, subject=subject)
        await asyncio.gather(
            reporters[0].record_verdicts(in_verdicts([verdict], start=number)),
            reporters[1].record_facts(in_facts([late], start=number)),
        )
    assert await affected(database) == {f"s-{number}": 1 for number in range(RACES)}
