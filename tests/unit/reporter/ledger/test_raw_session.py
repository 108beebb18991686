"""The ledger of the raw topic: every record came through ingest, or is missing."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from purposewatch_contract.codec import FastFactCodec, fact_key
from purposewatch_reporter.ledger import raw as raw_module
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.reconciliation.topic import PartitionReconciliation, reconcile_raw
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs
from purposewatch_runtime.kafka import Record
from tests.unit.reporter.conftest import NOW
from tests.unit.reporter.facts.records import TOPIC as FACTS
from tests.unit.reporter.facts.records import fact
from tests.unit.reporter.logs import TOPICS, Pipeline, raw_id
from tests.unit.reporter.records import dead_letter


@pytest.fixture
async def pipeline(database: Database) -> Pipeline:
    """A pipeline whose raw ledgers are started."""
    made = Pipeline(database)
    await made.open_raw()
    return made


async def ledger(pipeline: Pipeline, partition: int = 0) -> list[PartitionReconciliation]:
    """The log epochs of a raw partition, compared with its log."""
    async with pipeline.database.reading() as connection:
        epochs = (await load_raw_epochs(connection, TOPICS.raw))[partition]
    end = (await pipeline.logs.spans(TOPICS.raw, [partition]))[partition][1]
    return [reconcile_raw(partition, log_epoch, end) for log_epoch in epochs]


async def numbers(pipeline: Pipeline) -> tuple[int, ...]:
    """Records, accepted, dead letters, repeats, unaccounted and pending of the current epoch."""
    one = (await ledger(pipeline))[-1]
    assert one.events is not None
    assert one.pending is not None
    return (
        one.events,
        one.verdicts,
        one.dead_letters,
        one.duplicates,
        one.unaccounted,
        one.pending,
    )


def refuse(pipeline: Pipeline, offset: int, **more: Any) -> None:
    """The gate sets the raw record at that offset aside."""
    value = pipeline.logs.of(TOPICS.raw)[offset].value or b""
    letter = {**dead_letter(0, offset, topic="raw"), "value": base64.b64encode(value).decode()}
    pipeline.logs.append(TOPICS.dead_letters, 0, {**letter, "consumer": "ingest", **more})


async def test_verdicts_and_dead_letters_account_for_raw_records(pipeline: Pipeline) -> None:
    """What has neither is unaccounted, or still under way behind the last recorded one."""
    records = [pipeline.raw() for _ in range(6)]
    pipeline.judge(pipeline.accept(origin=records[0]))
    refuse(pipeline, 1)
    pipeline.judge(pipeline.accept(origin=records[3]))
    await pipeline.record()
    assert await numbers(pipeline) == (6, 2, 1, 0, 1, 2)
    [shown] = await ledger(pipeline)
    assert (shown.oldest_open, shown.reconciled) == (2, False)
    for one in (2, 4, 5):
        pipeline.judge(pipeline.accept(origin=records[one]))
    await pipeline.record()
    assert await numbers(pipeline) == (6, 5, 1, 0, 0, 0)
    assert (await ledger(pipeline))[0].reconciled is True


async def test_an_event_sent_twice_for_one_record_is_a_repeat(pipeline: Pipeline) -> None:
    """The gate crashed between sending it and committing the record's offset."""
    first = pipeline.raw()
    for _ in range(2):
        pipeline.judge(pipeline.accept(origin=first))
        await pipeline.record()
    assert await numbers(pipeline) == (1, 1, 0, 1, 0, 0)
    assert len(await ledger(pipeline)) == 1


async def test_a_dead_letter_of_the_canonical_event_ledgers_for_its_record(
    pipeline: Pipeline,
) -> None:
    """The auditor keeps the event whole, and the event names the record."""
    pipeline.accept(origin=pipeline.raw())
    [event] = pipeline.logs.of(TOPICS.events)
    letter = {**dead_letter(0, 0), "value": base64.b64encode(event.value or b"").decode()}
    pipeline.logs.append(TOPICS.dead_letters, 0, letter)
    await pipeline.record()
    assert await numbers(pipeline) == (1, 0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "not base64 of json",
        {"origin": "http"},
        {"origin": 7},
        {"origin": "other/0/0"},
        {"origin": "data-access.raw/0/-1"},
        {"origin": f"data-access.raw/0/{2**63}"},
    ],
)
async def test_a_letter_that_names_no_record_ledgers_for_none(
    pipeline: Pipeline, value: Any
) -> None:
    """Nobody can say then which record it came from; that one stays open, and shows."""
    pipeline.raw()
    kept = None if value is None else base64.b64encode(json.dumps(value).encode()).decode()
    pipeline.logs.append(TOPICS.dead_letters, 0, {**dead_letter(0, 0), "value": kept})
    await pipeline.record()
    assert await numbers(pipeline) == (1, 0, 0, 0, 0, 1)


