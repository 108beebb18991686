"""Record a batch of the facts topic."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.batches import (
    NO_RAW_RECORD,
    BatchContext,
    Receipt,
    insert_own,
    lock_positions_of,
)
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition
from purposewatch_reporter.ledger.positions import advance
from purposewatch_reporter.ledger.read import DeadLettered, suspect
from purposewatch_reporter.ledger.violations import ReportConflicts
from purposewatch_reporter.store.fact_uses import count_affected
from purposewatch_reporter.store.facts import KeyedFact, record_facts
from purposewatch_reporter.store.positions import save_positions
from purposewatch_runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class FactBatch:
    """A batch of the facts topic.

    INVARIANT: statements and position are committed together. A record that is read again changes
    nothing: its statement is stored with the same content.
    """

    records: Sequence[Record]
    read: Sequence[KeyedFact | DeadLettered]
    """What each record says."""
    now: datetime
    context: BatchContext
    report_conflicts: ReportConflicts

    def partitions(self) -> set[TopicPartition]:
        """See `Batch`. Facts speak of the raw topic, if they came from there."""
        facts = (item.fact for item in self.read if isinstance(item, KeyedFact))
        return self.context.raw.partitions_of(fact.origin for fact in facts if fact is not None)

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        await self.context.raw.lock(connection, self.partitions())
        before = await lock_positions_of(connection, self.records)
        after = advance(before, self.records, facts, is_compacted=True)
        if facts.missing:
            return None
        new = [
            (record, item)
            for record, item in zip(self.records, self.read, strict=True)
            if record.offset >= before[record.partition].next_offset
        ]
        raw = await self.context.raw.record(
            connection,
            self.context.raw.accepted_facts(
                (
                    (item.fact, record)
                    for record, item in new
                    if isinstance(item, KeyedFact) and item.fact is not None
                ),
                now=self.now,
            ),
            (),
            facts,
            now=self.now,
        )
        if raw is None:
            return None
        await save_positions(connection, self.records[0].topic, after)
        stated = [item for _, item in new if isinstance(item, KeyedFact)]
        recorded = await record_facts(connection, stated, self.now)
        late = await count_affected(connection, recorded.histories)
        bad = [item for _, item in new if isinstance(item, DeadLettered)]
        bad += [suspect(item, NO_RAW_RECORD, self.now) for item in raw.impossible]
        unreadable = await insert_own(connection, bad, before, self.now, self.context)
        conflicts = [
            {"publisher": each.publisher, "summary": each.summary} for each in recorded.conflicts
        ]
        await self.report_conflicts(connection, conflicts, self.now)
        return Receipt(
            repeats=len(self.records) - len(new),
            duplicates=recorded.duplicates,
            conflicts=len(conflicts),
            dead_letters=Counter(row["error_class"] for row in unreadable),
            facts=Counter((fact.fact, fact.publisher) for fact in recorded.new),
            late_facts=Counter(late),
        )
