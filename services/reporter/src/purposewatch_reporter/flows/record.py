"""Record flows and counts in the transaction that records their verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import DecodedVerdict
from purposewatch_policy import BoundedCache
from purposewatch_reporter.flows.decided import (
    DecidedFlow,
    FlowKey,
    as_other,
    decided_flow,
    other_flow,
)
from purposewatch_reporter.flows.flow import LedgerFlow
from purposewatch_reporter.flows.hour_sums import mark_unsummed
from purposewatch_reporter.store.bulk import is_among, write
from purposewatch_reporter.store.tables import (
    NO_KIND,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flow_totals,
    flows,
)
from purposewatch_runtime.logs import get_logger

MAX_FLOWS = 100_000
"""Distinct flows of a controller; what is beyond is counted under `(other)`."""

_CACHED = 8_192
_LOOKUP_SIZE = 1_000

_log = get_logger(__name__)


class Place(NamedTuple):
    """Where verdicts with one key are counted."""

    flow_id: bytes
    decisions: tuple[tuple[bytes, int], ...]
    """Ids of `flow_decisions`, and what an event adds to each."""


class NewFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow that a batch recorded for the first time, and how it was first met."""

    decided: DecidedFlow
    verdict: DecodedVerdict
    """The first one about it, in the order of the batch."""

    @property
    def flow(self) -> LedgerFlow:
        """The flow itself."""
        return self.decided.flow

    @property
    def publisher(self) -> str:
        """Who published the event."""
        return self.verdict.publisher


class Admission(NamedTuple):
    """Where the verdicts of one batch are counted, and which flows it recorded first."""

    places: Mapping[FlowKey, Place]
    new: Sequence[NewFlow]
    first_met: Sequence[DecodedVerdict] = ()
    """Verdicts whose decision the ledger did not have under their flow: those of new flows, and of
    flows beyond the limit, which it never has."""


NOTHING = Admission({}, ())
"""A batch without verdicts."""


class Count(msgspec.Struct, gc=False):
    """What a batch adds to the counts of one decision, publisher and hour."""

    count: int
    accesses: int
    first_time: datetime
    last_time: datetime

    def add(self, other: "Count") -> None:
        """Add another count."""
        self.count += other.count
        self.accesses += other.accesses
        self.first_time = min(self.first_time, other.first_time)
        self.last_time = max(self.last_time, other.last_time)


class FlowRecorder:
    """Writes the flow ledger. Its only state is where what it has met before is counted."""

    def __init__(self, *, limit: int = MAX_FLOWS) -> None:
        self._limit = limit
        self._places: BoundedCache[FlowKey, Place] = BoundedCache(_CACHED)

    async def admit(
        self, connection: AsyncConnection, met: Mapping[FlowKey, DecodedVerdict], now: datetime
    ) -> Admission:
        """Find where verdicts with these keys are counted; insert flows and decisions that are new.

        `met` has the first verdict with each key.
        """
        places: dict[FlowKey, Place] = {}
        unknown: dict[FlowKey, DecodedVerdict] = {}
        cached = self._places.get
        for key, verdict in met.items():
            place = cached(key)
            if place is None:
                unknown[key] = verdict
            else:
                places[key] = place
        if not unknown:
            return Admission(places, ())
        decided = {key: decided_flow(verdict) for key, verdict in unknown.items()}
        ids = {key: each.id for key, each in decided.items()}
        there = await _existing(connection, flow_decisions.c.id, ids.values())
        missing = {key: each for key, each in decided.items() if ids[key] not in there}
        new_ids, beyond = await self._admit_flows(connection, missing.values(), now)
        rows: dict[bytes, DecidedFlow] = {}
        new: dict[bytes, NewFlow] = {}
        for key, each in decided.items():
            if each.flow.id in beyond and key in missing:
                parts = [(part.id, part, number) for part, number in as_other(each)]
            else:
                parts = [(ids[key], each, 1)]
            places[key] = Place(
                parts[0][1].flow.id, tuple((name, number) for name, _, number in parts)
            )
            if key in missing:
                rows.update((name, part) for name, part, _ in parts)
            if each.flow.id in new_ids:
                new.setdefault(each.flow.id, NewFlow(each, unknown[key]))
        await _insert_decisions(connection, rows)
        return Admission(places, tuple(new.values()), [unknown[key] for key in missing])

    def remember(self, admission: Admission) -> None:
        """Keep the places of a batch, once its transaction is committed.

        INVARIANT: not before. The rows of one that is rolled back are not there.
        """
        cached, put = self._places.get, self._places.put
        for key, place in admission.places.items():
            if cached(key) is None:
                put(key, place)

    async def _admit_flows(
        self, connection: AsyncConnection, decided: Iterable[DecidedFlow], now: datetime
    ) -> tuple[set[bytes], set[bytes]]:
        """Insert the flows that are new, within the limit; ids of the new, and of those beyond.

        INVARIANT: whoever inserts flows of a controller holds the lock on its row `(other)`, so
        that the limit is kept, and each flow is new once, whatever other reporters insert.
        """
        wanted = {each.flow.id: each.flow for each in decided}
        there = await _existing(connection, flows.c.id, wanted)
        controllers = {flow.terms.controller for name, flow in wanted.items() if name not in there}
        if not controllers:
            return set(), set()
        await _lock(connection, sorted(controllers), now)
        there = await _existing(connection, flows.c.id, wanted)
        new: dict[bytes, LedgerFlow] = {}
        beyond: set[bytes] = set()
        for controller in sorted(controllers):
            asked = sorted(
                name
                for name, flow in wanted.items()
                if name not in there and flow.terms.controller == controller
            )
            room = max(0, self._limit - await _number_of_flows(connection, controller, self._limit))
            new.update((name, wanted[name]) for name in asked[:room])
            beyond.update(asked[room:])
        if beyond:
            _log.warning("too many flows; new ones are counted together", limit=self._limit)
        rows = [_flow_row(new[name], now) for name in sorted(new)]
        await _insert_new(connection, flows, rows)
        return set(new), beyond


