"""Outlines of all flows of a controller, for those who compare every flow."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic

import msgspec
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Result,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.flows.flow import FlowOutline
from purposewatch_reporter.flows.queries import shown_kind
from purposewatch_reporter.flows.sums import A, read_sums
from purposewatch_reporter.store.tables import (
    NO_KIND,
    UtcTime,
    flow_decision_categories,
    flow_decisions,
    flows,
)

_CHUNK = 5_000
_f, _decisions, _categories = flows.c, flow_decisions.c, flow_decision_categories.c
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_claims = msgspec.json.Decoder(dict[str, bool]).decode
_values = msgspec.json.Decoder(dict[str, bool | None]).decode

_outlined: Select[Any] = (
    select(
        *(_decisions.id, _decisions.flow_id, _decisions.digest, _decisions.outcome),
        *(_decisions.kind, _f.is_other, _f.is_carried),
        *(_f.controller, _f.role, _f.operation, _f.purpose, _f.recipient),
        *(_f.source, _f.location, _f.retention_days, _f.legal_basis),
        *(_f.categories, _f.facts, _f.ledger_facts),
    )
    .join(flow_decisions, _decisions.flow_id == _f.id)
    .where(_decisions.counts_events)
)
"""What `FlowOutline` has of them."""
_of_category = (
    *(_categories.data_category, _categories.outcome, func.nullif(_categories.kind, NO_KIND)),
    *(_categories.statement, _categories.is_nearest_miss),
)
_by_category = select(flow_decision_categories).where(_categories.decision_id == _decisions.id)
_other = flow_decisions.alias()
_is_one_of_several = (
    select(_other.c.id).where(_other.c.flow_id == _f.id, _other.c.id != _decisions.id).exists()
)
_decided_text: Mapping[str, ColumnElement[str]] = {
    # the primary key begins with the decision, so that data categories are read in their order
    "sqlite": _by_category.with_only_columns(
        func.json_group_array(func.json_array(*_of_category))
    ).scalar_subquery(),
    "postgresql": _by_category.with_only_columns(
        cast(
            func.json_agg(
                aggregate_order_by(func.json_build_array(*_of_category), _categories.data_category)
            ),
            Text,
        )
    ).scalar_subquery(),
}
"""The decisions about the data categories, by dialect."""


async def read_outlines(
    connection: AsyncConnection,
    kind: type[A],
    *,
    controller: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AsyncIterator[Iterator[FlowOutline[A]]]:
    """Yield outlines of every decision about a flow of a controller, some thousands at a time.

    `since` and `until` are whole hours, or days where counts are kept by the day. The sum of all
    events is the number of the controller's events in that time: `(other)` and carried flows are
    among them.
    They are made while they are iterated over, which may happen in a thread; once each, before the
    next are asked for.
    """
    make = _Outlines(await read_sums(connection, since, until, kind))
    text = _decided_text[connection.dialect.name]
    is_told = or_(_decisions.outcome != Outcome.PERMITTED, _is_one_of_several)
    query = _outlined.add_columns(case((is_told, text), else_=""))
    async for page in _pages(connection, controller):
        yield make.outlines(await connection.execute(query.where(page)))


class _Outlines(Generic[A]):
    """Makes outlines of rows."""

    def __init__(self, amounts: Mapping[bytes, tuple[A, ...]]) -> None:
        self._amounts = amounts
        # few texts are distinct
        self._texts: dict[str, tuple[str, ...]] = {}
        self._claims: dict[str, dict[str, bool]] = {}
        self._values: dict[str, dict[str, bool | None]] = {}

    def outlines(self, found: Result[Any]) -> Iterator[FlowOutline[A]]:
        rows: Sequence[Sequence[Any]] = found.all()
        texts, claims, values = self._texts, self._claims, self._values
        for decision_id, flow_id, digest, outcome, kind, *terms, facts, ledger, decided in rows:
            stated = terms.pop()
            amounts = self._amounts.get(decision_id)
            if amounts is None:
                continue
            if stated not in texts:
                texts[stated] = _texts(stated)
            if facts not in claims:
                claims[facts] = _claims(facts)
            if ledger not in values:
                values[ledger] = _values(ledger)
            decision = decision_id, flow_id, digest, outcome, shown_kind(kind), decided
            read = texts[stated], claims[facts], values[ledger], amounts
            yield FlowOutline(*(*decision, *terms, *read))


async def _pages(
    connection: AsyncConnection, controller: str
) -> AsyncIterator[ColumnElement[bool]]:
    """Yield conditions on `flows` that divide those of a controller, in the order of an index."""
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
