"""How many events the flow ledger knows only as `(other)`."""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.hour_sums import HourSums
from purposewatch_reporter.store.tables import flow_decisions, flow_totals, flows, ledger

_recorded = func.sum(ledger.c.verdicts - ledger.c.duplicates - ledger.c.conflicts)
_others = (
    select(flow_decisions.c.id)
    .join(flows, flows.c.id == flow_decisions.c.flow_id)
    .where(flows.c.is_other, flow_decisions.c.counts_events)
)


class Share(NamedTuple):
    """Of all events with a verdict, those about flows beyond the limit."""

    events: int
    other: int


async def read_share(connection: AsyncConnection) -> Share:
    """Over all time and controllers."""
    total = select(func.coalesce(cast(_recorded, BigInteger), 0)).scalar_subquery()
    count = func.sum(flow_totals.c["count"])
    other = (
        select(func.coalesce(cast(count, BigInteger), 0))
        .where(flow_totals.c.decision_id.in_(_others))
        .scalar_subquery()
    )
    return Share(*(await connection.execute(select(total, other))).one())


async def count_difference(connection: AsyncConnection) -> int:
    """By how many events the counts are above what the ledger has recorded: 0, or a fault.

    The counts are the flows' totals, and the counts by the hour where these differ from them. All
    are of the same snapshot.
    """
    recorded = (await connection.execute(select(_whole(_recorded)))).scalar_one()
    totals = (
        select(_whole(func.sum(flow_totals.c["count"])))
        .join(flow_decisions)
        .where(flow_decisions.c.counts_events)
    )
    asked = [totals]
    sums = await HourSums.read(connection)
    if sums.are_kept:  # else these are the counts of all flows and hours, which takes seconds
        asked.append(select(_whole(func.sum(sums.events.c["count"]))))
    counts = [(await connection.execute(each)).scalar_one() for each in asked]
    return next((int(count - recorded) for count in counts if count != recorded), 0)


def _whole(count: ColumnElement[Any]) -> ColumnElement[int]:
    return func.coalesce(cast(count, BigInteger), 0)
