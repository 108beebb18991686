"""Record a batch of the gaps topic."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import Gap
from purposewatch_reporter.ledger.batches import (
    BatchContext,
    Receipt,
    insert_own,
    lock_positions_of,
)
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition
from purposewatch_reporter.ledger.positions import advance
from purposewatch_reporter.ledger.read import DeadLettered, read_gap
from purposewatch_reporter.store.gaps import GapLimits, record_gaps
from purposewatch_reporter.store.positions import save_positions
from purposewatch_runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class GapBatch:
    """A batch of the gaps topic.

    INVARIANT: a record counts once: those before the position were counted with it, in one
    transaction, and a publisher's repeat has an id that was counted.
    """

    records: Sequence[Record]
    now: datetime
    context: BatchContext
    limits: GapLimits

    def partitions(self) -> set[TopicPartition]:
        """See `Batch`. Gaps speak of no other log."""
        return set()

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        before = await lock_positions_of(connection, self.records)
        after = advance(before, self.records, facts)
        if facts.missing:
            return None
        new = [one for one in self.records if one.offset >= before[one.partition].next_offset]
        read = [read_gap(record, now=self.now) for record in new]
        await save_positions(connection, self.records[0].topic, after)
        found = [item for item in read if isinstance(item, Gap)]
        bad = [item for item in read if isinstance(item, DeadLettered)]
        unreadable = await insert_own(connection, bad, before, self.now, self.context)
        counted = await record_gaps(connection, found, self.limits, self.now)
        return Receipt(
            repeats=len(self.records) - len(new),
            dead_letters=Counter(row["error_class"] for row in unreadable),
            gaps=counted,
        )
