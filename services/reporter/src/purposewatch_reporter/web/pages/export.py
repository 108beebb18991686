"""A filter's violations as a file."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from purposewatch_reporter.findings.queries.export import COLUMNS, csv_lines, exported, json_lines
from purposewatch_reporter.findings.queries.filters import Filters
from purposewatch_reporter.web.pages.violations import read_query
from purposewatch_reporter.web.request_context import RequestContext
from purposewatch_runtime.logs import get_logger

_BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets misread everything but ASCII

_log = get_logger(__name__)


async def export_csv(context: RequestContext) -> Response:
    """As CSV, for spreadsheets."""
    filters = read_query(context, Filters)

    async def content() -> AsyncIterator[str]:
        yield f"{_BYTE_ORDER_MARK}{','.join(COLUMNS)}\r\n"
        async for text in exported(context.app.database, filters, csv_lines):
            yield text

    return _file(context, content(), "csv", "text/csv; charset=utf-8")


async def export_json(context: RequestContext) -> Response:
    """As JSON Lines, for programs."""
    lines = exported(context.app.database, read_query(context, Filters), json_lines)
    return _file(context, lines, "jsonl", "application/jsonl; charset=utf-8")


def _file(
    context: RequestContext, content: AsyncIterator[str], ending: str, media_type: str
) -> Response:
    _log.info("export", username=context.signed_in.username, format=ending)
    name = f"violations-{context.app.clock():%Y%m%d-%H%M%S}.{ending}"
    return StreamingResponse(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
