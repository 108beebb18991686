"""Log epochs: a log that is not the one that the ledger describes is told apart from repeats."""

import asyncio
import base64
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from purposewatch_reporter.epochs.detector import SURE_AFTER, NotSureYetError
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import load_epoch_notes
from purposewatch_reporter.store.ledgers import load_epochs
from purposewatch_reporter.store.positions import load_positions
from tests.unit.reporter.conftest import empty_database
from tests.unit.reporter.logs import TOPICS, Pipeline
from tests.unit.reporter.records import dead_letter


@pytest.fixture
def pipeline(database: Database) -> Pipeline:
    """An empty pipeline."""
    return Pipeline(database)


async def epochs(pipeline: Pipeline, partition: int = 0) -> list[tuple[int, int, bool]]:
    """Verdicts, dead letters and whether it is closed, by log epoch."""
    async with pipeline.database.reading() as connection:
        found = (await load_epochs(connection, TOPICS.events))[partition]
    return [
        (one.verdicts, one.dead_letters, one.ended_time is not None)
        for one in sorted(found, key=lambda one: one.log_epoch)
    ]


async def notes(pipeline: Pipeline) -> list[tuple[str, int, int, str]]:
    """The log epochs that were opened."""
    async with pipeline.database.reading() as connection:
        return [
            (n.topic, n.partition, n.log_epoch, n.reason)
            for n in await load_epoch_notes(connection)
        ]


async def counted(pipeline: Pipeline) -> tuple[int, int]:
    """Events in the counts of flows, and violations."""
    async with pipeline.database.reading() as connection:
        events = await connection.scalar(select(func.sum(tables.flow_counts.c.count)))
        violations = await connection.scalar(select(func.count()).select_from(tables.violations))
        return int(events or 0), int(violations or 0)


async def test_a_recreated_events_topic_gets_a_new_log_epoch(pipeline: Pipeline) -> None:
    """Its events are new, though their offsets are recorded; the old epoch keeps its totals."""
    await pipeline.run(5)
    pipeline.logs.recreate(TOPICS.events)
    await pipeline.run(3)
    assert await notes(pipeline) == [(TOPICS.events, 0, 1, "rewritten")]
    assert await epochs(pipeline) == [(5, 0, True), (3, 0, False)]
    assert await counted(pipeline) == (8, 0)


async def test_violations_of_two_log_epochs_at_the_same_offset_are_two(pipeline: Pipeline) -> None:
    """The log epoch is part of what a violation is known by."""
    for _ in range(2):
        pipeline.judge(pipeline.accept(outcome="violation"))
        await pipeline.record()
        pipeline.logs.recreate(TOPICS.events)
    assert await counted(pipeline) == (2, 2)


async def test_late_repeats_turn_no_log_epoch(pipeline: Pipeline) -> None:
    """A zombie's verdict, or a batch handed over again, is about the same event."""
    said = await pipeline.run(5)
    for one in said[1:3]:
        pipeline.judge(one)
    await pipeline.record()
    await pipeline.ledger_writer.record_verdicts(pipeline.logs.of(TOPICS.verdicts))
    assert await notes(pipeline) == []
    assert await epochs(pipeline) == [(5, 0, False)]


async def test_without_repeats_kafka_is_not_asked(pipeline: Pipeline) -> None:
    """Recording what comes in order costs no look at any log."""
    await pipeline.run(1)
    looks = pipeline.logs.looks
    records = [pipeline.judge(pipeline.accept()) for _ in range(20)]
    await pipeline.ledger_writer.record_verdicts(records)
    assert pipeline.logs.looks == looks


async def test_verdicts_about_the_old_log_go_to_the_old_log_epoch(pipeline: Pipeline) -> None:
    """Also when the new log was noticed before they were read, and however late they come."""
    await pipeline.run(2)
    unread = [pipeline.accept() for _ in range(4)]
    pipeline.logs.recreate(TOPICS.events)
    fresh = [pipeline.accept() for _ in range(3)]
    assert await pipeline.detector.check(TOPICS.events, [0]) == set()
    for one in (unread[0], fresh[0], unread[1], *fresh[1:], unread[2], fresh[0]):
        pipeline.judge(one)
    await pipeline.record()
    assert await epochs(pipeline) == [(5, 0, True), (3, 0, False)]
    assert await counted(pipeline) == (8, 0)


