"""The trail of exports: who took what out of the database."""

from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from starlette.responses import Response

from purposewatch_reporter.findings.export_trail import read_exports
from purposewatch_reporter.web.pages.violations import read_query
from purposewatch_reporter.web.request_context import RequestContext


class TrailQuery(BaseModel):
    """A page of the trail."""

    page: Annotated[int, Field(ge=1, le=10_000)] = 1


async def show_exports(context: RequestContext) -> Response:
    """Every export, the latest first, with a link to the list that was exported."""
    asked = read_query(context, TrailQuery)
    async with context.app.database.reading() as connection:
        exports, has_more = await read_exports(connection, asked.page)
    rows = [(each, f"/violations?{urlencode(each.filters)}") for each in exports]
    return context.html("exports.html", rows=rows, page=asked.page, has_more=has_more)
