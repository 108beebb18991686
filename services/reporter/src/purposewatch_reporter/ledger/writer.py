"""Record a batch: one transaction from reading the ledger to writing them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.alerts.notices import NoticeKind, raise_notice
from purposewatch_reporter.epochs.detector import EpochDetector
from purposewatch_reporter.epochs.digests import whole_digest
from purposewatch_reporter.epochs.lookup import InquiryError, LogFacts
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.ledger.fingerprint import RecordFingerprint
from purposewatch_reporter.ledger.identity import Identified, identify, uses_of
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw_session import RawLedgerSession
from purposewatch_reporter.ledger.read import (
    DeadLettered,
    ReadVerdict,
    VerdictRecords,
    read_dead_letter,
)
from purposewatch_reporter.ledger.rows import (
    category_rows,
    conflict_row,
    dead_letter_row,
    violation_row,
)
from purposewatch_reporter.ledger.session import LedgerSession
from purposewatch_reporter.ledger.tally import (
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    STATEMENT_COLUMNS,
    Group,
    group_by_flow,
    tally,
)
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.bulk import add, insert_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import record_ids
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.positions import (
    ReadPosition,
    load_next_offsets,
    lock_positions,
    save_positions,
)
from purposewatch_runtime.kafka import Record

LogStart: TypeAlias = Callable[[str, int], Awaitable[int]]
RecordBatch: TypeAlias = Callable[[Sequence[Record], LogFacts | None], Awaitable["Receipt"]]

_PERMITTED = Outcome.PERMITTED  # looking a member up costs more than comparing with it


class SkippedRecordsError(Exception):
    """The consumer handed over records from behind the ledger's position in that partition."""


@dataclass(slots=True)
class Receipt:
    """What a batch changed; only to be shown once its transaction is committed."""

    new: Sequence[ReadVerdict] = ()
    groups: Sequence[Group] = ()
    """The same, put together."""
    repeats: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)


