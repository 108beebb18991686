"""Book a batch: one transaction from reading the books to writing them."""

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
from purposewatch_reporter.epochs.lookup import InquiryError, Known
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.ledger.fingerprint import Mark
from purposewatch_reporter.ledger.identity import Identified, identify, uses_of
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw_session import RawLedgerSession
from purposewatch_reporter.ledger.read import (
    ReadVerdict,
    SetAside,
    VerdictRecords,
    read_dead_letter,
)
from purposewatch_reporter.ledger.rows import (
    category_rows,
    conflict_row,
    dead_letter_row,
    violation_row,
)
from purposewatch_reporter.ledger.session import Accounts
from purposewatch_reporter.ledger.tally import (
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    STATEMENT_COLUMNS,
    Sort,
    sort_out,
    tally,
)
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.bulk import add, insert_rows
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import claim_ids
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.positions import (
    Place,
    load_positions,
    lock_places,
    save_places,
)
from purposewatch_runtime.kafka import Record

LogStart: TypeAlias = Callable[[str, int], Awaitable[int]]
Book: TypeAlias = Callable[[Sequence[Record], Known | None], Awaitable["Receipt"]]

_PERMITTED = Outcome.PERMITTED  # looking a member up costs more than comparing with it


class SkippedRecordsError(Exception):
    """The consumer handed over records from behind the books' position in that partition."""


@dataclass(slots=True)
class Receipt:
    """What a batch changed; only to be shown once its transaction is committed."""

    new: Sequence[ReadVerdict] = ()
    sorts: Sequence[Sort] = ()
    """The same, put together."""
    repeats: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)


