"""Read the flow ledger: whole, for those who judge every flow, or a single flow."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import Flow
from purposewatch_reporter.flows.flow import DecidedCategory, FlowCount, LedgerFlow
from purposewatch_reporter.store.tables import (
    NO_KIND,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flow_totals,
    flows,
)

_CHUNK = 5_000
_MANY_DIVIDED = 0.1
_LOOKUPS = 500
_decisions, _categories = flow_decisions.c, flow_decision_categories.c
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_claims = msgspec.json.Decoder(dict[str, bool]).decode
_values = msgspec.json.Decoder(dict[str, bool | None]).decode


_decided: Select[Any] = (
    select(
        *tuple(flows.c)[:15],  # when it was recorded does not matter, and takes long to read
        _decisions.id.label("decision_id"),
        _decisions.outcome,
        _decisions.kind,
        _decisions.version,
        _decisions.digest,
    )
    .join(flow_decisions, _decisions.flow_id == flows.c.id)
    .where(_decisions.counts_events)
)
"""Flows with the decisions about them that count events."""


class _Sum(msgspec.Struct, gc=False):
    publisher: str
    events: int
    accesses: int
    first_time: datetime
    last_time: datetime


async def read_flow_counts(
    connection: AsyncConnection,
    *,
    controller: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AsyncIterator[FlowCount]:
    """Yield the counts of every flow of a controller: one for each decision that was reached.

    `since` and `until` are whole hours, or days where counts are kept by the day. The sum of
    `events` is the number of the controller's events in that time: `(other)` and carried flows are
    among them.
    """
    if until is None and since is not None:
        sums = await _read_sums_since(connection, since)
    else:
        sums = await _read_sums(connection, _sums_between(since, until))
    last = b""
    of_controller = _decided.where(flows.c.controller == controller)
    while True:
        page = of_controller.where(_decisions.id > last).order_by(_decisions.id).limit(_CHUNK)
        rows = (await connection.execute(page)).all()
        if not rows:
            return
        between = _categories.decision_id.between(rows[0].decision_id, rows[-1].decision_id)
        categories = await _read_categories(connection, between)
        for row in rows:
            of_publishers = sums.get(row.decision_id)
            if of_publishers is not None:
                yield _flow_count(row, categories.get(row.decision_id, ()), of_publishers)
        last = rows[-1].decision_id


async def read_counts_of(
    connection: AsyncConnection,
    flow_ids: Sequence[bytes],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Mapping[bytes, Sequence[FlowCount]]:
    """The counts of some flows, by their ids; the most frequent decision first."""
    rows = (await connection.execute(_decided.where(flows.c.id.in_(flow_ids)))).all()
    names = [row.decision_id for row in rows]
    query = _sums_between(since, until)
    sums = await _read_sums(connection, query.where(query.selected_columns[0].in_(names)))
    categories = await _read_categories(connection, _categories.decision_id.in_(names))
    found: defaultdict[bytes, list[FlowCount]] = defaultdict(list)
    for row in rows:
        of_publishers = sums.get(row.decision_id)
        if of_publishers is not None:
            count = _flow_count(row, categories.get(row.decision_id, ()), of_publishers)
            found[row.id].append(count)
    for counts in found.values():
        counts.sort(key=lambda count: (-count.events, count.outcome, count.version or ""))
    return found


async def read_flow(connection: AsyncConnection, flow_id: bytes) -> LedgerFlow | None:
    """The flow with this id, if there is one."""
    row = (await connection.execute(select(flows).where(flows.c.id == flow_id))).one_or_none()
    return None if row is None else ledger_flow(row)


def ledger_flow(row: Sequence[Any]) -> LedgerFlow:
    """The flow of a row that begins with the columns of `flows`."""
    flow_id, controller, role, operation, purpose, recipient, source, location = row[:8]
    retention_days, legal_basis, categories, facts, ledger, is_other, is_carried = row[8:15]
    flow = Flow(
        controller,
        role,
        operation,
        purpose,
        recipient,
        _texts(categories),
        source,
        location,
        retention_days,
        legal_basis,
        _claims(facts),
    )
    return LedgerFlow(flow_id, flow, _values(ledger), is_other, is_carried)


def _sums_between(since: datetime | None, until: datetime | None) -> Select[Any]:
    """The sums by decision and publisher; those over all time are kept."""
    if since is None and until is None:
        return select(flow_totals)
    t = flow_counts.c
    query = select(
        t.decision_id,
        t.publisher,
        cast(func.sum(t.count), BigInteger),
        cast(func.sum(t.accesses), BigInteger),
        func.min(t.first_time),
        func.max(t.last_time),
    ).group_by(t.decision_id, t.publisher)
    if since is not None:
        query = query.where(t.hour >= since.astimezone(UTC))
    if until is not None:
        query = query.where(t.hour < until.astimezone(UTC))
    return query


async def _read_sums_since(
    connection: AsyncConnection, since: datetime
) -> Mapping[bytes, Sequence[_Sum]]:
    """The sums since a time: what was first counted since is counted in `flow_totals`.

    So they take no longer for more hours, unless many decisions were reached before as well.
    """
    t = flow_totals.c
    is_divided = and_(t.first_time < since, t.last_time >= since)
    shares = select(func.count(), func.count(case((is_divided, 1)))).select_from(flow_totals)
    total, divided = (await connection.execute(shares)).one()
    if divided > total * _MANY_DIVIDED:
        return await _read_sums(connection, _sums_between(since, None))
    found = await _read_sums(connection, select(flow_totals).where(t.first_time >= since))
    names = (await connection.execute(select(t.decision_id).where(is_divided))).scalars()
    wanted = list(dict.fromkeys(names))
    for start in range(0, len(wanted), _LOOKUPS):
        some = flow_counts.c.decision_id.in_(wanted[start : start + _LOOKUPS])
        by_hour = await _read_sums(connection, _sums_between(since, None).where(some))
        for decision, sums in by_hour.items():
            whole = found.get(decision, ())
            known = {each.publisher for each in whole}
            found[decision] = (*whole, *(each for each in sums if each.publisher not in known))
    return found


async def _read_sums(
    connection: AsyncConnection, query: Select[Any]
) -> dict[bytes, tuple[_Sum, ...]]:
    found: dict[bytes, tuple[_Sum, ...]] = {}
    for decision, *of_publisher in (await connection.execute(query)).all():
        found[decision] = (*found.get(decision, ()), _Sum(*of_publisher))
    return found


async def _read_categories(
    connection: AsyncConnection, wanted: ColumnElement[bool]
) -> Mapping[bytes, Sequence[DecidedCategory]]:
    """What was decided about data categories, by the ids of the decisions that are wanted."""
    found: defaultdict[bytes, list[DecidedCategory]] = defaultdict(list)
    query = (
        select(
            _categories.decision_id,
            _categories.data_category,
            _categories.outcome,
            _categories.kind,
            _categories.statement,
            _categories.is_nearest_miss,
        )
        .where(wanted)
        .order_by(_categories.decision_id, _categories.data_category)
    )
    rows = (await connection.execute(query)).all()
    for decision, category, outcome, kind, statement, is_miss in rows:
        found[decision].append(DecidedCategory(category, outcome, _shown(kind), statement, is_miss))
    return found


def _flow_count(
    row: Sequence[Any], categories: Iterable[DecidedCategory], sums: Sequence[_Sum]
) -> FlowCount:
    outcome, kind, version, digest = row[-4:]
    total = sums[0]
    publishers: tuple[str, ...] = (total.publisher,)
    if len(sums) > 1:  # mostly, a flow has one publisher
        publishers = tuple(sorted([each.publisher for each in sums]))
        total = _Sum(
            "",
            sum([each.events for each in sums]),
            sum([each.accesses for each in sums]),
            min([each.first_time for each in sums]),
            max([each.last_time for each in sums]),
        )
    return FlowCount(
        ledger_flow(row),
        outcome,
        _shown(kind),
        version,
        digest,
        tuple(categories),
        total.events,
        total.accesses,
        total.first_time,
        total.last_time,
        publishers,
    )


def _shown(kind: str) -> str | None:
    return None if kind == NO_KIND else kind
