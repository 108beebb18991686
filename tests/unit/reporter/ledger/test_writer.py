"""Recording: exact, whatever is handed over how often, in whatever pieces."""

import asyncio
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.ledger import offsets as offsets_module
from purposewatch_reporter.ledger import partition as partition_module
from purposewatch_reporter.ledger.positions import SkippedRecordsError
from purposewatch_reporter.ledger.session import VerdictsBehindError
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.store import engine as engine_module
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime.kafka import StopConsumingError
from tests.unit.reporter.conftest import TrustedLogs, empty_database, ledger_writer_of
from tests.unit.reporter.records import PREFIX, dead_letter, in_topic, verdict
from tests.unit.reporter.reference_ledger import PlainLedger, comparable, stored_ledger

EVENTS = f"{PREFIX}.events"


async def assert_ledger(database: Database, expected: PlainLedger) -> None:
    """The database says exactly what the plain ledger say."""
    assert comparable(await stored_ledger(database, EVENTS)) == comparable(expected)


def plain(verdicts: list[dict[str, Any]], letters: list[dict[str, Any]] = []) -> PlainLedger:  # noqa: B006 - never changed
    """Plain ledger of these."""
    ledger = PlainLedger()
    for value in verdicts:
        ledger.verdict(value)
    for value in letters:
        ledger.dead_letter(value)
    return ledger


