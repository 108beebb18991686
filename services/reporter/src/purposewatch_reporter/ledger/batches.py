"""Record one batch: lock, plan, and write in one transaction, a class for each topic."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import ErrorClass
from purposewatch_reporter.flows.record import (
    NOTHING,
    Admission,
    FlowRecorder,
    NewFlow,
    record_counts,
)
from purposewatch_reporter.ledger.contradictions import find_contradictions
from purposewatch_reporter.ledger.identity import identify, uses_of
from purposewatch_reporter.ledger.lookups import LogFacts, TopicPartition
from purposewatch_reporter.ledger.positions import ReadPosition, advance
from purposewatch_reporter.ledger.raw_session import RawLedgerSession
from purposewatch_reporter.ledger.read import DeadLettered, ReadVerdict, suspect
from purposewatch_reporter.ledger.rows import dead_letter_row
from purposewatch_reporter.ledger.session import DOUBT, LedgerSession, runs_of
from purposewatch_reporter.ledger.suspects import SuspectFilter
from purposewatch_reporter.ledger.tally import VerdictGroup, group_by_flow, tally
from purposewatch_reporter.ledger.violations import ViolationStore
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.event_ids import record_ids
from purposewatch_reporter.store.fact_uses import LateFact, record_uses, use_rows
from purposewatch_reporter.store.positions import (
    lock_for_counts,
    lock_positions,
    save_positions,
)
from purposewatch_runtime.kafka import Record

NO_RAW_RECORD = (
    "the event or fact names a raw record that does not exist; it was recorded without that record"
)
_NO_RAW_LETTER = "the record is about a raw record that does not exist"
_CONTRADICTION = (
    "the event was recorded before by a verdict that says something else; the first one counts"
)

ReportSuspects: TypeAlias = Callable[
    [AsyncConnection, Sequence[Mapping[str, Any]], datetime], Awaitable[None]
]
"""Alerts about rows of `dead_letters` of the class `suspect`."""


@dataclass(slots=True)
class RuleCounts:
    """The events that counting rules counted, by rule."""

    matched: Counter[tuple[str]] = field(default_factory=Counter)
    late: Counter[tuple[str]] = field(default_factory=Counter)
    """Those that matched and were accepted too late to be counted."""


class FirstSeenRecorder(Protocol):
    """Tells what is seen for the first time, in the caller's transaction."""

    async def record(
        self, connection: AsyncConnection, admission: Admission, now: datetime
    ) -> None:
        """Remember it, and raise notices."""


