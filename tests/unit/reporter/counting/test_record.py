"""Counting by rules: exact, whatever is handed over how often, in whatever pieces."""

import asyncio
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from purposewatch_reporter.counting.queries import prune_counting_alerts, read_counting_alerts
from purposewatch_reporter.counting.record import CountingLimits, RuleRecorder
from purposewatch_reporter.ledger.batches import Receipt
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.counters import prune_counters
from purposewatch_reporter.store.engine import Database
from tests.unit.reporter.conftest import NOW, empty_database, ledger_writer_of
from tests.unit.reporter.counting.records import (
    Event,
    Peak,
    plain_peaks,
    recorder_of,
    rules_of,
    stored_peaks,
)
from tests.unit.reporter.records import in_topic, verdict

RULES = """
rules:
  reads: {flow: {purposes: [ads]}, count: events, more_than: 4, within_minutes: 10}
  accesses: {flow: {purposes: [ads]}, count: accesses, more_than: 9, within_minutes: 1}
  people: {flow: {purposes: [ads]}, count: subjects, more_than: 2, within_minutes: 10}
  everybody:
    {flow: {purposes: [ads.own]}, count: subjects, more_than: 2, within_minutes: 5, per: controller}
"""
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVENTS = st.lists(
    st.builds(
        Event,
        time=st.integers(0, 1_500).map(lambda seconds: START + timedelta(seconds=seconds)),
        publisher=st.sampled_from(["crm", "shop"]),
        subject=st.sampled_from("abcdef"),
        purpose=st.sampled_from(["ads", "ads.own", "adsense"]),
        count=st.integers(1, 3),
    ),
    max_size=40,
)
BULK = "rules: {bulk: {flow: {}, count: subjects, more_than: 2, within_minutes: 10}}"


def verdicts_of(events: list[Event]) -> list[dict[str, Any]]:
    """A verdict about each event, at the offset of its place in the list."""
    found = []
    for offset, event in enumerate(events):
        value = verdict(
            0, offset, publisher=event.publisher, count=event.count, event_time=_text(event.time)
        )
        value["accepted_time"] = _text(event.time)
        value["data"] |= {"purpose": event.purpose, "subject": _pseudonym(event.subject)}
        found.append(value)
    return found


def of_subjects(*subjects: str, time: datetime = START, start: int = 0) -> list[dict[str, Any]]:
    """A verdict about an event of each of these subjects."""
    events = [Event(time, "crm", subject, "ads", 1) for subject in subjects]
    values = verdicts_of(events)
    for number, value in enumerate(values):
        value["position"]["offset"] = start + number
        value["event_id"] = f"event-{start + number}"
    return values


def _text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _pseudonym(subject: str) -> str:
    return f"psn:1:{subject.encode().hex().zfill(32)}"


async def record(
    database: Database,
    values: list[dict[str, Any]],
    counting: RuleRecorder,
    *,
    start: int = 0,
    now: datetime = NOW,
) -> Receipt:
    """Record verdicts from that offset of their topic on."""
    writer = ledger_writer_of(database, counting=counting, clock=lambda: now)
    return await writer.record_verdicts(in_topic("verdicts", values, start=start))


async def one(database: Database, table: Any) -> Any:
    """The only row of a table."""
    async with database.reading() as connection:
        return (await connection.execute(select(table))).one()


