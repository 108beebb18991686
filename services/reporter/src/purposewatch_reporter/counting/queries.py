"""The windows that exceeded a counting rule: the list, and forgetting old ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, and_, cast, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.counting.rule import FlowPattern, Hierarchy
from purposewatch_reporter.flows.flow import LedgerFlow
from purposewatch_reporter.flows.queries import ledger_flow
from purposewatch_reporter.store.tables import (
    counting_alerts,
    flow_counts,
    flow_decision_categories,
    flow_decisions,
    flows,
    notices,
)

MOST_ALERTS = 50
MOST_FLOWS = 20

_MOST_DECISIONS = 1_000
_PRUNE_SIZE = 1_000
_a = counting_alerts.c
_SAME = and_(notices.c.fingerprint == _a.fingerprint, notices.c.episode == _a.episode)
_ALERTS = select(counting_alerts, notices.c.state).outerjoin(notices, _SAME)


@dataclass(frozen=True, slots=True)
class CountingAlert:
    """One episode in which more matched than a rule allows."""

    row: Any
    """Of `counting_alerts`."""
    is_firing: bool

    @property
    def pattern(self) -> FlowPattern:
        """The flows that the rule counted."""
        return FlowPattern.from_json(json.loads(self.row.pattern))

    @property
    def until(self) -> datetime:
        """The end of the latest window over the threshold."""
        end: datetime = self.row.last_window_time + timedelta(seconds=self.row.window_seconds)
        return end


async def read_counting_alerts(
    connection: AsyncConnection, *, limit: int = MOST_ALERTS
) -> Sequence[CountingAlert]:
    """The latest, the last recorded first."""
    query = _ALERTS.order_by(_a.last_recorded_time.desc(), _a.fingerprint).limit(limit)
    rows = await connection.execute(query)
    return [CountingAlert(row, row.state == "firing") for row in rows]


async def read_counting_alert(
    connection: AsyncConnection, fingerprint: str, episode: int
) -> CountingAlert | None:
    """One of them."""
    query = _ALERTS.where(_a.fingerprint == fingerprint, _a.episode == episode)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else CountingAlert(row, row.state == "firing")


class MatchingFlow(NamedTuple):
    """A flow that a rule counted, and how often it was decided so in those hours."""

    flow: LedgerFlow
    outcome: str
    kind: str
    events: int
    accesses: int


async def read_matching_flows(
    connection: AsyncConnection, alert: CountingAlert, hierarchy: Hierarchy
) -> Sequence[MatchingFlow]:
    """The flows that an alert's rule counted, by the whole hours that its windows touch.

    The most frequent first, and no more than `MOST_FLOWS`.
    """
    c, row = flow_counts.c, alert.row
    first = row.first_window_time.replace(minute=0, second=0, microsecond=0)
    total = cast(func.sum(c.count), BigInteger).label("events")
    accesses = cast(func.sum(c.accesses), BigInteger).label("accesses")
    counted = select(c.decision_id, total, accesses).where(c.hour >= first, c.hour < alert.until)
    if row.publisher is not None:
        counted = counted.where(c.publisher == row.publisher)
    sums = counted.group_by(c.decision_id).subquery()
    d = flow_decisions.c
    query = (
        select(flows, d.id.label("decision_id"), d.outcome, d.kind, sums.c.events, sums.c.accesses)
        .join(flow_decisions, d.flow_id == flows.c.id)
        .join(sums, sums.c.decision_id == d.id)
        .where(flows.c.controller == row.controller, d.counts_events)
        .order_by(sums.c.events.desc(), d.id)
        .limit(_MOST_DECISIONS)
    )
    found = (await connection.execute(query)).all()
    decided: dict[bytes, list[Any]] = {each.decision_id: [] for each in found}
    categories = flow_decision_categories
    of_these = select(categories).where(categories.c.decision_id.in_(list(decided)))
    for each in await connection.execute(of_these):
        decided[each.decision_id].append(each)
    pattern = alert.pattern
    matching = []
    for each in found:
        flow = ledger_flow(each)
        if pattern.matches(flow.terms, decided[each.decision_id], hierarchy):
            sums_of = (each.events, each.accesses)
            matching.append(MatchingFlow(flow, each.outcome, each.kind, *sums_of))
    return matching[:MOST_FLOWS]


async def prune_counting_alerts(connection: AsyncConnection, before: datetime) -> int:
    """Delete some that were last recorded before that time; the number deleted."""
    old = (
        select(_a.fingerprint, _a.episode).where(_a.last_recorded_time < before).limit(_PRUNE_SIZE)
    )
    key = tuple_(_a.fingerprint, _a.episode)
    gone = await connection.execute(delete(counting_alerts).where(key.in_(old)))
    return int(gone.rowcount)