async def record_counts(
    connection: AsyncConnection,
    counts: Mapping[tuple[datetime, bytes, str], Count],
    summed_until: datetime | None,
) -> None:
    """Add to the counts by hour, decision and publisher, and to the totals.

    `summed_until` is that of `lock_for_counts`.

    INVARIANT: in sorted order, so that two reporters can't wait for each other.
    """
    if not counts:
        return
    totals: dict[tuple[bytes, str], Count] = {}
    for (_, decision, publisher), count in counts.items():
        total = totals.get((decision, publisher))
        if total is None:
            totals[decision, publisher] = msgspec.structs.replace(count)
        else:
            total.add(count)
    await add_counts(connection, flow_counts, ("hour", "decision_id", "publisher"), counts)
    await add_counts(connection, flow_totals, ("decision_id", "publisher"), totals)
    await mark_unsummed(connection, (hour for hour, _, _ in counts), summed_until)


async def add_counts(
    connection: AsyncConnection,
    table: Table,
    key: tuple[str, ...],
    counts: Mapping[Any, Count],
    **also: int,
) -> None:
    """Add to the counts with these keys, in sorted order; set further columns of their rows."""
    if not counts:
        return
    keys = sorted(counts)
    found = [counts[each] for each in keys]
    t = table.name
    await write(
        connection,
        table,
        (*key, *Count.__struct_fields__, *also),
        [
            *zip(*keys, strict=True),
            [each.count for each in found],
            [each.accesses for each in found],
            [each.first_time for each in found],
            [each.last_time for each in found],
            *([value] * len(found) for value in also.values()),
        ],
        f"""ON CONFLICT ({", ".join(key)}) DO UPDATE SET
        "count" = {t}."count" + excluded."count", accesses = {t}.accesses + excluded.accesses,
        first_time = CASE WHEN excluded.first_time < {t}.first_time
            THEN excluded.first_time ELSE {t}.first_time END,
        last_time = CASE WHEN excluded.last_time > {t}.last_time
            THEN excluded.last_time ELSE {t}.last_time END
        {"".join(f", {name} = excluded.{name}" for name in also)}""",
    )


async def _existing(
    connection: AsyncConnection, column: Column[Any], ids: Iterable[bytes]
) -> set[bytes]:
    names = sorted(set(ids))
    found: set[bytes] = set()
    for start in range(0, len(names), _LOOKUP_SIZE):
        some = names[start : start + _LOOKUP_SIZE]
        query = select(column).where(is_among(connection.dialect.name, column, "ids"))
        found.update((await connection.execute(query, {"ids": some})).scalars())
    return found


async def _lock(connection: AsyncConnection, controllers: Sequence[str], now: datetime) -> None:
    """Lock the rows `(other)` of the controllers, in this order; insert those that are missing."""
    others = [other_flow(each) for each in controllers]
    others.sort(key=lambda each: each.id)
    await _insert_new(connection, flows, [_flow_row(each, now) for each in others])
    locking = select(flows.c.id).where(flows.c.id.in_([each.id for each in others]))
    await connection.execute(locking.order_by(flows.c.id).with_for_update())


async def _number_of_flows(connection: AsyncConnection, controller: str, most: int) -> int:
    """How many flows of the controller have rows of their own; no more than `most`."""
    observed = select(flows.c.id).where(
        flows.c.controller == controller, ~flows.c.is_other, ~flows.c.is_carried
    )
    query = select(func.count()).select_from(observed.limit(most).subquery())
    return int((await connection.execute(query)).scalar_one())


async def _insert_decisions(
    connection: AsyncConnection, decided: Mapping[bytes, DecidedFlow]
) -> None:
    decisions = []
    categories = []
    for name in sorted(decided):
        each = decided[name]
        decisions.append(
            {
                "id": name,
                "flow_id": each.flow.id,
                "version": each.version,
                "digest": each.digest,
                "outcome": each.outcome,
                "kind": each.kind or NO_KIND,
                "counts_events": each.counts_events,
                "counts_categories": each.counts_categories,
            }
        )
        categories += [
            {
                "decision_id": name,
                "data_category": category.data_category,
                "outcome": category.outcome,
                "kind": category.kind or NO_KIND,
                "statement": category.statement,
                "is_nearest_miss": category.is_nearest_miss,
            }
            for category in each.categories
        ]
    await _insert_new(connection, flow_decisions, decisions)
    await _insert_new(connection, flow_decision_categories, categories)


def _flow_row(flow: LedgerFlow, now: datetime) -> dict[str, Any]:
    terms = flow.terms
    return {
        "id": flow.id,
        "controller": terms.controller,
        "role": terms.role,
        "operation": terms.operation,
        "purpose": terms.purpose,
        "recipient": terms.recipient,
        "source": terms.source,
        "location": terms.location,
        "retention_days": terms.retention_days,
        "legal_basis": terms.legal_basis,
        "categories": _json(terms.data_categories),
        "facts": _json(dict(sorted(terms.facts.items()))),
        "ledger_facts": _json(dict(sorted(flow.ledger.items()))),
        "is_other": flow.is_other,
        "is_carried": flow.is_carried,
        "first_recorded_time": now,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _insert_new(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows that are not there yet, in this order."""
    if rows:
        columns = tuple(rows[0])
        values = [[row[name] for row in rows] for name in columns]
        await write(connection, table, columns, values, "ON CONFLICT DO NOTHING")
