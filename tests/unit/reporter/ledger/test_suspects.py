"""Records that no service can have written: refused with an alert, and nothing else changes."""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from purposewatch_reporter.epochs.detector import SURE_AFTER
from purposewatch_reporter.ledger import suspects as suspects_module
from purposewatch_reporter.ledger.existence import LATE, MAX_AHEAD
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.reconciliation.topic import reconcile, reconcile_raw
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import load_epoch_notes
from purposewatch_reporter.store.ledgers import load_epochs
from purposewatch_reporter.store.raw_ledgers import load_raw_epochs
from tests.unit.reporter.logs import TOPICS, Pipeline
from tests.unit.reporter.records import dead_letter

FAR = 999_999_999_999_999


@pytest.fixture
async def pipeline(database: Database) -> Pipeline:
    """A pipeline whose raw ledgers are started."""
    made = Pipeline(database)
    await made.open_raw()
    return made


async def totals(pipeline: Pipeline) -> dict[str, int]:
    """What the ledger says of partition 0 of the events topic and of the raw topic."""
    ends = await pipeline.logs.ends([TOPICS.events, TOPICS.raw], [0])
    async with pipeline.database.reading() as connection:
        events = (await load_epochs(connection, TOPICS.events)).get(0, [PartitionLedger()])
        raw = (await load_raw_epochs(connection, TOPICS.raw))[0]
        violations = await connection.scalar(select(func.count()).select_from(tables.violations))
        counted = await connection.scalar(select(func.sum(tables.flow_counts.c.count)))
        notes = await load_epoch_notes(connection)
    of_events = [reconcile(0, one, ends[TOPICS.events][0]) for one in events]
    of_raw = [reconcile_raw(0, one, ends[TOPICS.raw][0]) for one in raw]
    return {
        "verdicts": sum(one.verdicts for one in of_events),
        "dead_letters": sum(one.dead_letters for one in of_events),
        "unaccounted": of_events[-1].unaccounted,
        "pending": of_events[-1].pending or 0,
        "short": int(of_events[-1].log_is_short),
        "lost": sum(one.unaccounted for one in of_events[:-1]),
        "raw": sum(one.verdicts + one.dead_letters for one in of_raw),
        "raw_unaccounted": sum(one.unaccounted for one in of_raw),
        "raw_short": int(of_raw[-1].log_is_short),
        "violations": int(violations or 0),
        "counted": int(counted or 0),
        "epochs": len(notes),
    }


async def suspects(pipeline: Pipeline) -> list[tuple[str, int]]:
    """The records that were refused, and alerted about, by topic and offset."""
    async with pipeline.database.reading() as connection:
        rows = (
            await connection.execute(
                select(tables.dead_letters)
                .where(tables.dead_letters.c.error_class == "suspect")
                .order_by(tables.dead_letters.c.origin_topic, tables.dead_letters.c.origin_offset)
            )
        ).all()
        notices = (
            await connection.execute(
                select(tables.notices).where(tables.notices.c.kind == "suspect")
            )
        ).all()
    assert {row.origin_topic for row in rows} == {notice.key for notice in notices}
    assert sum(notice.episode_count for notice in notices) == len(rows)
    assert {notice.severity for notice in notices} <= {"critical"}
    return [(row.origin_topic.rpartition(".")[2], row.origin_offset) for row in rows]


def at(said: Mapping[str, Any], offset: int, **more: Any) -> dict[str, Any]:
    """The verdict about another event, at that offset."""
    position = {**said["position"], "offset": offset}
    return {**said, "position": position, "event_id": f"forged-{offset}", **more}


async def goes_on(pipeline: Pipeline, before: Mapping[str, int]) -> None:
    """Let the logs be checked for longer than doubt lasts; honest events reconcile after it."""
    for _ in range(2):
        for topic in TOPICS.all():
            assert await pipeline.detector.check(topic, [0]) == set()
        pipeline.later(SURE_AFTER + timedelta(seconds=1))
    await pipeline.run(3)
    after = await totals(pipeline)
    more = {"verdicts": before["verdicts"] + 3, "counted": before["counted"] + 3}
    assert after == {**before, **more}


@pytest.mark.parametrize("recorded", [0, 3])
@pytest.mark.parametrize("ahead", [0, 1, 50, FAR])
async def test_a_verdict_beyond_the_end_changes_nothing_but_alerts(
    pipeline: Pipeline, recorded: int, ahead: int
) -> None:
    """Neither counts nor violations nor epochs; the honest events behind it are recorded."""
    await pipeline.run(recorded)
    before = await totals(pipeline)
    said = {**Pipeline(pipeline.database).accept(), "event_id": "forged"}
    pipeline.judge(at(said, recorded + ahead, outcome="violation", kind="prohibited"))
    await pipeline.record()
    assert await totals(pipeline) == before
    assert await suspects(pipeline) == [("verdicts", recorded)]
    await goes_on(pipeline, before)
    assert await suspects(pipeline) == [("verdicts", recorded)]


