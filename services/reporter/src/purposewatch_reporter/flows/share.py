"""How many events the flow ledger knows only as `(other)`."""

from typing import NamedTuple

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

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
    """By how many events the flows' totals are above what the ledger has recorded: 0, or a fault.

    One statement, so that both numbers are of the same moment.
    """
    recorded = select(func.coalesce(cast(_recorded, BigInteger), 0)).scalar_subquery()
    counted = (
        select(func.coalesce(cast(func.sum(flow_totals.c["count"]), BigInteger), 0))
        .join(flow_decisions)
        .where(flow_decisions.c.counts_events)
        .scalar_subquery()
    )
    return int((await connection.execute(select(counted - recorded))).scalar_one())
