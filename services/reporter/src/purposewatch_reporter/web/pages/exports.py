"""The trail of exports: who took what out of the database."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field
from starlette.responses import Response

from purposewatch_reporter.findings.export_trail import read_exports
from purposewatch_reporter.processing_record.export import RECORD
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
    rows = [(each, _address(each.filters)) for each in exports]
    return context.html("exports.html", rows=rows, page=asked.page, has_more=has_more)


def _address(filters: Mapping[str, str]) -> str:
    """Where the page shows what was exported: a list of violations, or a record."""
    times = {name: value for name, value in filters.items() if name != RECORD}
    path = f"/records/{quote(filters[RECORD])}" if RECORD in filters else "/violations"
    return f"{path}?{urlencode(times)}"