async def test_dead_letters_about_the_old_log_go_to_the_old_log_epoch(pipeline: Pipeline) -> None:
    """They keep their record whole, so that it can be compared."""
    await pipeline.run(2)
    pipeline.accept()
    old = letter_about(pipeline, 2)
    pipeline.logs.recreate(TOPICS.events)
    for _ in range(3):
        pipeline.accept()
    await pipeline.detector.check(TOPICS.events, [0])
    new = letter_about(pipeline, 2)
    for one in (old, new, old):
        pipeline.logs.append(TOPICS.dead_letters, 0, one)
    await pipeline.record()
    assert await epochs(pipeline) == [(2, 1, True), (0, 1, False)]
    async with pipeline.database.reading() as connection:
        rows = (await connection.execute(select(tables.dead_letters))).all()
    assert [row.origin_offset for row in rows] == [2, 2]


def letter_about(pipeline: Pipeline, offset: int) -> dict[str, Any]:
    """The auditor sets the event at that offset aside."""
    record = pipeline.logs.of(TOPICS.events)[offset]
    assert record.value is not None
    return {
        **dead_letter(0, offset),
        "timestamp": "2026-03-02T08:15:00Z",
        "value": base64.b64encode(record.value).decode(),
    }


async def test_a_dead_letter_may_be_the_first_from_a_recreated_topic(pipeline: Pipeline) -> None:
    """Even at an offset that the old log epoch never reached."""
    await pipeline.run(2)
    pipeline.logs.recreate(TOPICS.events)
    said = [pipeline.accept() for _ in range(5)]
    pipeline.logs.append(TOPICS.dead_letters, 0, letter_about(pipeline, 4))
    await pipeline.ledger_writer.record_dead_letters(pipeline.logs.of(TOPICS.dead_letters))
    for one in said[:4]:
        pipeline.judge(one)
    await pipeline.record()
    assert await epochs(pipeline) == [(2, 0, True), (4, 1, False)]


async def test_a_recreated_verdicts_topic_is_read_from_its_beginning(pipeline: Pipeline) -> None:
    """The events go on; what was in the old verdicts topic and not read is missing, and shown."""
    await pipeline.run(4)
    lost = pipeline.accept()
    pipeline.judge(lost)
    pipeline.logs.recreate(TOPICS.verdicts)
    await pipeline.run(2)
    assert await notes(pipeline) == [(TOPICS.verdicts, 0, 1, "rewritten")]
    assert await epochs(pipeline) == [(6, 0, False)]
    async with pipeline.database.reading() as connection:
        [ledger] = (await load_epochs(connection, TOPICS.events))[0]
    assert ledger.accounted.gaps(0) == [(4, 5)]


async def test_a_consumer_sent_back_to_the_beginning_finds_a_new_log(pipeline: Pipeline) -> None:
    """Kafka takes a position beyond the end back by itself, without a new assignment."""
    await pipeline.run(4)
    pipeline.logs.recreate(TOPICS.verdicts)
    for _ in range(2):
        pipeline.judge(pipeline.accept())
    await pipeline.ledger_writer.record_verdicts(pipeline.logs.of(TOPICS.verdicts))
    async with pipeline.database.reading() as connection:
        position = (await load_positions(connection, TOPICS.verdicts))[0]
    assert (position.log_epoch, position.next_offset) == (1, 2)
    assert await epochs(pipeline) == [(6, 0, False)]


async def test_a_recreated_log_that_has_outgrown_the_old_one_is_noticed(
    pipeline: Pipeline,
) -> None:
    """Nothing of it is skipped, though it holds something at the ledger's position."""
    await pipeline.run(3)
    pipeline.logs.recreate(TOPICS.verdicts)
    await pipeline.run(10)
    assert await notes(pipeline) == [(TOPICS.verdicts, 0, 1, "rewritten")]
    assert await epochs(pipeline) == [(13, 0, False)]


