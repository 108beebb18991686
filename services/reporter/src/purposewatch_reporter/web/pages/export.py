"""A filter's violations as a file."""

from http import HTTPStatus

from starlette.responses import Response

from purposewatch_reporter.findings.export_trail import append_start
from purposewatch_reporter.findings.queries.export import CSV, JSON_LINES, FileFormat, exported
from purposewatch_reporter.web.export_response import ExportResponse, RunningExport
from purposewatch_reporter.web.export_slots import NoExportSlotError, Taken
from purposewatch_reporter.web.pages.violations import read_filters
from purposewatch_reporter.web.request_context import PageError, RequestContext
from purposewatch_runtime.logs import get_logger

_RETRY_AFTER = {"Retry-After": "10"}
_STATUSES = {
    Taken.SESSION: HTTPStatus.TOO_MANY_REQUESTS,
    Taken.PROCESS: HTTPStatus.SERVICE_UNAVAILABLE,
}

_log = get_logger(__name__)


async def export_csv(context: RequestContext) -> Response:
    """As CSV, for spreadsheets."""
    return await _export(context, CSV)


async def export_json(context: RequestContext) -> Response:
    """As JSON Lines, for programs."""
    return await _export(context, JSON_LINES)


async def _export(context: RequestContext, file: FileFormat) -> Response:
    app, user = context.app, context.signed_in
    filters = read_filters(context)
    started = app.clock()
    headers = {
        "Content-Disposition": (
            f'attachment; filename="violations-{started:%Y%m%d-%H%M%S}.{file.name}"'
        )
    }
    if context.request.method == "HEAD":
        return Response(media_type=file.media_type, headers=headers)
    try:
        app.exports.take(user.token)
    except NoExportSlotError as error:
        raise PageError(_STATUSES[error.taken], error.taken, _RETRY_AFTER) from None
    try:
        async with app.database.writing() as connection:
            name = await append_start(
                connection, user.username, file.name, filters.given(), started
            )
    except BaseException:
        app.exports.release(user.token)
        raise
    _log.info("export started", id=name, username=user.username, format=str(file.name))
    export = RunningExport(name, user.token, file)
    return ExportResponse(app, export, exported(app.database, filters), headers)