async def test_a_forged_verdict_among_honest_ones_takes_none_along(pipeline: Pipeline) -> None:
    """Of a batch, the others are recorded; a batch handed over again alerts no second time."""
    said = [pipeline.accept() for _ in range(4)]
    for one in (said[0], at(said[0], FAR), said[1], at(said[0], 4), *said[2:]):
        pipeline.judge(one)
    for _ in range(2):
        await pipeline.ledger_writer.record_verdicts(pipeline.logs.of(TOPICS.verdicts))
    found = await totals(pipeline)
    assert (found["verdicts"], found["unaccounted"], found["pending"]) == (4, 0, 0)
    assert await suspects(pipeline) == [("verdicts", 1), ("verdicts", 3)]
    await goes_on(pipeline, found)


async def test_an_honest_verdict_newer_than_any_known_end_is_recorded(pipeline: Pipeline) -> None:
    """Its event was there before the verdict, whatever a broker answers first."""
    await pipeline.run(2)
    pipeline.logs.reached_late = 3
    pipeline.judge(pipeline.accept())
    await pipeline.record()
    assert (await totals(pipeline))["verdicts"] == 3
    assert await suspects(pipeline) == []


@pytest.mark.parametrize("topic", ["events", "raw"])
async def test_a_dead_letter_beyond_the_end_changes_nothing_but_alerts(
    pipeline: Pipeline, topic: str
) -> None:
    """The same for the records of both topics."""
    pipeline.raw()
    pipeline.judge(pipeline.accept(origin=pipeline.logs.of(TOPICS.raw)[0]))
    await pipeline.record()
    before = await totals(pipeline)
    for offset in (1, FAR):
        pipeline.logs.append(TOPICS.dead_letters, 0, dead_letter(0, offset, topic=topic))
    await pipeline.record()
    assert await totals(pipeline) == before
    assert await suspects(pipeline) == [("dead-letters", 0), ("dead-letters", 1)]
    await goes_on(pipeline, before)


@pytest.mark.parametrize(
    "origin",
    [
        f"{TOPICS.raw}/0/1",
        f"{TOPICS.raw}/0/{FAR}",
        f"{TOPICS.raw}/0/{'9' * 200}",
        f"{TOPICS.raw}/77/0",
        f"{TOPICS.raw}/x/y",
    ],
)
async def test_an_event_from_a_raw_record_that_never_was_is_recorded_without_it(
    pipeline: Pipeline, origin: str
) -> None:
    """The event is in its log and was judged; who wrote it there lied about where it comes from."""
    pipeline.raw()
    before = await totals(pipeline)
    said = pipeline.accept()
    pipeline.judge({**said, "origin": origin})
    await pipeline.record()
    counts = {"verdicts": 1, "counted": 1}
    assert await totals(pipeline) == {**before, **counts}
    assert await suspects(pipeline) == [("verdicts", 0)]


async def test_a_dead_letter_of_an_event_from_a_raw_record_that_never_was(
    pipeline: Pipeline,
) -> None:
    """It accounts for the event, and for no raw record."""
    pipeline.raw()
    pipeline.accept()
    value = base64.b64encode(json.dumps({"origin": f"{TOPICS.raw}/0/{FAR}"}).encode()).decode()
    pipeline.logs.append(TOPICS.dead_letters, 0, {**dead_letter(0, 0), "value": value})
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["dead_letters"], found["raw"], found["raw_short"]) == (1, 0, 0)
    assert await suspects(pipeline) == [("dead-letters", 0)]


@pytest.mark.parametrize("offset", [0, 3, 7])
async def test_a_verdict_ahead_about_another_event_than_the_log_holds_is_refused(
    pipeline: Pipeline, offset: int
) -> None:
    """Its event exists, and has its own verdict later; the log is not taken for a replaced one."""
    if offset:
        await pipeline.run(2)
    said = [pipeline.accept() for _ in range(8)]
    pipeline.judge(at(said[0], offset, outcome="violation", kind="prohibited"))
    await pipeline.record()
    assert len(await suspects(pipeline)) == 1
    for one in said:
        pipeline.judge(one)
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["unaccounted"], found["pending"], found["violations"]) == (0, 0, 0)
    await goes_on(pipeline, found)


