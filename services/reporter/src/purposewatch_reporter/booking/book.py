"""Book a batch: one transaction from reading the books to writing them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.outbox import AlertKind, outbox_rows
from purposewatch_reporter.booking.identity import Identified, candidates, identify, place_id
from purposewatch_reporter.booking.read import (
    ReadVerdict,
    SetAside,
    read_dead_letter,
    read_verdict,
)
from purposewatch_reporter.booking.rows import (
    category_rows,
    conflict_row,
    dead_letter_row,
    violation_row,
)
from purposewatch_reporter.booking.tally import DECISION_COLUMNS, EVENT_COLUMNS, tally
from purposewatch_reporter.ledger.offsets import TooManyIntervalsError
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import claim_ids
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.ledgers import lock_ledgers, save_ledgers
from purposewatch_reporter.store.positions import load_positions, lock_positions, save_positions
from purposewatch_shared.decision import Outcome
from purposewatch_shared.kafka.consumer import Record, StopConsumingError

LogStart: TypeAlias = Callable[[str, int], Awaitable[int]]


class SkippedRecordsError(Exception):
    """The consumer handed over records from behind the books' position in that partition."""


class VerdictsBehindError(Exception):
    """Dead letters are too far ahead of the verdicts; they must be tried again later."""


@dataclass(slots=True)
class Receipt:
    """What a batch changed; only to be shown once its transaction is committed."""

    new: Sequence[ReadVerdict] = ()
    repeats: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)


