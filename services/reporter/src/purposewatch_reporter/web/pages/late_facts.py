"""The list of late facts: statements that would change which value earlier verdicts used."""

from starlette.responses import Response

from purposewatch_reporter.facts.queries import (
    LateFactQuery,
    late_fact_choices,
    read_late_facts,
)
from purposewatch_reporter.web.pages.violations import is_tidy, read_query
from purposewatch_reporter.web.request_context import RequestContext


async def show_late_facts(context: RequestContext) -> Response:
    """Late statements, with the number of events that each affects."""
    asked = read_query(context, LateFactQuery)
    if not is_tidy(context):
        return context.redirect(asked.address())
    async with context.app.database.reading() as connection:
        page = await read_late_facts(connection, asked)
        choices = await late_fact_choices(connection)
    return context.html("late_facts.html", asked=asked, page=page, choices=choices)