async def test_it_is_noticed_even_after_reading_on_in_it(pipeline: Pipeline) -> None:
    """A consumer that never stopped continues at its position; the first fingerprint differs."""
    await pipeline.run(3)
    pipeline.logs.recreate(TOPICS.verdicts)
    said = [pipeline.accept() for _ in range(5)]
    for one in said:
        pipeline.judge(one)
    await pipeline.ledger_writer.record_verdicts(pipeline.logs.of(TOPICS.verdicts, start=3))
    await pipeline.detector.check(TOPICS.verdicts, [0])
    await pipeline.record()
    assert await epochs(pipeline) == [(8, 0, False)]


async def test_both_recreated_at_once(pipeline: Pipeline) -> None:
    """As after the loss of a broker without replicas."""
    await pipeline.run(6)
    pipeline.logs.recreate(TOPICS.events)
    pipeline.logs.recreate(TOPICS.verdicts)
    await pipeline.run(4)
    assert {note[0] for note in await notes(pipeline)} == {TOPICS.verdicts, TOPICS.events}
    assert await epochs(pipeline) == [(6, 0, True), (4, 0, False)]
    assert await counted(pipeline) == (10, 0)


async def test_one_partition_alone(pipeline: Pipeline) -> None:
    """The others' log epochs stay."""
    await pipeline.run(3, partition=0)
    await pipeline.run(3, partition=1)
    pipeline.logs.recreate(TOPICS.events, 1)
    await pipeline.run(2, partition=1)
    await pipeline.run(2, partition=0)
    assert await epochs(pipeline, 0) == [(5, 0, False)]
    assert await epochs(pipeline, 1) == [(3, 0, True), (2, 0, False)]


async def test_a_log_cut_off_and_rewritten_gets_a_new_log_epoch(pipeline: Pipeline) -> None:
    """As an unclean election leaves it: it begins as before, and ends otherwise."""
    said = await pipeline.run(6)
    pipeline.logs.cut(TOPICS.events, 0, 4)
    for one in said[:4]:
        pipeline.judge(one)
    await pipeline.run(3)
    assert await notes(pipeline) == [(TOPICS.events, 0, 1, "rewritten")]
    # what was there before is counted once: ids are known across log epochs
    assert await counted(pipeline) == (9, 0)


async def test_a_short_log_is_believed_when_it_lasts(pipeline: Pipeline) -> None:
    """A new leader may show less for a moment; nothing is recorded meanwhile."""
    said = await pipeline.run(6)
    pipeline.logs.cut(TOPICS.events, 0, 4)
    pipeline.judge(said[0])
    with pytest.raises(NotSureYetError):
        await pipeline.record()
    assert await notes(pipeline) == []
    pipeline.later(SURE_AFTER)
    await pipeline.record()
    assert await notes(pipeline) == [(TOPICS.events, 0, 1, "short")]


async def test_a_log_that_is_long_again_was_never_short(pipeline: Pipeline) -> None:
    """The time of doubt begins again."""
    await pipeline.run(3)
    whole = pipeline.logs.of(TOPICS.verdicts)
    pipeline.logs.cut(TOPICS.verdicts, 0, 1)
    assert await pipeline.detector.check(TOPICS.verdicts, [0]) == {0}
    for one in whole[1:]:
        pipeline.logs.append(TOPICS.verdicts, 0, one.value)
    pipeline.later(SURE_AFTER)
    assert await pipeline.detector.check(TOPICS.verdicts, [0]) == set()
    pipeline.logs.cut(TOPICS.verdicts, 0, 1)
    assert await pipeline.detector.check(TOPICS.verdicts, [0]) == {0}
    assert await notes(pipeline) == []


async def test_what_the_retention_deleted_gives_nothing_away(pipeline: Pipeline) -> None:
    """A log whose marked records are gone, and that ends where it ended, is the same."""
    await pipeline.run(3)
    for topic in (TOPICS.events, TOPICS.verdicts):
        pipeline.logs.recreate(topic)
        pipeline.logs.starting[topic, 0] = 3
        assert await pipeline.detector.check(topic, [0]) == set()
    await pipeline.run(2)
    assert await notes(pipeline) == []
    assert await epochs(pipeline) == [(5, 0, False)]


