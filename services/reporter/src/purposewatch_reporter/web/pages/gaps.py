"""The list of gaps: what publishers saw and could not state as events."""

from starlette.responses import Response

from purposewatch_contract import GapKind
from purposewatch_reporter.gaps.queries import GapOrder, GapQuery, gap_choices, read_gap_page
from purposewatch_reporter.web.pages.violations import is_tidy, read_query
from purposewatch_reporter.web.request_context import RequestContext


async def show_gaps(context: RequestContext) -> Response:
    """Gaps by kind, name and publisher, with their counts and trend."""
    asked = read_query(context, GapQuery)
    if not is_tidy(context):
        return context.redirect(asked.address())
    async with context.app.database.reading() as connection:
        page = await read_gap_page(connection, asked, context.app.clock())
        choices = await gap_choices(connection)
    return context.html(
        "gaps.html",
        asked=asked,
        page=page,
        orders=list(GapOrder),
        kinds=list(GapKind),
        choices=choices,
    )
