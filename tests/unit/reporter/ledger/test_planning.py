"""A batch is planned without Kafka; what must be known of the logs is looked up before."""

import pytest
from sqlalchemy import func, select

from purposewatch_reporter.ledger.lookups import LogFacts
from purposewatch_reporter.ledger.positions import ReadPosition, SkippedRecordsError, advance
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import TrustedLogs, ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict


def test_a_batch_at_the_position_needs_no_look_up() -> None:
    """The usual case."""
    records = in_topic("verdicts", [verdict(0, 0), verdict(0, 1)], start=7)
    facts = LogFacts()

    after = advance({0: ReadPosition(7)}, records, facts)

    assert not facts.missing
    assert after[0].next_offset == 9


def test_a_batch_before_the_position_asks_whether_the_log_is_the_same() -> None:
    """It repeats something, or comes from another log; the position never moves back."""
    [record] = in_topic("verdicts", [verdict(0, 0)], start=3)
    facts = LogFacts()

    after = advance({0: ReadPosition(7)}, [record], facts)

    assert facts.missing.recognition == {(record.topic, 0)}
    assert after == {0: ReadPosition(7)}


@pytest.mark.parametrize(("start", "skipped"), [(None, False), (9, False), (8, True)])
def test_a_batch_after_the_position_asks_where_the_log_begins(
    start: int | None,
    skipped: bool,  # noqa: FBT001 - a table
) -> None:
    """What lies between was deleted, or was skipped and would be lost."""
    [record] = in_topic("verdicts", [verdict(0, 0)], start=9)
    facts = LogFacts(starts={} if start is None else {(record.topic, 0): start})

    if skipped:
        with pytest.raises(SkippedRecordsError):
            advance({0: ReadPosition(7)}, [record], facts)
    else:
        assert advance({0: ReadPosition(7)}, [record], facts)[0].next_offset == 10
    assert bool(facts.missing) is (start is None)


async def test_nothing_is_written_or_locked_while_the_logs_are_looked_at(
    database: Database,
) -> None:
    """SQLite has one writer: a look-up inside the transaction could not write at all."""

    class Watching(TrustedLogs):
        found = -1

        async def look_up(self, facts: LogFacts) -> None:
            async with database.writing() as connection:
                count = select(func.count()).select_from(tables.positions)
                self.found = (await connection.execute(count)).scalar_one()
            await super().look_up(facts)

    logs = Watching(start=5)
    writer = ledger_writer_of(database, logs=logs)

    receipt = await writer.record_verdicts(in_topic("verdicts", [verdict(0, 5)], start=5))

    assert (logs.found, len(receipt.new)) == (0, 1)