async def test_a_record_that_cannot_be_read_gives_nothing_away(pipeline: Pipeline) -> None:
    """Where the marked events stand are records that are no events: it is not another log."""
    await pipeline.run(3)
    pipeline.logs.recreate(TOPICS.events)
    for _ in range(3):
        pipeline.logs.append(TOPICS.events, 0, {})
    assert await pipeline.detector.check(TOPICS.events, [0]) == set()
    assert await notes(pipeline) == []


async def test_a_log_epoch_alerts_once(pipeline: Pipeline) -> None:
    """However often the log is looked at afterwards."""
    await pipeline.run(3)
    pipeline.logs.recreate(TOPICS.events)
    await pipeline.run(3)
    await pipeline.detector.check(TOPICS.events, [0])
    async with pipeline.database.reading() as connection:
        [notice] = (await connection.execute(select(tables.notices))).all()
    assert (notice.key, notice.state) == (f"page/{TOPICS.events}/0", "firing")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 4)),
        st.tuples(st.just("judge later"), st.integers(1, 3)),
        st.tuples(st.just("repeat"), st.integers(0, 30)),
        st.tuples(st.just("late"), st.integers(0, 5)),
        st.tuples(st.just("recreate events"), st.integers(1, 4)),
        st.tuples(st.just("recreate verdicts"), st.integers(1, 4)),
        st.tuples(st.just("check"), st.just(0)),
        st.tuples(st.just("hours"), st.integers(0, 1)),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_every_verdict_that_was_read_counts_once(
    steps: list[tuple[str, int]],
) -> None:
    """Against plain sets of (life of the topic, offset), with repeats and latecomers."""

    async def play() -> None:
        with tempfile.TemporaryDirectory() as directory:
            database = empty_database(Path(directory))
            try:
                await _play(Pipeline(database), steps)
            finally:
                await database.stop()

    asyncio.run(play())


async def _play(pipeline: Pipeline, steps: list[tuple[str, int]]) -> None:  # noqa: C901 - a table of steps
    life = 0
    expected: dict[int, set[int]] = {0: set()}
    read: list[tuple[int, dict[str, Any]]] = []
    waiting: list[tuple[int, dict[str, Any]]] = []

    async def judged(items: list[tuple[int, dict[str, Any]]]) -> None:
        for of_life, said in items:
            pipeline.judge(said)
            expected[of_life].add(said["position"]["offset"])
        await pipeline.record()
        read.extend(items)

    await judged([(0, pipeline.accept())])
    for what, number in steps:
        if what == "run":
            await judged([(life, pipeline.accept()) for _ in range(number)])
        elif what == "judge later":
            waiting += [(life, pipeline.accept()) for _ in range(number)]
        elif what == "repeat":
            # a zombie is of this life or of the one before, not older
            recent = [item for item in read if item[0] >= life - 1]
            if recent:
                await judged([recent[number % len(recent)]])
        elif what == "late":
            late = [item for item in waiting[: number + 1] if item[0] >= life - 1]
            waiting = waiting[number + 1 :]
            await judged(late)
        elif what == "recreate events":
            pipeline.logs.recreate(TOPICS.events)
            life += 1
            expected[life] = set()
            # every life is seen by the reporter
            await judged([(life, pipeline.accept()) for _ in range(number)])
        elif what == "recreate verdicts":
            pipeline.logs.recreate(TOPICS.verdicts)
            await judged([(life, pipeline.accept()) for _ in range(number)])
        elif what == "check":
            await pipeline.detector.check(TOPICS.events, [0])
            await pipeline.detector.check(TOPICS.verdicts, [0])
        elif what == "hours":
            pipeline.later(timedelta(seconds=number))
    async with pipeline.database.reading() as connection:
        found = (await load_epochs(connection, TOPICS.events))[0]
    assert [
        {offset for start, end in one.accounted.intervals() for offset in range(start, end)}
        for one in sorted(found, key=lambda one: one.log_epoch)
    ] == list(expected.values())
    assert (await counted(pipeline))[0] == sum(map(len, expected.values()))
