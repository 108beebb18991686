"""A filter's violations as a file."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from purposewatch_reporter.web.lists.export import COLUMNS, csv_lines, exported, json_lines
from purposewatch_reporter.web.lists.filters import Filters
from purposewatch_reporter.web.pages.violations import read_query
from purposewatch_reporter.web.request_context import Visit
from purposewatch_runtime.logs import get_logger

_BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets misread everything but ASCII

_log = get_logger(__name__)


async def export_csv(visit: Visit) -> Response:
    """As CSV, for spreadsheets."""
    filters = read_query(visit, Filters)

    async def content() -> AsyncIterator[str]:
        yield f"{_BYTE_ORDER_MARK}{','.join(COLUMNS)}\r\n"
        async for text in exported(visit.desk.database, filters, csv_lines):
            yield text

    return _file(visit, content(), "csv", "text/csv; charset=utf-8")


async def export_json(visit: Visit) -> Response:
    """As JSON Lines, for programs."""
    lines = exported(visit.desk.database, read_query(visit, Filters), json_lines)
    return _file(visit, lines, "jsonl", "application/jsonl; charset=utf-8")


def _file(visit: Visit, content: AsyncIterator[str], ending: str, media_type: str) -> Response:
    _log.info("export", username=visit.who.username, format=ending)
    name = f"violations-{visit.desk.clock():%Y%m%d-%H%M%S}.{ending}"
    return StreamingResponse(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