class LedgerWriter:
    """Writes verdicts and dead letters into the ledger.

    INVARIANT: ledger, positions, counts, violations, ids and alerts of a batch are committed
    together or not at all, and an offset that the ledger has already changes nothing else. So a
    batch may be handed over any number of times, by any number of reporters, in any pieces.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in books_parts.py
        self,
        database: Database,
        *,
        events_topic: str,
        findings: Findings,
        log_start: LogStart,
        clock: Callable[[], datetime],
        raw_topic: str = "",
        epochs: EpochDetector | None = None,
        check_seconds: float = 3.0,
    ) -> None:
        self._database = database
        self._events_topic = events_topic
        self._findings = findings
        self._log_start = log_start
        self._clock = clock
        self._raw = RawLedgerSession(raw_topic)
        self._epochs = epochs
        self._check_seconds = check_seconds
        self._records = VerdictRecords(events_topic)

    async def positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """The next offsets to read: after what is recorded of the log that exists now.

        INVARIANT: this waits for Kafka no longer than `check_seconds`. A group member that is
        assigned partitions sends no heartbeats until it has these offsets; one that takes longer
        than its session is removed, rejoins and asks again, and would never make progress. What
        can't be checked in time is checked while recording, or by the epoch monitor.
        """
        if self._epochs is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._epochs.check(topic, partitions)
        async with self._database.reading() as connection:
            return await load_next_offsets(connection, topic, partitions)

    async def record_verdicts(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the verdicts topic."""
        return await self._recorded(self._record_verdicts, records)

    async def record_dead_letters(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the dead-letters topic."""
        return await self._recorded(self._record_dead_letters, records)

    async def _recorded(self, book: RecordBatch, records: Sequence[Record]) -> Receipt:
        """Record a batch; look into the log first where the ledger alone can't tell the epoch."""
        if self._epochs is None:
            return await book(records, None)
        facts = LogFacts()
        while True:
            try:
                return await book(records, facts)
            except InquiryError as inquiry:
                await self._epochs.answer(inquiry, facts)

    async def _record_verdicts(self, records: Sequence[Record], facts: LogFacts | None) -> Receipt:
        now = self._clock()
        good, bad = self._records.read(records, now=now)
        async with self._database.writing() as connection:
            unread = await self._advance(connection, records, facts)
            ledgers = await LedgerSession.lock(
                connection,
                self._events_topic,
                {item.verdict.partition for item in good},
                facts,
            )
            _start_ledgers(ledgers.current, unread, good)
            new = ledgers.record_verdicts(await ledgers.assign_epochs(good))
            uses = uses_of(new)
            earlier = await record_ids(connection, uses, now)
            identified = identify(new, uses, earlier)
            for item in identified.duplicates:
                ledgers.of(item).duplicates += 1
            for conflict in identified.conflicts:
                ledgers.of(conflict.read).conflicts += 1
            await ledgers.save()
            await self._raw.book(connection, new, (), facts)
            await self._store(connection, identified, now)
            unreadable = await _insert_new(
                connection, tables.dead_letters, _unreadable_rows(bad, unread, now)
            )
            # last, because every reporter adds to the same few counters and waits for the others'
            groups = group_by_flow(identified.new)
            await _count(connection, groups)
        return Receipt(
            new=identified.new,
            groups=groups,
            repeats=len(records) - len(new) - len(unreadable),
            duplicates=len(identified.duplicates),
            conflicts=len(identified.conflicts),
            dead_letters=Counter(row["error_class"] for row in unreadable),
        )

    async def _record_dead_letters(
        self, records: Sequence[Record], facts: LogFacts | None
    ) -> Receipt:
        now = self._clock()
        letters = [
            read_dead_letter(record, now=now, raw_topic=self._raw.topic) for record in records
        ]
        if facts is not None:
            # Dead letters are few, and no order holds between them and the verdicts: one may be
            # the first to come from a recreated topic, at a place that was never recorded.
            topics = (self._events_topic, self._raw.topic)
            positions = [
                position for item in letters for position in (item.origin, item.raw_origin)
            ]
            facts.require_recognised(
                (position.topic, position.partition)
                for position in positions
                if position is not None and position.topic in topics
            )
        async with self._database.writing() as connection:
            unread = await self._advance(connection, records, facts)
            of_events = [item for item in letters if item.origin.topic == self._events_topic]
            ledgers = await LedgerSession.lock(
                connection,
                self._events_topic,
                (item.origin.partition for item in of_events),
                facts,
            )
            new = ledgers.record_letters(await ledgers.assign_letter_epochs(of_events))
            await ledgers.save()
            unreadable = [item for item in letters if item.kept is None]
            new += [
                item
                for item in letters
                if item.origin.topic != self._events_topic and item.kept is not None
            ]
            raw_epochs = await self._raw.book(connection, (), new, facts)
            rows = [
                dead_letter_row(
                    replace(item, log_epoch=raw_epochs.get(id(item), item.log_epoch)), now
                )
                if item.origin == item.raw_origin
                else dead_letter_row(item, now)
                for item in new
            ]
            rows += _unreadable_rows(unreadable, unread, now)
            stored = await _insert_new(connection, tables.dead_letters, rows)
        return Receipt(
            repeats=len(letters) - len(stored),
            dead_letters=Counter(row["error_class"] for row in stored),
        )

    async def _advance(
        self, connection: AsyncConnection, records: Sequence[Record], facts: LogFacts | None
    ) -> dict[int, ReadPosition]:
        """Move the positions behind the batch; return those before it."""
        topic = records[0].topic
        first = {record.partition: record for record in reversed(records)}
        last = {record.partition: record for record in records}
        before = await lock_positions(connection, topic, list(first))
        for partition, record in first.items():
            offset, expected = record.offset, before[partition].next_offset
            # Kafka may have deleted what lies between; otherwise it was skipped, and would be lost
            if offset > expected and offset > await self._log_start(topic, partition):
                message = (
                    f"partition {partition} of `{topic}` goes on at {offset}, the ledger at "
                    f"{expected}; the consumer goes back to the ledger's position"
                )
                raise SkippedRecordsError(message)
        if facts is not None:
            back = {(topic, n) for n, one in first.items() if one.offset < before[n].next_offset}
            facts.require_recognised(back)
        after = {
            partition: _behind(before[partition], first[partition], record)
            for partition, record in last.items()
        }
        await save_positions(connection, topic, after)
        return before

    async def _store(
        self, connection: AsyncConnection, identified: Identified, now: datetime
    ) -> None:
        found = [item for item in identified.new if item.verdict.outcome is not _PERMITTED]
        conflicts = identified.conflicts
        judgement = await self._findings.judge(connection, found, now)
        violations = [
            violation_row(item, judged, now)
            for item, judged in zip(found, judgement.verdicts, strict=True)
        ]
        categories = [
            row
            for violation, judged in zip(violations, judgement.verdicts, strict=True)
            for row in category_rows(violation, judged)
        ]
        await insert_rows(connection, tables.violations, violations)
        await insert_rows(connection, tables.violation_categories, categories)
        disputed = [conflict_row(conflict, now) for conflict in conflicts]
        await insert_rows(connection, tables.id_conflicts, disputed)
        await self._findings.record(connection, judgement, now)
        await _notify(connection, disputed, now)


def _start_ledgers(
    ledgers: Mapping[int, PartitionLedger],
    positions: Mapping[int, ReadPosition],
    good: Iterable[ReadVerdict],
) -> None:
    """Open the ledger behind 0 where Kafka has deleted the verdicts before this batch."""
    at_start = {partition for partition, position in positions.items() if position.next_offset == 0}
    for item in good:
        if not at_start:
            return
        if item.record.partition not in at_start:
            continue
        at_start.remove(item.record.partition)
        ledger = ledgers[item.verdict.partition]
        if item.record.offset and not ledger.verdicts:
            ledger.start_at(item.verdict.offset)


async def _count(connection: AsyncConnection, groups: Sequence[Group]) -> None:
    counted = tally(groups)
    await add(connection, tables.hourly_counts, DECISION_COLUMNS, counted.decisions)
    await add(connection, tables.hourly_verdicts, EVENT_COLUMNS, counted.events)
    await add(connection, tables.statement_counts, STATEMENT_COLUMNS, counted.statements)


async def _notify(
    connection: AsyncConnection, conflicts: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Raise one notice for each publisher, in the order of their names."""
    by_publisher: dict[str, list[Mapping[str, Any]]] = {}
    for row in conflicts:
        by_publisher.setdefault(row["publisher"], []).append(row)
    for publisher, rows in sorted(by_publisher.items()):
        await raise_notice(
            connection,
            kind=NoticeKind.CONFLICT,
            key=publisher,
            summary=rows[-1]["summary"],
            severity=Severity.MEDIUM,
            now=now,
            count=len(rows),
        )


def _behind(position: ReadPosition, first: Record, last: Record) -> ReadPosition:
    """The place behind a batch; never before where the ledger is already."""
    if last.offset < position.next_offset:
        return position
    fingerprint = position.fingerprint
    for record in (last,) if fingerprint.first else (first, last):
        digest = whole_digest(record.timestamp, record.key, record.value)
        fingerprint = fingerprint.moved_to(RecordFingerprint(record.offset, digest))
    return ReadPosition(last.offset + 1, position.log_epoch, fingerprint)


def _unreadable_rows(
    letters: Sequence[DeadLettered], positions: Mapping[int, ReadPosition], now: datetime
) -> list[dict[str, Any]]:
    """Rows of records that are neither a verdict nor a dead letter, and stand in this topic."""
    return [
        dead_letter_row(replace(item, log_epoch=positions[item.origin.partition].log_epoch), now)
        for item in letters
    ]


async def _insert_new(
    connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Insert the rows whose `id` isn't there yet, and return them."""
    by_id: dict[str, dict[str, Any]] = {}
    for row in rows:
        by_id.setdefault(row["id"], row)
    if not by_id:
        return []
    inserted = await connection.execute(
        insert_into(connection, table).on_conflict_do_nothing().returning(table.c.id),
        [by_id[name] for name in sorted(by_id)],
    )
    return [by_id[name] for name in inserted.scalars()]