async def test_events_by_http_and_of_unknown_partitions_are_nobodys_business(
    pipeline: Pipeline,
) -> None:
    """They are in no raw partition that the ledger knows."""
    pipeline.judge(pipeline.accept())
    said = pipeline.accept()
    pipeline.judge({**said, "origin": f"{TOPICS.raw}/77/3"})
    await pipeline.record()
    assert await numbers(pipeline) == (0, 0, 0, 0, 0, 0)


async def test_a_recreated_raw_topic_gets_a_new_log_epoch(pipeline: Pipeline) -> None:
    """Events of the old log that come late are recorded on the old log epoch, and none twice."""
    old = [pipeline.raw() for _ in range(4)]
    said = [pipeline.accept(origin=record) for record in old]
    for one in said[:2]:
        pipeline.judge(one)
    await pipeline.record()
    pipeline.logs.recreate(TOPICS.raw)
    new = [pipeline.raw() for _ in range(3)]
    await pipeline.detector.check(TOPICS.raw, [0])
    late = [*said[2:], *(pipeline.accept(origin=record) for record in new[:2])]
    for one in (late[2], late[0], late[3], late[1]):
        pipeline.judge(one)
    refuse(pipeline, 2)
    await pipeline.record()
    before, now = await ledger(pipeline)
    assert (before.has_ended, before.verdicts, before.unaccounted) == (True, 4, 0)
    assert (now.verdicts, now.dead_letters, now.duplicates) == (2, 1, 0)


async def test_a_refusal_may_be_the_first_from_a_recreated_topic(pipeline: Pipeline) -> None:
    """At an offset that the old log epoch has recorded, or never reached."""
    old = [pipeline.raw() for _ in range(3)]
    for record in old:
        pipeline.judge(pipeline.accept(origin=record))
    await pipeline.record()
    pipeline.logs.recreate(TOPICS.raw)
    for _ in range(6):
        pipeline.raw()
    refuse(pipeline, 1)
    refuse(pipeline, 5)
    await pipeline.record()
    assert [(one.verdicts, one.dead_letters) for one in await ledger(pipeline)] == [(3, 0), (0, 2)]


async def test_dead_letters_at_the_same_place_of_two_logs_are_two(pipeline: Pipeline) -> None:
    """The log epoch is part of what they are known by."""
    for _ in range(2):
        record = pipeline.raw()
        pipeline.judge(pipeline.accept(origin=record))
        pipeline.raw(no=len(record.value or b""))
        refuse(pipeline, 1, timestamp="2026-03-02T08:15:00Z", failed_time="2026-03-02T08:16:00Z")
        await pipeline.record()
        pipeline.logs.recreate(TOPICS.raw)
        await pipeline.detector.check(TOPICS.raw, [0])
        pipeline.raw()
        await pipeline.detector.check(TOPICS.raw, [0])
        pipeline.logs.recreate(TOPICS.raw)
    async with pipeline.database.reading() as connection:
        count = await connection.scalar(select(func.count()).select_from(tables.dead_letters))
    assert count == 2