@settings(max_examples=10, deadline=None)
@given(events=EVENTS, chance=st.randoms(use_true_random=False))
def test_counts_are_those_of_a_plain_list(events: list[Event], chance: random.Random) -> None:
    """In any order, in pieces, with repeats, and with a new process for every piece."""

    async def check() -> None:
        with tempfile.TemporaryDirectory() as directory:
            database = empty_database(Path(directory))
            values = verdicts_of(events)
            chance.shuffle(values)
            offset = 0
            for _ in range(3):
                piece = chance.choices(values, k=len(values) // 2) if values else []
                await _in_pieces(database, piece, offset, directory, chance)
                offset += len(piece)
            await _in_pieces(database, values, offset, directory, chance)
            rules = rules_of(RULES, Path(directory)).current
            assert await stored_peaks(database) == plain_peaks(rules, events)
            await database.stop()

    asyncio.run(check())


async def _in_pieces(
    database: Database,
    values: list[dict[str, Any]],
    offset: int,
    directory: str,
    chance: random.Random,
) -> None:
    while values:
        size = chance.randint(1, 15)
        recorder = recorder_of(RULES, Path(directory))
        for _ in range(chance.randint(1, 2)):
            await record(database, values[:size], recorder, start=offset)
        offset += len(values[:size])
        values = values[size:]


async def test_an_alert_says_what_is_exceeded(database: Database, tmp_path: Path) -> None:
    """Rule, publisher, controller, count and window; it is one alert however often."""
    recorder = recorder_of(BULK, tmp_path)
    receipt = await record(database, of_subjects("a", "b", "a", "c"), recorder)
    more = of_subjects("d", time=START + timedelta(minutes=2), start=4)
    await record(database, more, recorder, start=4)
    notice = await one(database, tables.notices)
    assert (notice.kind, notice.key, notice.controller, notice.state, notice.episode) == (
        "counting_rule",
        "bulk/wework-labs/crm",
        "wework-labs",
        "firing",
        1,
    )
    assert notice.summary == (
        "Rule `bulk`: 4 data subjects by `crm` within 10 min from 2026-03-02T08:00:00Z (UTC); "
        "2 are allowed."
    )
    async with database.reading() as connection:
        [alert] = await read_counting_alerts(connection)
    assert (alert.row.peak_count, alert.row.more_than, alert.is_firing) == (4, 2, True)
    assert alert.until == START + timedelta(minutes=10)
    assert receipt.rules.matched == {("bulk",): 4}


async def test_what_is_rolled_back_is_not_counted(database: Database, tmp_path: Path) -> None:
    """Counts are part of the transaction that records the batch."""
    recorder = recorder_of(BULK, tmp_path)
    failing = ledger_writer_of(database, counting=_Failing(recorder))
    records = in_topic("verdicts", of_subjects("a", "b", "c"))
    with pytest.raises(OSError, match="the database is gone"):
        await failing.record_verdicts(records)
    async with database.reading() as connection:
        for table in (tables.notices, tables.counters, tables.counter_slices):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0
    await record(database, of_subjects("a", "b", "c"), recorder)
    assert await stored_peaks(database) == {Peak("bulk", "crm", 3)}


class _Failing:
    """Fails once everything is written."""

    def __init__(self, recorder: RuleRecorder) -> None:
        self._recorder = recorder

    async def record(self, *arguments: Any) -> Any:
        await self._recorder.record(*arguments)
        message = "the database is gone"
        raise OSError(message)


async def test_late_events_are_left_out_and_counted(database: Database, tmp_path: Path) -> None:
    """What counts is when ingest accepted an event, not when it is recorded."""
    recorder = recorder_of(BULK, tmp_path, CountingLimits(late=timedelta(minutes=5)))
    values = of_subjects("a", "b", "c", "d")
    values[0]["accepted_time"] = _text(START + timedelta(minutes=5))
    values[1]["accepted_time"] = _text(START + timedelta(minutes=5, seconds=1))
    receipt = await record(database, values, recorder, now=NOW + timedelta(days=2))
    assert (receipt.rules.matched, receipt.rules.late) == ({("bulk",): 3}, {("bulk",): 1})
    assert await stored_peaks(database) == {Peak("bulk", "crm", 3)}


async def test_subjects_are_told_apart_up_to_a_limit(database: Database, tmp_path: Path) -> None:
    """Beyond it nothing more is stored, and the count is said to be a lower bound."""
    recorder = recorder_of(BULK, tmp_path, CountingLimits(subjects=5))
    for batch in range(4):
        start = batch * 3
        values = of_subjects(*(f"s{start + number}" for number in range(3)), start=start)
        await record(database, values, recorder, start=start)
    async with database.reading() as connection:
        stored = await connection.scalar(select(func.count()).select_from(tables.counter_subjects))
        [alert] = await read_counting_alerts(connection)
    assert stored == 6
    assert (alert.row.peak_count, alert.row.peak_is_bound) == (5, True)
    assert "at least 5 data subjects" in (await one(database, tables.notices)).summary


async def test_publishers_beyond_the_limit_are_counted_together(
    database: Database, tmp_path: Path
) -> None:
    """So that names that nobody registered can't fill the database."""
    recorder = recorder_of(BULK, tmp_path, CountingLimits(counters=2))
    values = of_subjects("a", "b", "c", "d", "e")
    for number, value in enumerate(values):
        value["publisher"] = f"p{number}"
        value["event_source"] = f"/p{number}"
    await record(database, values, recorder)
    assert await stored_peaks(database) == {Peak("bulk", "(other)", 3)}


async def test_a_changed_rule_begins_anew(database: Database, tmp_path: Path) -> None:
    """Unless only its threshold, severity or note is another."""
    await record(database, of_subjects("a", "b"), recorder_of(BULK, tmp_path))
    lower = recorder_of(BULK.replace("more_than: 2", "more_than: 1"), tmp_path)
    await record(database, of_subjects("a", start=2), lower, start=2)
    assert await stored_peaks(database) == {Peak("bulk", "crm", 2)}
    shorter = BULK.replace("more_than: 2, within_minutes: 10", "more_than: 1, within_minutes: 5")
    await record(database, of_subjects("a", start=3), recorder_of(shorter, tmp_path), start=3)
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(tables.counters)) == 2


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{}", 3),
        ("{purposes: [marketing]}", 3),
        ("{purposes: [marketing.advertising.profiling]}", 0),
        ("{sources: [employer]}", 0),
        ("{data_categories: [user.contact]}", 2),
        ("{data_categories: [user.contact], outcomes: [violation]}", 1),
        ("{data_categories: [user.name], outcomes: [violation]}", 0),
        ("{kinds: [undeclared_purpose]}", 1),
        ("{roles: [member], recipients: [first_party], operations: [use]}", 3),
    ],
)
async def test_patterns_select_flows(
    database: Database, tmp_path: Path, pattern: str, expected: int
) -> None:
    """By terms and what is below them; outcome and kind are those of a matching data category."""
    rule = f"rules: {{a: {{flow: {pattern}, count: events, more_than: 99, within_minutes: 1}}}}"
    values = [
        verdict(0, 0),
        verdict(0, 1, categories={"user.name": "permitted"}),
        verdict(
            0,
            2,
            outcome="violation",
            categories={"user.contact.email": "violation", "user.name": "permitted"},
        ),
    ]
    receipt = await record(database, values, recorder_of(rule, tmp_path))
    assert receipt.rules.matched.total() == expected