async def test_everything_about_a_batch_is_recorded(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Counts, violations, duplicates, conflicts and alerts of one batch."""
    values = [
        verdict(0, 0),
        verdict(
            0, 1, outcome="violation", categories={"user": "violation", "user.name": "permitted"}
        ),
        verdict(0, 2, outcome="unknown"),
        verdict(0, 3, event_id="event-0-1", outcome="violation"),
        verdict(0, 4, event_id="event-0-1", content="other", outcome="violation"),
        verdict(
            0, 5, publisher="shop", event_id="event-0-1", event_time="2026-03-02T10:59:59+01:00"
        ),
    ]
    values[5]["event_time"] = "2026-03-02T09:59:59Z"
    receipt = await ledger_writer.record_verdicts(in_topic("verdicts", values))
    assert (len(receipt.new), receipt.duplicates, receipt.conflicts) == (4, 1, 1)
    await assert_ledger(database, plain(values))


async def test_a_conflict_names_the_first_use(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """So that a person can compare the two events; across batches as within one."""
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0, event_id="a")]))
    later = [verdict(0, 1, event_id="a", content="other")]
    await ledger_writer.record_verdicts(in_topic("verdicts", later, start=1))
    async with database.reading() as connection:
        row = (await connection.execute(select(tables.id_conflicts))).one()
    assert (row.event_offset, row.first_offset) == (1, 0)
    assert row.summary == (
        "Event `a` of `/crm` was published again with other content; "
        "the first is at partition 0, offset 0."
    )


async def test_a_repeat_changes_nothing(database: Database, ledger_writer: LedgerWriter) -> None:
    """The same batch again, and the same verdicts in later records."""
    values = [verdict(0, offset, outcome="violation") for offset in range(5)]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    again = await ledger_writer.record_verdicts(in_topic("verdicts", values))
    resent = await ledger_writer.record_verdicts(in_topic("verdicts", values[::-1], start=5))
    assert (again.repeats, resent.repeats) == (5, 5)
    await assert_ledger(database, plain(values))


async def test_unreadable_verdicts_leave_a_gap_and_a_trace(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """The event stays unaccounted for; the record is listed, once."""
    records = in_topic("verdicts", [verdict(0, 0), b"nonsense", verdict(0, 2)])
    await ledger_writer.record_verdicts(records)
    receipt = await ledger_writer.record_verdicts(records)
    assert receipt.repeats == 3
    ledger = await stored_ledger(database, EVENTS)
    assert ledger.offsets == {0: {0, 2}}
    assert ledger.dead_lettered == {(f"{PREFIX}.verdicts", 0, 1)}


async def test_dead_letters_account_for_events_but_not_for_raw_records(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """The ledger describes the events topic; every dead letter is listed once."""
    letters = [
        dead_letter(0, 1),
        dead_letter(0, 1),
        dead_letter(0, 4, topic="raw"),
        dead_letter(0, 4, topic="raw"),
    ]
    receipt = await ledger_writer.record_dead_letters(in_topic("dead-letters", letters))
    assert (receipt.repeats, receipt.dead_letters.total()) == (2, 2)
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0)]))
    await assert_ledger(database, plain([verdict(0, 0)], letters))


async def test_an_event_with_a_verdict_has_no_dead_letter(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """Whichever comes first accounts for the event; the other is a repeat."""
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0)]))
    receipt = await ledger_writer.record_dead_letters(in_topic("dead-letters", [dead_letter(0, 0)]))
    assert receipt.repeats == 1
    await assert_ledger(database, plain([verdict(0, 0)]))


async def test_positions_come_from_the_database(ledger_writer: LedgerWriter) -> None:
    """The next offset per partition; 0 for one that was never read; never backwards."""
    topic = f"{PREFIX}.verdicts"
    assert await ledger_writer.positions(topic, [0, 1]) == {0: 0, 1: 0}
    records = in_topic("verdicts", [verdict(0, 0), verdict(0, 1)])
    await ledger_writer.record_verdicts(records)
    await ledger_writer.record_verdicts(records[:1])
    assert await ledger_writer.positions(topic, [0, 1]) == {0: 2, 1: 0}


async def test_skipped_records_are_refused(database: Database, ledger_writer: LedgerWriter) -> None:
    """A consumer that stands further than the ledger must not move them on."""
    await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 0)]))
    with pytest.raises(SkippedRecordsError, match="continues at 2, the ledger at 1"):
        await ledger_writer.record_verdicts(in_topic("verdicts", [verdict(0, 2)], start=2))
    await assert_ledger(database, plain([verdict(0, 0)]))


async def test_ledger_begins_where_kafka_still_has_verdicts(database: Database) -> None:
    """What was deleted before the first start is not missing; a later gap is."""
    writer = ledger_writer_of(database, logs=TrustedLogs(start=40))
    values = [verdict(0, 35), verdict(0, 36), verdict(0, 38)]
    await writer.record_verdicts(in_topic("verdicts", values, start=40))
    async with database.reading() as connection:
        assert await connection.scalar(select(tables.ledger.c.base)) == 35


async def test_positions_do_not_wait_for_kafka(database: Database) -> None:
    """Or a member that is given partitions would be excluded, join again, and ask again."""

    class Slow(TrustedLogs):
        async def check(self, _: str, __: Collection[int]) -> set[int]:
            await asyncio.sleep(60)
            return set()

    writer = ledger_writer_of(database, logs=Slow(), check_seconds=0.05)
    records = in_topic("verdicts", [verdict(0, 0)])
    await writer.record_verdicts(records)
    async with asyncio.timeout(10):
        assert await writer.positions(records[0].topic, [0, 1]) == {0: 1, 1: 0}


async def test_too_many_gaps_stop_the_consumer(
    database: Database, ledger_writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken producer needs a person; nothing of the batch is recorded."""
    monkeypatch.setattr(offsets_module, "MAX_INTERVALS", 2)
    values = [verdict(0, offset) for offset in (0, 2, 4)]
    with pytest.raises(StopConsumingError, match=r"partition 0 .* more than 2 separate ranges"):
        await ledger_writer.record_verdicts(in_topic("verdicts", values))
    await assert_ledger(database, PlainLedger())


async def test_dead_letters_far_ahead_wait_for_the_verdicts(
    database: Database, ledger_writer: LedgerWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a long history is recorded; they never take the room that verdicts need."""
    monkeypatch.setattr(offsets_module, "MAX_INTERVALS", 4)
    monkeypatch.setattr(partition_module, "_DEAD_LETTER_INTERVALS", 2)
    letters = [dead_letter(0, offset) for offset in (1, 3, 5)]
    await ledger_writer.record_dead_letters(in_topic("dead-letters", letters[:2]))
    with pytest.raises(VerdictsBehindError, match="waiting for the verdicts"):
        await ledger_writer.record_dead_letters(in_topic("dead-letters", letters[2:], start=2))
    values = [verdict(0, offset) for offset in (0, 2, 4)]
    await ledger_writer.record_verdicts(in_topic("verdicts", values))
    await ledger_writer.record_dead_letters(in_topic("dead-letters", letters[2:], start=2))
    await assert_ledger(database, plain(values, letters))


async def test_a_full_disk_ledger_nothing_and_is_survived(
    database: Database, ledger_writer: LedgerWriter
) -> None:
    """The error reaches the consumer, which tries again; with room it succeeds."""
    values = [verdict(0, offset, outcome="violation") for offset in range(400)]
    records = in_topic("verdicts", values)
    async with database.writing() as connection:
        epochs = await connection.scalar(text("PRAGMA page_count"))
        await connection.execute(text(f"PRAGMA max_page_count={epochs + 5}"))
    with pytest.raises(OperationalError, match="disk is full"):
        await ledger_writer.record_verdicts(records)
    await assert_ledger(database, PlainLedger())
    async with database.writing() as connection:
        await connection.execute(text("PRAGMA max_page_count=1000000"))
    await ledger_writer.record_verdicts(records)
    await assert_ledger(database, plain(values))


async def test_a_locked_database_ledger_nothing_and_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that holds the lock only delays the ledger."""
    monkeypatch.setattr(engine_module, "_BUSY_SECONDS", 0.05)
    url = SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'locked.db'}")
    database, other = Database(url), Database(url)
    await database.start()
    records = in_topic("verdicts", [verdict(0, 0)])
    async with other.writing() as connection:
        await connection.execute(tables.positions.delete())
        with pytest.raises(OperationalError, match="locked"):
            await ledger_writer_of(database).record_verdicts(records)
    await ledger_writer_of(database).record_verdicts(records)
    await assert_ledger(database, plain([verdict(0, 0)]))
    await database.stop()
    await other.stop()


VERDICTS = st.lists(
    st.builds(
        verdict,
        st.integers(0, 1),
        st.integers(0, 8),
        event_id=st.sampled_from(["a", "b", "c", None]),
        content=st.sampled_from(["first", "other"]),
        outcome=st.sampled_from(["permitted", "violation", "unknown"]),
        count=st.sampled_from([1, 1, 2, 1_000_000]),
    ),
    min_size=1,
    max_size=25,
)


class _CrashError(Exception):
    pass


@settings(max_examples=40, deadline=None)
@given(VERDICTS, st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.booleans()), min_size=1))
def test_batches_repeats_and_crashes_make_no_difference(
    values: list[dict[str, Any]], pieces: list[tuple[int, bool, bool]]
) -> None:
    """Cut anyhow, broken off before the commit, repeated after it: the ledger is the same."""

    async def record() -> None:
        with tempfile.TemporaryDirectory() as directory:
            database = empty_database(Path(directory))
            writer = ledger_writer_of(database)
            at = 0
            published = in_topic("verdicts", values)
            for number in range(len(values)):
                if at >= len(values):
                    break
                size, crash, repeat = pieces[number % len(pieces)]
                records = published[at : at + size]
                if crash:
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr(Findings, "record", _crash)
                        with pytest.raises(_CrashError):
                            await writer.record_verdicts(records)
                for _ in range(1 + repeat):
                    await writer.record_verdicts(records)
                at += size
            expected = PlainLedger()
            for one, value in zip(published, values, strict=True):
                if expected.contradicts(value):
                    expected.dead_lettered.add((one.topic, one.partition, one.offset))
                expected.verdict(value)
            await assert_ledger(database, expected)
            await database.stop()

    asyncio.run(record())


def _crash(*_: Any) -> None:
    raise _CrashError
