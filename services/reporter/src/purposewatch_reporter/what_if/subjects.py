"""Whose data were in the events of a flow, where that is recorded: in violations alone."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.store.tables import violations
from purposewatch_reporter.what_if.effects import Effect

_v = violations.c


async def count_subjects(
    connection: AsyncConnection,
    effects: Sequence[Effect],
    *,
    since: datetime | None,
    until: datetime | None,
) -> list[int | None]:
    """The distinct data subjects of each effect; `None` for events that were permitted."""
    recorded = [each for each in effects if each.before.outcome is not Outcome.PERMITTED]
    found: dict[tuple[bytes, str, str | None], int] = {}
    if recorded:
        query = (
            select(_v.flow_id, _v.outcome, _v.kind, func.count(func.distinct(_v.subject)))
            .where(_v.flow_id.in_([each.flow.id for each in recorded]))
            .group_by(_v.flow_id, _v.outcome, _v.kind)
        )
        if since is not None:
            query = query.where(_v.event_time >= since)
        if until is not None:
            query = query.where(_v.event_time < until)
        for flow, outcome, kind, subjects in await connection.execute(query):
            found[flow, outcome, kind] = subjects
    return [
        None
        if each.before.outcome is Outcome.PERMITTED
        else found.get((each.flow.id, each.before.outcome, each.before.kind), 0)
        for each in effects
    ]
