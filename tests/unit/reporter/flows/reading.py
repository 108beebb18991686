"""Reads all counts of a controller, in both of the ways in which they are added up."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.flows.flow import FlowCount, Sum
from purposewatch_reporter.flows.outlines import read_outlines
from purposewatch_reporter.flows.queries import read_counts_of_decisions


async def all_counts(
    connection: AsyncConnection,
    controller: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[FlowCount]:
    """The counts of every decision, which are those of its outline."""
    read = read_outlines(connection, Sum, controller=controller, since=since, until=until)
    outlines = {each.decision_id: each async for some in read for each in some}
    found = []
    for name, outline in outlines.items():
        [count] = await read_counts_of_decisions(connection, [name], since=since, until=until)
        sums = outline.amounts
        assert count.flow.id == outline.flow_id
        assert count.events == sum(each.events for each in sums)
        assert count.accesses == sum(each.accesses for each in sums)
        assert count.first_time == min(each.first_time for each in sums)
        assert count.last_time == max(each.last_time for each in sums)
        assert count.publishers == tuple(sorted(each.publisher for each in sums))
        assert tuple(outline.categories) == (count.categories if outline.decided else ())
        found.append(count)
    return found