class CountingRecorder(Protocol):
    """Counts new verdicts by the counting rules, in the caller's transaction."""

    async def record(
        self, connection: AsyncConnection, groups: Sequence[VerdictGroup], now: datetime
    ) -> RuleCounts:
        """Count them, and raise notices about what exceeds a rule."""


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all batches are recorded with."""

    events_topic: str
    facts_topic: str
    raw: RawLedgerSession
    report_suspects: ReportSuspects
    flows: FlowRecorder
    ids_kept: timedelta
    """How long an event id is recognised."""
    rebuilds: bool
    """Whether the topics may speak of logs that were gone before the ledger began."""
    counting: CountingRecorder | None = None
    first_seen: FirstSeenRecorder | None = None


@dataclass(slots=True)
class Receipt:
    """What a batch changed; only to be shown once its transaction is committed."""

    new: Sequence[ReadVerdict] = ()
    groups: Sequence[VerdictGroup] = ()
    """The same, grouped by flow, decision, publisher and hour."""
    admission: Admission = NOTHING
    repeats: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and publisher."""
    facts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Statements by fact and publisher."""
    late_facts: Counter[LateFact] = field(default_factory=Counter)
    rules: RuleCounts = field(default_factory=RuleCounts)

    @property
    def new_flows(self) -> Sequence[NewFlow]:
        """The flows that no batch recorded before: each is in one receipt, whoever writes."""
        return self.admission.new

    def flow_of(self, group: VerdictGroup) -> bytes:
        """The id of the flow that a group is counted under."""
        return self.admission.places[group.key].flow_id


class Batch(Protocol):
    """Records of one topic, to be recorded."""

    def partitions(self) -> set[TopicPartition]:
        """The partitions of the logs that the records speak of."""

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
    context: BatchContext
    violations: ViolationStore

    def partitions(self) -> set[TopicPartition]:
        """See `Batch`."""
        of_events = {(self.context.events_topic, item.verdict.partition) for item in self.good}
        origins = (item.verdict.origin for item in self.good)
        return of_events | self.context.raw.partitions_of(origins)

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        topic, now, context = self.records[0].topic, self.now, self.context
        locking = {record.partition for record in self.records}
        before, summed_until = await lock_for_counts(connection, topic, locking)
        after = advance(before, self.records, facts)
        partitions = {item.verdict.partition for item in self.good}
        session = await LedgerSession.lock(connection, context.events_topic, partitions, facts)
        items = session.assign_epochs(self.good)
        if facts.missing:
            return None
        epochs = ((item.verdict.partition, item.log_epoch) for item in items)
        await session.lock_previous(connection, epochs)
        suspect_filter = SuspectFilter(session, facts, now=now, rebuilds=context.rebuilds)
        runs, suspects = suspect_filter.separate(runs_of(items))
        if facts.missing:
            return None
        session.start_late(before, runs)
        new = session.record_verdicts(runs)
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
        accepted = context.raw.accepted_events(new)
        raw = await context.raw.record(connection, accepted, (), facts, now=now)
        if raw is None:
            return None
        late = await _record_fact_uses(connection, identified.new, now, context)
        groups = group_by_flow(identified.new)
        met = {group.key: group.read.verdict for group in reversed(groups)}
        admission = await context.flows.admit(connection, met, now)
        await self.violations.store(connection, groups, identified.conflicts, admission.places, now)
        contradictions = await find_contradictions(
            connection,
            [item for run in runs for item in run],
            new,
            ids_kept_since=now - context.ids_kept,
        )
        unreadable = await insert_own(connection, [*self.bad, *suspects], before, now, context)
        remarks = [suspect(item, _CONTRADICTION, now) for item in contradictions]
        remarks += [suspect(item, NO_RAW_RECORD, now) for item in raw.impossible]
        remarked = await insert_own(connection, remarks, before, now, context)
        # last, because every reporter adds to the same few counters and waits for the others'
        await record_counts(connection, tally(groups, admission.places), summed_until)
        if context.first_seen is not None:
            await context.first_seen.record(connection, admission, now)
        rules = await context.counting.record(connection, groups, now) if context.counting else None
        return Receipt(
            new=identified.new,
            groups=groups,
            admission=admission,
            repeats=len(self.records) - len(new) - len(unreadable),
            duplicates=len(identified.duplicates),
            conflicts=len(identified.conflicts),
            dead_letters=Counter(row["error_class"] for row in (*unreadable, *remarked)),
            late_facts=late,
            rules=rules or RuleCounts(),
        )


@dataclass(frozen=True, slots=True)
class DeadLetterBatch:
    """A batch of the dead-letters topic."""

    records: Sequence[Record]
    letters: Sequence[DeadLettered]
    now: datetime
    context: BatchContext

    def partitions(self) -> set[TopicPartition]:
        """See `Batch`."""
        return {
            (item.origin.topic, item.origin.partition)
            for item in self.letters
            if item.kept is not None
        }

    async def record(self, connection: AsyncConnection, facts: LogFacts) -> Receipt | None:
        """See `Batch`."""
        self._require_recognised(facts)
        if facts.missing:
            return None
        context, now = self.context, self.now
        before = await lock_positions_of(connection, self.records)
        after = advance(before, self.records, facts)
        of_events = [item for item in self.letters if item.origin.topic == context.events_topic]
        partitions = {item.origin.partition for item in of_events}
        session = await LedgerSession.lock(connection, context.events_topic, partitions, facts)
        letters = session.assign_letter_epochs(of_events)
        if facts.missing:
            return None
        epochs = ((item.origin.partition, item.log_epoch) for item in letters)
        await session.lock_previous(connection, epochs)
        suspect_filter = SuspectFilter(session, facts, now=now, rebuilds=context.rebuilds)
        admitted, suspects = suspect_filter.separate_letters(letters)
        if facts.missing:
            return None
        new = session.record_letters(admitted)
        await save_positions(connection, self.records[0].topic, after)
        await session.save(connection)
        new += [
            item
            for item in self.letters
            if item.origin.topic == context.raw.topic and item.kept is not None
        ]
        raw = await context.raw.record(connection, (), new, facts, now=now)
        if raw is None:
            return None
        impossible = {id(item) for item in raw.impossible if _is_about_raw(item)}
        rows = [
            dead_letter_row(
                replace(item, log_epoch=raw.log_epochs.get(number, 0))
                if _is_about_raw(item)
                else item,
                now,
            )
            for number, item in enumerate(new)
            if id(item) not in impossible
        ]
        stored: Sequence[Mapping[str, Any]]
        stored = await _insert_new(connection, tables.dead_letters, rows)
        await _report_suspects(connection, stored, now, context)  # of events: auditors verify them
        unreadable = [item for item in self.letters if item.kept is None] + suspects
        remarks = []
        for item in raw.impossible:
            if _is_about_raw(item):
                unreadable.append(suspect(item, _NO_RAW_LETTER, now))
            else:
                remarks.append(suspect(item, NO_RAW_RECORD, now))
        stored = [*stored, *await insert_own(connection, unreadable, before, now, context)]
        remarked = await insert_own(connection, remarks, before, now, context)
        return Receipt(
            repeats=len(self.letters) - len(stored),
            dead_letters=Counter(row["error_class"] for row in (*stored, *remarked)),
        )

    def _require_recognised(self, facts: LogFacts) -> None:
        """Ask for the logs of all origins.

        Dead letters are few, and are not ordered relative to the verdicts: one may be the first to
        come from a recreated topic, about an offset that was never recorded.
        """
        topics = (self.context.events_topic, self.context.raw.topic)
        facts.require_recognised(
            (origin.topic, origin.partition)
            for item in self.letters
            for origin in (item.origin, item.raw_origin)
            if origin is not None and origin.topic in topics
        )


async def lock_positions_of(
    connection: AsyncConnection, records: Sequence[Record]
) -> dict[int, ReadPosition]:
    """The positions of the records' partitions, locked until this transaction ends."""
    partitions = {record.partition for record in records}
    return await lock_positions(connection, records[0].topic, partitions)


