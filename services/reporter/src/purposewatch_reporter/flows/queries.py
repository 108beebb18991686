"""Read the flow ledger: whole, for those who judge every flow, or a single flow."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    Select,
    and_,
    case,
    cast,
    func,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import Flow
from purposewatch_reporter.flows.flow import (
    Amount,
    DecidedCategory,
    FlowCount,
    FlowOutline,
    LedgerFlow,
)
from purposewatch_reporter.store.tables import (
    NO_KIND,
    UtcTime,
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


class _Sum(Amount, frozen=True, gc=False):
    first_time: datetime
    last_time: datetime


_S = TypeVar("_S", bound=Amount)
_f = flows.c
_outlined: Select[Any] = (
    select(
        _decisions.id,
        _decisions.flow_id,
        _decisions.digest,
        _f.is_other,
        _f.is_carried,
        *(_f.controller, _f.role, _f.operation, _f.purpose, _f.recipient),
        *(_f.source, _f.location, _f.retention_days, _f.legal_basis, _f.categories, _f.facts),
    )
    .join(flow_decisions, _decisions.flow_id == _f.id)
    .where(_decisions.counts_events)
)
"""What `FlowOutline` has of them."""


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
    sums = await _sums(connection, since, until, _Sum)
    async for page in _pages(connection, controller):
        rows = (await connection.execute(_decided.where(page))).all()
        names = [row.decision_id for row in rows]
        categories = await _read_categories(connection, _categories.decision_id.in_(names))
        for row in rows:
            of_publishers = sums.get(row.decision_id)
            if of_publishers is not None:
                yield _flow_count(row, categories.get(row.decision_id, ()), of_publishers)


async def read_outlines(
    connection: AsyncConnection,
    *,
    controller: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AsyncIterator[FlowOutline]:
    """Yield an outline of every decision that `read_flow_counts` yields, in a third of the time."""
    amounts = await _sums(connection, since, until, Amount)
    texts: dict[str, tuple[str, ...]] = {}  # few texts are distinct
    claims: dict[str, dict[str, bool]] = {}
    async for page in _pages(connection, controller):
        for *outline, categories, facts in (await connection.execute(_outlined.where(page))).all():
            of_publishers = amounts.get(outline[0])
            if of_publishers is None:
                continue
            if categories not in texts:
                texts[categories] = _texts(categories)
            if facts not in claims:
                claims[facts] = _claims(facts)
            stated = texts[categories], claims[facts]
            yield FlowOutline(*(*outline, *stated, of_publishers))


async def _pages(
    connection: AsyncConnection, controller: str
) -> AsyncIterator[ColumnElement[bool]]:
    """Yield conditions that divide the flows of a controller, in the order of an index."""
    key = tuple_(_f.first_recorded_time, _f.id)
    rest = _f.controller == controller
    while True:
        keys = select(_f.first_recorded_time, _f.id).where(rest).order_by(*key)
        end = (await connection.execute(keys.offset(_CHUNK - 1).limit(1))).one_or_none()
        if end is None:
            yield rest
            return
        last = tuple_(*end, types=[UtcTime(), LargeBinary()])
        yield and_(rest, key <= last)
        rest = and_(_f.controller == controller, key > last)


async def read_counts_of_decisions(
    connection: AsyncConnection,
    decision_ids: Sequence[bytes],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[FlowCount]:
    """The counts of some decisions, by their ids."""
    return await _read_counts(connection, _decisions.id.in_(decision_ids), since, until)


async def read_counts_of(
    connection: AsyncConnection,
    flow_ids: Sequence[bytes],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Mapping[bytes, Sequence[FlowCount]]:
    """The counts of some flows, by their ids; the most frequent decision first."""
    found: defaultdict[bytes, list[FlowCount]] = defaultdict(list)
    for count in await _read_counts(connection, flows.c.id.in_(flow_ids), since, until):
        found[count.flow.id].append(count)
    for counts in found.values():
        counts.sort(key=lambda count: (-count.events, count.outcome, count.version or ""))
    return found


async def _read_counts(
    connection: AsyncConnection,
    wanted: ColumnElement[bool],
    since: datetime | None,
    until: datetime | None,
) -> list[FlowCount]:
    rows = (await connection.execute(_decided.where(wanted))).all()
    names = [row.decision_id for row in rows]
    query = _sums_between(since, until, _Sum)
    sums = await _read_sums(connection, query.where(query.selected_columns[0].in_(names)), _Sum)
    categories = await _read_categories(connection, _categories.decision_id.in_(names))
    return [
        _flow_count(row, categories.get(row.decision_id, ()), sums[row.decision_id])
        for row in rows
        if row.decision_id in sums
    ]


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


async def _sums(
    connection: AsyncConnection, since: datetime | None, until: datetime | None, kind: type[_S]
) -> Mapping[bytes, tuple[_S, ...]]:
    """The sums by decision, one for each publisher."""
    if until is None and since is not None:
        return await _read_sums_since(connection, since, kind)
    return await _read_sums(connection, _sums_between(since, until, kind), kind)


def _of_all_time(kind: type[Amount]) -> Select[Any]:
    """The sums over all time, which are kept. Reading times takes as long as all the rest."""
    t = flow_totals.c
    times = (t.first_time, t.last_time) if kind is _Sum else ()
    return select(t.decision_id, t.publisher, t.count, t.accesses, *times)


def _sums_between(
    since: datetime | None, until: datetime | None, kind: type[Amount]
) -> Select[Any]:
    """The sums by decision and publisher."""
    if since is None and until is None:
        return _of_all_time(kind)
    t = flow_counts.c
    query = select(
        t.decision_id,
        t.publisher,
        cast(func.sum(t.count), BigInteger),
        cast(func.sum(t.accesses), BigInteger),
        *((func.min(t.first_time), func.max(t.last_time)) if kind is _Sum else ()),
    ).group_by(t.decision_id, t.publisher)
    if since is not None:
        query = query.where(t.hour >= since.astimezone(UTC))
    if until is not None:
        query = query.where(t.hour < until.astimezone(UTC))
    return query


async def _read_sums_since(
    connection: AsyncConnection, since: datetime, kind: type[_S]
) -> Mapping[bytes, tuple[_S, ...]]:
    """The sums since a time: what was first counted since is counted in `flow_totals`.

    So they take no longer for more hours, unless many decisions were reached before as well.
    """
    t = flow_totals.c
    is_divided = and_(t.first_time < since, t.last_time >= since)
    shares = select(func.count(), func.count(case((is_divided, 1)))).select_from(flow_totals)
    total, divided = (await connection.execute(shares)).one()
    if divided > total * _MANY_DIVIDED:
        return await _read_sums(connection, _sums_between(since, None, kind), kind)
    found = await _read_sums(connection, _of_all_time(kind).where(t.first_time >= since), kind)
    names = (await connection.execute(select(t.decision_id).where(is_divided))).scalars()
    wanted = list(dict.fromkeys(names))
    for start in range(0, len(wanted), _LOOKUPS):
        some = flow_counts.c.decision_id.in_(wanted[start : start + _LOOKUPS])
        by_hour = await _read_sums(connection, _sums_between(since, None, kind).where(some), kind)
        for decision, sums in by_hour.items():
            whole = found.get(decision, ())
            known = {each.publisher for each in whole}
            found[decision] = (*whole, *(each for each in sums if each.publisher not in known))
    return found


async def _read_sums(
    connection: AsyncConnection, query: Select[Any], kind: type[_S]
) -> dict[bytes, tuple[_S, ...]]:
    found: dict[bytes, tuple[_S, ...]] = {}
    for decision, *of_publisher in (await connection.execute(query)).all():
        found[decision] = (*found.get(decision, ()), kind(*of_publisher))
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