async def test_only_so_many_verdicts_of_a_batch_are_compared(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing all of a flood would keep the partition waiting for ever."""
    monkeypatch.setattr(suspects_module, "_MAX_COMPARED", 3)
    await pipeline.run(1)
    said = [pipeline.accept() for _ in range(20)]
    for offset in range(2, 20, 2):
        pipeline.judge(at(said[0], offset))
    await pipeline.record()
    assert len(await suspects(pipeline)) == 3


async def test_a_gap_left_by_a_dead_letter_is_no_suspicion(pipeline: Pipeline) -> None:
    """Its verdicts are about the events that the log holds."""
    await pipeline.run(1)
    said = [pipeline.accept() for _ in range(5)]
    for one in (said[0], said[2], said[4]):
        pipeline.judge(one)
    await pipeline.record()
    for offset in (2, 4):
        pipeline.logs.append(TOPICS.dead_letters, 0, dead_letter(0, offset))
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["dead_letters"], found["unaccounted"]) == (4, 2, 0)
    assert await suspects(pipeline) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": "another"},
        {"content_digest": "f" * 32},
        {"outcome": "violation", "kind": "prohibited"},
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_second_verdict_that_says_something_else_alerts(
    pipeline: Pipeline,
    changes: dict[str, Any],
    at_once: bool,  # noqa: FBT001 - a table
) -> None:
    """The first one counts; one that says the same is an ordinary repeat."""
    said = pipeline.accept()
    pipeline.judge(said)
    if not at_once:
        await pipeline.record()
    pipeline.judge({**said, "decided_time": "2026-03-02T08:59:00Z"})
    pipeline.judge({**said, **changes})
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["violations"], found["epochs"]) == (1, 0, 0)
    assert await suspects(pipeline) == [("verdicts", 2)]


async def test_a_verdict_after_the_dead_letter_of_its_event_is_no_contradiction(
    pipeline: Pipeline,
) -> None:
    """The auditor was made to read the event again, after a defect was fixed."""
    said = pipeline.accept()
    pipeline.logs.append(TOPICS.dead_letters, 0, dead_letter(0, 0))
    await pipeline.record()
    pipeline.judge(said)
    await pipeline.record()
    assert await suspects(pipeline) == []


async def test_verdicts_about_the_unseen_end_of_a_log_that_is_gone_are_recorded(
    pipeline: Pipeline,
) -> None:
    """As after a reporter that was down while the topic was recreated."""
    await pipeline.run(2)
    unread = [pipeline.accept() for _ in range(200)]
    pipeline.logs.recreate(TOPICS.events)
    pipeline.accept()
    for one in unread:
        pipeline.judge(one)
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["epochs"], found["lost"]) == (202, 1, 0)
    assert await suspects(pipeline) == []


@pytest.mark.parametrize("ahead", [MAX_AHEAD, FAR])
async def test_a_verdict_far_beyond_the_end_of_a_log_that_is_gone_is_refused(
    pipeline: Pipeline, ahead: int
) -> None:
    """Whoever writes it may date it back to the old log."""
    said = await pipeline.run(2)
    pipeline.logs.recreate(TOPICS.events)
    await pipeline.run(1)
    pipeline.judge(at(said[0], 2 + ahead))
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["lost"], found["epochs"]) == (3, 0, 1)
    assert len(await suspects(pipeline)) == 1


async def test_the_end_of_a_log_that_is_gone_does_not_grow_for_ever(pipeline: Pipeline) -> None:
    """A day after it was found to be gone, all honest verdicts about it have been read."""
    said = await pipeline.run(2)
    pipeline.logs.recreate(TOPICS.events)
    await pipeline.run(1)
    pipeline.later(LATE + timedelta(seconds=1))
    pipeline.judge(at(said[0], 5))
    await pipeline.record()
    assert (await totals(pipeline))["lost"] == 0
    assert len(await suspects(pipeline)) == 1


async def test_a_rebuild_records_verdicts_about_logs_that_are_gone(database: Database) -> None:
    """It reads topics whose events were in logs that nobody can look into any more."""
    pipeline = Pipeline(database, rebuilds=True)
    old = [pipeline.accept() for _ in range(40)]
    pipeline.logs.recreate(TOPICS.events)
    new = [pipeline.accept() for _ in range(3)]
    for one in (*old, at(old[0], FAR), *new):
        pipeline.judge(one)
    records = pipeline.logs.of(TOPICS.verdicts)
    for start in range(0, len(records), 10):
        await pipeline.ledger_writer.record_verdicts(records[start : start + 10])
    await pipeline.open_raw()
    found = await totals(pipeline)
    assert (found["verdicts"], found["epochs"], found["lost"]) == (43, 1, 0)
    assert await suspects(pipeline) == [("verdicts", 40)]


async def test_a_rebuild_refuses_what_was_refused_before(pipeline: Pipeline) -> None:
    """Although the log has since grown beyond the offset that a forged verdict names."""
    await pipeline.run(2)
    said = pipeline.accept()
    pipeline.judge(at(said, 5))
    await pipeline.record()
    pipeline.judge(said)
    await pipeline.run(5)
    expected = await totals(pipeline)
    assert await suspects(pipeline) == [("verdicts", 2)]
    async with pipeline.database.writing() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            await connection.execute(table.delete())
    again = Pipeline(pipeline.database, logs=pipeline.logs, rebuilds=True)
    await again.open_raw()
    await again.record()
    assert await totals(again) == expected
    assert await suspects(again) == [("verdicts", 2)]
