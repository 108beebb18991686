"""What was seen for the first time, the latest first."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind
from purposewatch_reporter.flows.flow import LedgerFlow
from purposewatch_reporter.flows.queries import ledger_flow
from purposewatch_reporter.store.tables import flows, known_recipients, notices

MOST = 20


async def read_recipients(connection: AsyncConnection) -> Sequence[Any]:
    """The latest rows of `known_recipients`."""
    c = known_recipients.c
    newest = select(known_recipients).order_by(c.recorded_time.desc(), c.controller, c.recipient)
    return (await connection.execute(newest.limit(MOST))).all()


async def read_publisher_notices(connection: AsyncConnection) -> Sequence[Any]:
    """The latest notices about the rhythm of publishers."""
    c = notices.c
    kinds = (str(NoticeKind.PUBLISHER_SILENT), str(NoticeKind.PUBLISHER_SURGE))
    newest = select(notices).where(c.kind.in_(kinds)).order_by(c.active_time.desc(), c.key)
    return (await connection.execute(newest.limit(MOST))).all()


async def read_new_flows(connection: AsyncConnection) -> Sequence[tuple[LedgerFlow, Any]]:
    """The latest flows, with their rows."""
    c = flows.c
    newest = (
        select(flows)
        .where(~c.is_other, ~c.is_carried)
        .order_by(c.first_recorded_time.desc(), c.id.desc())
        .limit(MOST)
    )
    return [(ledger_flow(row), row) for row in await connection.execute(newest)]