class Bookkeeper:
    """Writes verdicts and dead letters into the books.

    INVARIANT: ledger, positions, counts, violations, ids and alerts of a batch are committed
    together or not at all, and an offset that the ledger has already changes nothing else. So a
    batch may be handed over any number of times, by any number of reporters, in any pieces.
    """

    def __init__(
        self,
        database: Database,
        *,
        events_topic: str,
        channels: Sequence[str],
        log_start: LogStart,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._events_topic = events_topic
        self._channels = channels
        self._log_start = log_start
        self._clock = clock

    async def positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """Where to go on reading."""
        async with self._database.reading() as connection:
            return await load_positions(connection, topic, partitions)

    async def book_verdicts(self, records: Sequence[Record]) -> Receipt:
        """Book a batch of the verdicts topic."""
        now = self._clock()
        read = [
            read_verdict(record, events_topic=self._events_topic, now=now) for record in records
        ]
        good = [item for item in read if isinstance(item, ReadVerdict)]
        bad = [item for item in read if isinstance(item, SetAside)]
        async with self._database.writing() as connection:
            unread = await self._advance(connection, records)
            accounts = await lock_ledgers(
                connection,
                self._events_topic,
                list({item.verdict.position.partition for item in good}),
            )
            self._open_accounts(accounts, unread, records, read)
            news = [item for item in good if _book_verdict(accounts, item)]
            earlier = await claim_ids(connection, candidates(news), now)
            identified = identify(news, earlier)
            for item in identified.duplicates:
                accounts[item.verdict.position.partition].duplicates += 1
            for conflict in identified.conflicts:
                accounts[conflict.read.verdict.position.partition].conflicts += 1
            await save_ledgers(connection, self._events_topic, accounts)
            await self._count(connection, identified.new)
            await self._store(connection, identified, now)
            unreadable = await _insert_new(
                connection, tables.dead_letters, [dead_letter_row(item, now) for item in bad]
            )
        return Receipt(
            new=identified.new,
            repeats=len(read) - len(news) - len(unreadable),
            duplicates=len(identified.duplicates),
            conflicts=len(identified.conflicts),
            dead_letters=Counter(row["error_class"] for row in unreadable),
        )

    async def book_dead_letters(self, records: Sequence[Record]) -> Receipt:
        """Book a batch of the dead-letters topic."""
        now = self._clock()
        letters = [read_dead_letter(record, now=now) for record in records]
        async with self._database.writing() as connection:
            await self._advance(connection, records)
            of_events = [item for item in letters if item.origin.topic == self._events_topic]
            accounts = await lock_ledgers(
                connection, self._events_topic, list({item.origin.partition for item in of_events})
            )
            repeats = [item for item in of_events if not _book_dead_letter(accounts, item)]
            await save_ledgers(connection, self._events_topic, accounts)
            repeated = set(map(id, repeats))
            news = [item for item in letters if id(item) not in repeated]
            stored = await _insert_new(
                connection, tables.dead_letters, [dead_letter_row(item, now) for item in news]
            )
        return Receipt(
            repeats=len(letters) - len(stored),
            dead_letters=Counter(row["error_class"] for row in stored),
        )

    async def _advance(
        self, connection: AsyncConnection, records: Sequence[Record]
    ) -> dict[int, int]:
        """Move the positions behind the batch; return those before it."""
        topic = records[0].topic
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for record in records:
            first.setdefault(record.partition, record.offset)
            last[record.partition] = record.offset
        before = await lock_positions(connection, topic, list(first))
        for partition, offset in first.items():
            # Kafka may have deleted what lies between; otherwise it was skipped, and would be lost
            if offset > before[partition] and offset > await self._log_start(topic, partition):
                message = (
                    f"partition {partition} of `{topic}` goes on at {offset}, the books at "
                    f"{before[partition]}; restart the reporter to read from the books' position"
                )
                raise SkippedRecordsError(message)
        after = {partition: max(before[partition], last[partition] + 1) for partition in last}
        await save_positions(connection, topic, after)
        return before

    def _open_accounts(
        self,
        accounts: Mapping[int, PartitionLedger],
        positions: Mapping[int, int],
        records: Sequence[Record],
        read: Sequence[ReadVerdict | SetAside],
    ) -> None:
        """Open the books behind 0 where Kafka has deleted the verdicts before this batch."""
        opened: set[int] = set()
        for record, item in zip(records, read, strict=True):
            if isinstance(item, SetAside) or record.partition in opened:
                continue
            opened.add(record.partition)
            account = accounts[item.verdict.position.partition]
            if positions[record.partition] == 0 < record.offset and account.verdicts == 0:
                account.open_at(item.verdict.position.offset)

    async def _count(self, connection: AsyncConnection, news: Sequence[ReadVerdict]) -> None:
        counted = tally(news)
        await _add(connection, tables.hourly_counts, DECISION_COLUMNS, counted.decisions)
        await _add(connection, tables.hourly_verdicts, EVENT_COLUMNS, counted.events)

    async def _store(
        self, connection: AsyncConnection, identified: Identified, now: datetime
    ) -> None:
        found = [item for item in identified.new if item.verdict.outcome is not Outcome.PERMITTED]
        conflicts = identified.conflicts
        await _insert(connection, tables.violations, [violation_row(item, now) for item in found])
        await _insert(
            connection,
            tables.violation_categories,
            [row for item in found for row in category_rows(item)],
        )
        await _insert(connection, tables.id_conflicts, [conflict_row(c, now) for c in conflicts])
        alerts = [
            (AlertKind(str(item.verdict.outcome)), place_id(item.verdict.position))
            for item in found
        ]
        alerts += [(AlertKind.CONFLICT, place_id(c.read.verdict.position)) for c in conflicts]
        await _insert(connection, tables.outbox, outbox_rows(alerts, self._channels, now))


def _book_verdict(accounts: Mapping[int, PartitionLedger], item: ReadVerdict) -> bool:
    position = item.verdict.position
    try:
        return accounts[position.partition].book_verdict(position.offset)
    except TooManyIntervalsError as error:
        message = (
            f"partition {position.partition} of the events topic: {error} with a verdict; "
            "compare the auditor's output with the events before restarting"
        )
        raise StopConsumingError(message) from error


def _book_dead_letter(accounts: Mapping[int, PartitionLedger], item: SetAside) -> bool:
    position = item.origin
    try:
        return accounts[position.partition].book_dead_letter(position.offset)
    except TooManyIntervalsError as error:
        message = (
            f"partition {position.partition} of the events topic: {error} with a dead letter; "
            "waiting for the verdicts between them"
        )
        raise VerdictsBehindError(message) from error


async def _insert(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    if rows:
        await connection.execute(insert(table), rows)


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


async def _add(
    connection: AsyncConnection,
    table: Table,
    columns: Sequence[str],
    increments: Mapping[Any, int],
) -> None:
    """Add to counters, in sorted order so that two reporters can't wait for each other."""
    if not increments:
        return
    statement = insert_into(connection, table)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(columns),
            set_={"count": table.c.count + statement.excluded.count},
        ),
        [
            {**dict(zip(columns, key, strict=True)), "count": count}
            for key, count in sorted(increments.items())
        ],
    )