async def test_full_chunks_are_not_kept(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is settled needs no bits; the rows don't grow with the number of records."""
    monkeypatch.setattr(raw_module, "CHUNK", 16)
    monkeypatch.setattr("purposewatch_reporter.store.raw_ledgers.CHUNK", 16)
    monkeypatch.setattr("purposewatch_reporter.store.raw_ledgers._BYTES", 2)
    records = [pipeline.raw() for _ in range(100)]
    for one in records[1:]:
        pipeline.judge(pipeline.accept(origin=one))
        await pipeline.record()
    assert await chunk_count(pipeline) == 7
    pipeline.judge(pipeline.accept(origin=records[0]))
    await pipeline.record()
    for _ in range(8):  # a chunk a batch
        pipeline.judge(pipeline.accept(origin=pipeline.raw()))
        await pipeline.record()
    assert await numbers(pipeline) == (108, 108, 0, 0, 0, 0)
    assert await chunk_count(pipeline) == 1


async def chunk_count(pipeline: Pipeline) -> int:
    """How many chunks are stored."""
    async with pipeline.database.reading() as connection:
        rows = select(func.count()).select_from(tables.raw_chunks)
        return int(await connection.scalar(rows) or 0)


@given(
    st.integers(0, 40),
    st.lists(st.lists(st.tuples(st.integers(0, 120), st.booleans()), max_size=30), max_size=8),
)
def test_bits_count_as_a_set_does(base: int, batches: list[list[tuple[int, bool]]]) -> None:
    """Whatever comes in whatever order, against a plain set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_module, "CHUNK", 16)
        ledger = RawLedger.starting_at(base)
        ledger.chunks = dict.fromkeys(range(9), 0)
        seen: set[int] = set()
        accepted = repeats = dead = 0
        for batch in batches:
            for offset in [offset for offset, letter in batch if letter and offset >= base]:
                dead += offset not in seen
                seen.add(offset)
            ledger.record_dead_letters(offset for offset, letter in batch if letter)
            for offset in [offset for offset, letter in batch if not letter and offset >= base]:
                accepted += offset not in seen
                repeats += offset in seen
                seen.add(offset)
            ledger.record_accepted(offset for offset, letter in batch if not letter)
            ledger.settle()
        holes = set(range(base, max(seen, default=base - 1) + 1)) - seen
        assert (ledger.accepted, ledger.dead_letters) == (accepted, dead)
        assert ledger.repeats == repeats
        assert ledger.unaccounted == len(holes)
        assert ledger.settled == min(holes, default=ledger.recorded_end)


async def state(pipeline: Pipeline, *origins: Record | str, **changes: Any) -> list[Record]:
    """Ingest passes on statements of facts from these raw records; the reporter reads them."""
    stated = []
    for one in origins:
        origin, name = (one, "s-1") if isinstance(one, str) else (place(one), raw_id(one))
        said = fact(name, **{"origin": origin, "accepted_time": NOW} | changes)
        value = FastFactCodec.encode(said)
        stated.append(pipeline.logs.append(FACTS, 0, value, fact_key(said)))
    await pipeline.ledger_writer.record_facts(stated)
    return stated


def place(one: Record) -> str:
    """The origin of what came of a raw record."""
    return f"{one.topic}/{one.partition}/{one.offset}"


async def test_statements_of_facts_account_for_raw_records(pipeline: Pipeline) -> None:
    """Beside events; one that ingest sent twice is a repeat, and one by HTTP says nothing."""
    records = [pipeline.raw() for _ in range(3)]
    pipeline.judge(pipeline.accept(origin=records[1]))
    await pipeline.record()
    await state(pipeline, records[0], records[2], "http")
    assert await numbers(pipeline) == (3, 3, 0, 0, 0, 0)
    assert (await ledger(pipeline))[0].reconciled is True
    await state(pipeline, records[0])
    assert await numbers(pipeline) == (3, 3, 0, 1, 0, 0)


async def test_a_statement_that_is_read_again_accounts_once(pipeline: Pipeline) -> None:
    """The reporter crashed after it had recorded it, and reads from an earlier position."""
    stated = await state(pipeline, pipeline.raw())
    await pipeline.ledger_writer.record_facts(stated)
    assert await numbers(pipeline) == (1, 1, 0, 0, 0, 0)


async def test_a_statement_of_no_raw_record_is_suspect_and_old_ones_say_nothing(
    pipeline: Pipeline,
) -> None:
    """Facts stay longer than the raw topic keeps records, and longer than its log may live."""
    pipeline.raw()
    await state(pipeline, f"{TOPICS.raw}/0/9")
    await state(pipeline, f"{TOPICS.raw}/0/0", accepted_time=NOW - timedelta(days=8))
    assert await numbers(pipeline) == (1, 0, 0, 0, 0, 1)
    async with pipeline.database.reading() as connection:
        letters = list(await connection.execute(select(tables.dead_letters)))
        stated = await connection.scalar(select(func.count()).select_from(tables.facts))
    assert [(each.error_class, each.origin_topic) for each in letters] == [("suspect", FACTS)]
    assert stated == 1