async def test_a_changed_file_is_followed(database: Database, tmp_path: Path) -> None:
    """What was found out about flows under the old rules is forgotten; faults keep the last."""
    rules = rules_of(BULK, tmp_path)
    recorder = RuleRecorder(rules, CountingLimits())
    await record(database, of_subjects("a"), recorder)
    file = tmp_path / "counting.yaml"
    file.write_text(BULK.replace("bulk:", "other:"), "utf-8")
    assert rules._reloading is not None
    assert rules._reloading.refresh()
    receipt = await record(database, of_subjects("b", start=1), recorder, start=1)
    assert receipt.rules.matched == {("other",): 1}
    file.write_text("rules: nonsense", "utf-8")
    rules._reloading.refresh()
    receipt = await record(database, of_subjects("c", start=2), recorder, start=2)
    assert receipt.rules.matched == {("other",): 1}


async def test_what_is_counted_expires(database: Database, tmp_path: Path) -> None:
    """Twice the lateness and a window after its last change; alerts after their own time."""
    limits = CountingLimits(late=timedelta(hours=1))
    await record(database, of_subjects("a", "b", "c"), recorder_of(BULK, tmp_path, limits))
    kept = timedelta(hours=2, minutes=10)
    async with database.writing() as connection:
        assert await prune_counters(connection, NOW + kept) == 0
        assert await prune_counters(connection, NOW + kept + timedelta(seconds=1)) == 1
        assert await prune_counters(connection, NOW + kept + timedelta(seconds=1)) == 1
        for table in (tables.counters, tables.counter_slices, tables.counter_subjects):
            assert await connection.scalar(select(func.count()).select_from(table)) == 0
        assert await prune_counting_alerts(connection, NOW) == 0
        assert await prune_counting_alerts(connection, NOW + timedelta(seconds=1)) == 1