class LedgerWriter:
    """Writes verdicts and dead letters into the books.

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
        pages: EpochDetector | None = None,
        check_seconds: float = 3.0,
    ) -> None:
        self._database = database
        self._events_topic = events_topic
        self._findings = findings
        self._log_start = log_start
        self._clock = clock
        self._raw = RawLedgerSession(raw_topic)
        self._pages = pages
        self._check_seconds = check_seconds
        self._records = VerdictRecords(events_topic)

    async def positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """Where to go on reading: behind what is booked, of the log that there is now.

        INVARIANT: Kafka is not waited for longer than `check_seconds`. A member of a group that is
        given partitions sends no heartbeats until it has these positions, and one that takes longer
        than its session is excluded, joins again and asks again: no reporter would ever get on.
        What is unsure or can't be told in time, booking or the next look at the pages finds out.
        """
        if self._pages is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._pages.check(topic, partitions)
        async with self._database.reading() as connection:
            return await load_positions(connection, topic, partitions)

    async def book_verdicts(self, records: Sequence[Record]) -> Receipt:
        """Book a batch of the verdicts topic."""
        return await self._booked(self._book_verdicts, records)

    async def book_dead_letters(self, records: Sequence[Record]) -> Receipt:
        """Book a batch of the dead-letters topic."""
        return await self._booked(self._book_dead_letters, records)

    async def _booked(self, book: Book, records: Sequence[Record]) -> Receipt:
        """Book a batch, asking Kafka in between where the books alone can't tell the page."""
        if self._pages is None:
            return await book(records, None)
        known = Known()
        while True:
            try:
                return await book(records, known)
            except InquiryError as inquiry:
                await self._pages.answer(inquiry, known)

    async def _book_verdicts(self, records: Sequence[Record], known: Known | None) -> Receipt:
        now = self._clock()
        good, bad = self._records.read(records, now=now)
        async with self._database.writing() as connection:
            unread = await self._advance(connection, records, known)
            accounts = await Accounts.lock(
                connection,
                self._events_topic,
                {item.verdict.partition for item in good},
                known,
            )
            _open_accounts(accounts.current, unread, good)
            news = accounts.book_verdicts(await accounts.sort_verdicts(good))
            uses = uses_of(news)
            earlier = await claim_ids(connection, uses, now)
            identified = identify(news, uses, earlier)
            for item in identified.duplicates:
                accounts.of(item).duplicates += 1
            for conflict in identified.conflicts:
                accounts.of(conflict.read).conflicts += 1
            await accounts.save()
            await self._raw.book(connection, news, (), known)
            await self._store(connection, identified, now)
            unreadable = await _insert_new(
                connection, tables.dead_letters, _unreadable_rows(bad, unread, now)
            )
            # last, because every reporter adds to the same few counters and waits for the others'
            sorts = sort_out(identified.new)
            await _count(connection, sorts)
        return Receipt(
            new=identified.new,
            sorts=sorts,
            repeats=len(records) - len(news) - len(unreadable),
            duplicates=len(identified.duplicates),
            conflicts=len(identified.conflicts),
            dead_letters=Counter(row["error_class"] for row in unreadable),
        )

    async def _book_dead_letters(self, records: Sequence[Record], known: Known | None) -> Receipt:
        now = self._clock()
        letters = [
            read_dead_letter(record, now=now, raw_topic=self._raw.topic) for record in records
        ]
        if known is not None:
            # Dead letters are few, and no order holds between them and the verdicts: one may be
            # the first to come from a recreated topic, at a place that was never booked.
            topics = (self._events_topic, self._raw.topic)
            places = [place for item in letters for place in (item.origin, item.raw_origin)]
            known.require_recognised(
                (place.topic, place.partition)
                for place in places
                if place is not None and place.topic in topics
            )
        async with self._database.writing() as connection:
            unread = await self._advance(connection, records, known)
            of_events = [item for item in letters if item.origin.topic == self._events_topic]
            accounts = await Accounts.lock(
                connection,
                self._events_topic,
                (item.origin.partition for item in of_events),
                known,
            )
            news = accounts.book_letters(await accounts.sort_letters(of_events))
            await accounts.save()
            unreadable = [item for item in letters if item.kept is None]
            news += [
                item
                for item in letters
                if item.origin.topic != self._events_topic and item.kept is not None
            ]
            raw_pages = await self._raw.book(connection, (), news, known)
            rows = [
                dead_letter_row(replace(item, page=raw_pages.get(id(item), item.page)), now)
                if item.origin == item.raw_origin
                else dead_letter_row(item, now)
                for item in news
            ]
            rows += _unreadable_rows(unreadable, unread, now)
            stored = await _insert_new(connection, tables.dead_letters, rows)
        return Receipt(
            repeats=len(letters) - len(stored),
            dead_letters=Counter(row["error_class"] for row in stored),
        )

    async def _advance(
        self, connection: AsyncConnection, records: Sequence[Record], known: Known | None
    ) -> dict[int, Place]:
        """Move the positions behind the batch; return those before it."""
        topic = records[0].topic
        first = {record.partition: record for record in reversed(records)}
        last = {record.partition: record for record in records}
        before = await lock_places(connection, topic, list(first))
        for partition, record in first.items():
            offset, expected = record.offset, before[partition].next_offset
            # Kafka may have deleted what lies between; otherwise it was skipped, and would be lost
            if offset > expected and offset > await self._log_start(topic, partition):
                message = (
                    f"partition {partition} of `{topic}` goes on at {offset}, the books at "
                    f"{expected}; the consumer goes back to the books' position"
                )
                raise SkippedRecordsError(message)
        if known is not None:
            back = {(topic, n) for n, one in first.items() if one.offset < before[n].next_offset}
            known.require_recognised(back)
        after = {
            partition: _behind(before[partition], first[partition], record)
            for partition, record in last.items()
        }
        await save_places(connection, topic, after)
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


def _open_accounts(
    accounts: Mapping[int, PartitionLedger],
    places: Mapping[int, Place],
    good: Iterable[ReadVerdict],
) -> None:
    """Open the books behind 0 where Kafka has deleted the verdicts before this batch."""
    at_start = {partition for partition, place in places.items() if place.next_offset == 0}
    for item in good:
        if not at_start:
            return
        if item.record.partition not in at_start:
            continue
        at_start.remove(item.record.partition)
        account = accounts[item.verdict.partition]
        if item.record.offset and not account.verdicts:
            account.open_at(item.verdict.offset)


async def _count(connection: AsyncConnection, sorts: Sequence[Sort]) -> None:
    counted = tally(sorts)
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


def _behind(place: Place, first: Record, last: Record) -> Place:
    """The place behind a batch; never before where the books are already."""
    if last.offset < place.next_offset:
        return place
    marks = place.marks
    for record in (last,) if marks.first else (first, last):
        digest = whole_digest(record.timestamp, record.key, record.value)
        marks = marks.moved_to(Mark(record.offset, digest))
    return Place(last.offset + 1, place.page, marks)


def _unreadable_rows(
    letters: Sequence[SetAside], places: Mapping[int, Place], now: datetime
) -> list[dict[str, Any]]:
    """Rows of records that are neither a verdict nor a dead letter, and stand in this topic."""
    return [
        dead_letter_row(replace(item, page=places[item.origin.partition].page), now)
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
