"""Read single flows of the ledger, with their counts."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Result, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract.codec import Flow
from purposewatch_reporter.flows.flow import DecidedCategory, FlowCount, LedgerFlow, Sum
from purposewatch_reporter.flows.sums import read_sums_of
from purposewatch_reporter.store.tables import (
    NO_KIND,
    flow_decision_categories,
    flow_decisions,
    flows,
)

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
    sums = await read_sums_of(connection, names, since, until)
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


async def _read_categories(
    connection: AsyncConnection, wanted: ColumnElement[bool]
) -> Mapping[bytes, Sequence[DecidedCategory]]:
    """What was decided about data categories, by the ids of the decisions that are wanted."""
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
    return await asyncio.to_thread(_by_decision, await connection.execute(query))


def _by_decision(result: Result[Any]) -> Mapping[bytes, Sequence[DecidedCategory]]:
    found: defaultdict[bytes, list[DecidedCategory]] = defaultdict(list)
    rows: Sequence[Sequence[Any]] = result.all()
    for decision, category, outcome, kind, *rest in rows:
        found[decision].append(DecidedCategory(category, outcome, shown_kind(kind), *rest))
    return found


def _flow_count(
    row: Sequence[Any], categories: Iterable[DecidedCategory], sums: Sequence[Sum]
) -> FlowCount:
    outcome, kind, version, digest = row[-4:]
    total = sums[0]
    publishers: tuple[str, ...] = (total.publisher,)
    if len(sums) > 1:  # mostly, a flow has one publisher
        publishers = tuple(sorted([each.publisher for each in sums]))
        total = Sum(
            "",
            sum([each.events for each in sums]),
            sum([each.accesses for each in sums]),
            min([each.first_time for each in sums]),
            max([each.last_time for each in sums]),
        )
    return FlowCount(
        ledger_flow(row),
        outcome,
        shown_kind(kind),
        version,
        digest,
        tuple(categories),
        total.events,
        total.accesses,
        total.first_time,
        total.last_time,
        publishers,
    )


def shown_kind(kind: str) -> str | None:
    """The kind; `None` where the column says that there is none."""
    return None if kind == NO_KIND else kind