async def _record_fact_uses(
    connection: AsyncConnection, new: Sequence[ReadVerdict], now: datetime, context: BatchContext
) -> Counter[LateFact]:
    """Store which values the verdicts used; the statements that have become late by that.

    INVARIANT: positions of the facts topic are locked before notices, as in its own batches, so
    that two reporters can't wait for each other. Without that lock, a statement and a verdict that
    are recorded at the same time would miss each other.
    """
    using = [item for item in new if item.verdict.facts]
    if not using:
        return Counter()
    partitions = {item.verdict.partition for item in using}
    await lock_positions(connection, context.facts_topic, partitions)
    rows = use_rows(((item.verdict, item.log_epoch) for item in using), now)
    decided = min(item.verdict.decided_time for item in using)
    return Counter(await record_uses(connection, rows, since=decided - DOUBT))


def _is_about_raw(item: ReadVerdict | Record | DeadLettered) -> bool:
    return isinstance(item, DeadLettered) and item.origin == item.raw_origin


async def insert_own(
    connection: AsyncConnection,
    letters: Sequence[DeadLettered],
    positions: Mapping[int, ReadPosition],
    now: datetime,
    context: BatchContext,
) -> Sequence[Mapping[str, Any]]:
    """Insert rows about records of the topic being read that can't be taken as they are.

    Alerts about those that are suspect, and returns the rows that are new.
    """
    rows = [
        dead_letter_row(replace(item, log_epoch=positions[item.origin.partition].log_epoch), now)
        for item in letters
    ]
    inserted = await _insert_new(connection, tables.dead_letters, rows)
    await _report_suspects(connection, inserted, now, context)
    return inserted


async def _report_suspects(
    connection: AsyncConnection,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
    context: BatchContext,
) -> None:
    suspects = [row for row in rows if row["error_class"] == ErrorClass.SUSPECT]
    await context.report_suspects(connection, suspects, now)


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
