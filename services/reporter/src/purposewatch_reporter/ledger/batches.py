"""Record one batch: lock, plan, and write in one transaction, a class for each topic."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.identity import identify, uses_of
from purposewatch_reporter.ledger.lookups import LogFacts
from purposewatch_reporter.ledger.positions import ReadPosition, advance
from purposewatch_reporter.ledger.raw_session import RawLedgerSession
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict
from purposewatch_reporter.ledger.rows import dead_letter_row
from purposewatch_reporter.ledger.session import LedgerSession
from purposewatch_reporter.ledger.tally import (
    DECISION_COLUMNS,
    EVENT_COLUMNS,
    STATEMENT_COLUMNS,
    Group,
    group_by_flow,
    tally,
)
from purposewatch_reporter.ledger.violations import ViolationStore
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.bulk import add, insert_into
from purposewatch_reporter.store.event_ids import record_ids
from purposewatch_reporter.store.positions import lock_positions, save_positions
from purposewatch_runtime.kafka import Record


@dataclass(slots=True)
class Receipt:
    """What a batch changed; only to be shown once its transaction is committed."""

    new: Sequence[ReadVerdict] = ()
    groups: Sequence[Group] = ()
    """The same, grouped by flow."""
    repeats: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)


class Batch(Protocol):
    """Records of one topic, to be recorded."""

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """Record the batch in the caller's transaction.

        `None` when `facts` lacks what the plan needs. The transaction must then be rolled back, and
        the batch recorded again once the look-ups in `facts.missing` have been made.
        """


@dataclass(frozen=True, slots=True)
class VerdictBatch:
    """A batch of the verdicts topic."""

    records: Sequence[Record]
    good: Sequence[ReadVerdict]
    bad: Sequence[DeadLettered]
    """What can't be read as a verdict."""
    now: datetime
    events_topic: str
    raw: RawLedgerSession
    violations: ViolationStore

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        topic, now = self.records[0].topic, self.now
        before = await _lock_positions(connection, self.records)
        after = advance(before, self.records, facts)
        partitions = {item.verdict.partition for item in self.good}
        session = await LedgerSession.lock(connection, self.events_topic, partitions, facts)
        items = session.assign_epochs(self.good)
        if facts.missing:
            return None
        epochs = ((item.verdict.partition, item.log_epoch) for item in items)
        await session.lock_previous(connection, epochs)
        session.start_late(before, items)
        new = session.record_verdicts(items)
        if facts.missing:
            return None
        await save_positions(connection, topic, after)
        uses = uses_of(new)
        identified = identify(new, uses, await record_ids(connection, uses, now))
        for item in identified.duplicates:
            session.of(item.verdict.partition, item.log_epoch).duplicates += 1
        for conflict in identified.conflicts:
            read = conflict.read
            session.of(read.verdict.partition, read.log_epoch).conflicts += 1
        await session.save(connection)
        if await self.raw.record(connection, new, (), facts) is None:
            return None
        await self.violations.store(connection, identified, now)
        rows = _unreadable_rows(self.bad, before, now)
        unreadable = await _insert_new(connection, tables.dead_letters, rows)
        # last, because every reporter adds to the same few counters and waits for the others'
        groups = group_by_flow(identified.new)
        await _count(connection, groups)
        return Receipt(
            new=identified.new,
            groups=groups,
            repeats=len(self.records) - len(new) - len(unreadable),
            duplicates=len(identified.duplicates),
            conflicts=len(identified.conflicts),
            dead_letters=Counter(row["error_class"] for row in unreadable),
        )


@dataclass(frozen=True, slots=True)
class DeadLetterBatch:
    """A batch of the dead-letters topic."""

    records: Sequence[Record]
    letters: Sequence[DeadLettered]
    now: datetime
    events_topic: str
    raw: RawLedgerSession

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        self._require_recognised(facts)
        if facts.missing:
            return None
        before = await _lock_positions(connection, self.records)
        after = advance(before, self.records, facts)
        of_events = [item for item in self.letters if item.origin.topic == self.events_topic]
        partitions = {item.origin.partition for item in of_events}
        session = await LedgerSession.lock(connection, self.events_topic, partitions, facts)
        letters = session.assign_letter_epochs(of_events)
        if facts.missing:
            return None
        epochs = ((item.origin.partition, item.log_epoch) for item in letters)
        await session.lock_previous(connection, epochs)
        new = session.record_letters(letters)
        await save_positions(connection, self.records[0].topic, after)
        await session.save(connection)
        new += [
            item
            for item in self.letters
            if item.origin.topic != self.events_topic and item.kept is not None
        ]
        raw_epochs = await self.raw.record(connection, (), new, facts)
        if raw_epochs is None:
            return None
        rows = [
            dead_letter_row(
                replace(item, log_epoch=epoch) if item.origin == item.raw_origin else item,
                self.now,
            )
            for item, epoch in zip(new, raw_epochs, strict=True)
        ]
        unreadable = [item for item in self.letters if item.kept is None]
        rows += _unreadable_rows(unreadable, before, self.now)
        stored = await _insert_new(connection, tables.dead_letters, rows)
        return Receipt(
            repeats=len(self.letters) - len(stored),
            dead_letters=Counter(row["error_class"] for row in stored),
        )

    def _require_recognised(self, facts: LogFacts) -> None:
        """Ask for the logs of all origins.

        Dead letters are few, and are not ordered relative to the verdicts: one may be the first to
        come from a recreated topic, about an offset that was never recorded.
        """
        topics = (self.events_topic, self.raw.topic)
        facts.require_recognised(
            (origin.topic, origin.partition)
            for item in self.letters
            for origin in (item.origin, item.raw_origin)
            if origin is not None and origin.topic in topics
        )


async def _lock_positions(
    connection: AsyncConnection, records: Sequence[Record]
) -> dict[int, ReadPosition]:
    partitions = {record.partition for record in records}
    return await lock_positions(connection, records[0].topic, partitions)


async def _count(connection: AsyncConnection, groups: Sequence[Group]) -> None:
    counted = tally(groups)
    await add(connection, tables.hourly_counts, DECISION_COLUMNS, counted.decisions)
    await add(connection, tables.hourly_verdicts, EVENT_COLUMNS, counted.events)
    await add(connection, tables.statement_counts, STATEMENT_COLUMNS, counted.statements)


def _unreadable_rows(
    letters: Sequence[DeadLettered], positions: Mapping[int, ReadPosition], now: datetime
) -> list[dict[str, Any]]:
    """Rows of records of the topic being read that are neither a verdict nor a dead letter."""
    return [
        dead_letter_row(replace(item, log_epoch=positions[item.origin.partition].log_epoch), now)
        for item in letters
    ]


async def _insert_new(
    connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Insert the rows whose `id` is not there yet, and return them."""
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
