"""Write the ledger: plan a batch, look into the logs where that is needed, commit once."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from purposewatch_reporter.flows.record import MAX_FLOWS, FlowRecorder
from purposewatch_reporter.ledger.batches import (
    Batch,
    BatchContext,
    CountingRecorder,
    DeadLetterBatch,
    FirstSeenRecorder,
    Receipt,
    ReportSuspects,
    VerdictBatch,
)
from purposewatch_reporter.ledger.fact_batch import FactBatch
from purposewatch_reporter.ledger.gap_batch import GapBatch
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition
from purposewatch_reporter.ledger.raw_session import RawLedgerSession
from purposewatch_reporter.ledger.read import FactRecords, VerdictRecords, read_dead_letter
from purposewatch_reporter.ledger.violations import (
    FindingsRecorder,
    ReportConflicts,
    ViolationStore,
)
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.gaps import DEFAULT_LIMITS, GapLimits
from purposewatch_reporter.store.positions import load_next_offsets
from purposewatch_runtime.kafka import Record


class Logs(Protocol):
    """What is asked about the logs: see `EpochDetector`."""

    async def check(self, topic: str, partitions: Collection[int]) -> set[int]:
        """Start log epochs that are due; return the partitions that can't be judged yet."""

    async def reached(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Lower bounds of the ends of logs; of none, when Kafka does not answer soon."""

    async def look_up(self, facts: LogFacts) -> None:
        """Make the look-ups in `facts.missing`; raises when Kafka can't answer now."""


class LedgerWriter:
    """Writes verdicts, dead letters, gaps and facts into the ledger.

    INVARIANT: ledger, positions, counts, violations, ids and alerts of a batch are committed
    together or not at all, and an offset that the ledger has already changes nothing else. So a
    batch may be handed over any number of times, by any number of reporters, in any pieces.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in wiring.py
        self,
        database: Database,
        *,
        events_topic: str,
        findings: FindingsRecorder[Any],
        report_conflicts: ReportConflicts,
        report_suspects: ReportSuspects,
        logs: Logs,
        clock: Callable[[], datetime],
        partitions: int,
        raw_topic: str = "",
        facts_topic: str = "",
        ids_kept: timedelta = timedelta(days=30),
        gap_limits: GapLimits = DEFAULT_LIMITS,
        max_flows: int = MAX_FLOWS,
        check_seconds: float = 3.0,
        rebuilds: bool = False,
        counting: CountingRecorder | None = None,
        first_seen: FirstSeenRecorder | None = None,
    ) -> None:
        """`partitions` is the number that each topic has.

        `rebuilds` says that the topics may speak of logs that were gone before the ledger began.
        """
        self._database = database
        self._violations = ViolationStore(findings, report_conflicts)
        self._logs = logs
        self._clock = clock
        self._context = BatchContext(
            events_topic,
            facts_topic,
            RawLedgerSession(raw_topic, partitions=partitions, rebuilds=rebuilds),
            report_suspects,
            FlowRecorder(limit=max_flows),
            ids_kept,
            rebuilds,
            counting,
            first_seen,
        )
        self._gap_limits = gap_limits
        self._check_seconds = check_seconds
        self._verdicts = VerdictRecords(events_topic)
        self._facts = FactRecords()
        self._report_conflicts = report_conflicts

    async def positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """The next offsets to read: after what is recorded of the log that exists now.

        INVARIANT: this waits for Kafka no longer than `check_seconds`. A group member that is
        assigned partitions sends no heartbeats until it has these offsets; one that takes longer
        than its session is removed, rejoins and asks again, and would never make progress. What
        can't be checked in time is checked while recording, or by the epoch monitor.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._check_seconds):
                await self._logs.check(topic, partitions)
        async with self._database.reading() as connection:
            return await load_next_offsets(connection, topic, partitions)

    async def record_verdicts(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the verdicts topic."""
        now = self._clock()
        good, bad = self._verdicts.read(records, now=now)
        receipt = await self._record(
            VerdictBatch(records, good, bad, now, self._context, self._violations)
        )
        self._context.flows.remember(receipt.admission)
        return receipt

    async def record_dead_letters(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the dead-letters topic."""
        now = self._clock()
        events, raw = self._context.events_topic, self._context.raw.topic
        letters = [
            read_dead_letter(one, now=now, events_topic=events, raw_topic=raw) for one in records
        ]
        return await self._record(DeadLetterBatch(records, letters, now, self._context))

    async def record_gaps(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the gaps topic."""
        return await self._record(GapBatch(records, self._clock(), self._context, self._gap_limits))

    async def record_facts(self, records: Sequence[Record]) -> Receipt:
        """Record a batch of the facts topic."""
        now = self._clock()
        read = [self._facts.read(record, now=now) for record in records]
        return await self._record(
            FactBatch(records, read, now, self._context, self._report_conflicts)
        )

    async def _record(self, batch: Batch) -> Receipt:
        """Plan the batch; make the look-ups that it needs, and plan again; commit.

        INVARIANT: no lock of the database is held while Kafka is asked. What was planned before is
        rolled back, because other reporters may change the ledger meanwhile.
        """
        # INVARIANT: what the batch speaks of existed when the batch was received, so ends that are
        # found from now on are beyond it.
        facts = LogFacts(reached=dict(await self._logs.reached(batch.partitions())))
        while True:
            async with self._database.writing() as connection:
                receipt = await batch.record(connection, facts)
                if receipt is not None:
                    return receipt
                await connection.rollback()
            await self._logs.look_up(facts)
