"""Records of processing activities, with a map of what was observed."""

import re
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator
from starlette.responses import Response

from purposewatch_policy import CONTROLLER_PATTERN
from purposewatch_policy.flow_map import draw
from purposewatch_reporter.findings.export_trail import Format
from purposewatch_reporter.parameters import FormTime
from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.export import RECORD_FILES, Asked
from purposewatch_reporter.processing_record.flow_map import RecordMap, record_map
from purposewatch_reporter.processing_record.reader import (
    RecordsBusyError,
    UnknownControllerError,
)
from purposewatch_reporter.processing_record.record import ActivityStatus
from purposewatch_reporter.web.pages.violations import is_tidy, read_query
from purposewatch_reporter.web.request_context import PageError, RequestContext

_SPANS = (30, 90, 365)
"""Days that the page offers."""
_RETRY_AFTER = {"Retry-After": "10"}


def _to_the_day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


Day = Annotated[FormTime, AfterValidator(_to_the_day)]


class RecordQuery(BaseModel):
    """Of which days, in UTC."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    since: Day | None = None
    until: Day | None = None

    @field_validator("until")
    @classmethod
    def _is_in_order(cls, until: datetime | None, info: ValidationInfo) -> datetime | None:
        since = info.data.get("since")
        if until is not None and since is not None and since >= until:
            message = "`since` must be before `until`"
            raise ValueError(message)
        return until

    def query(self) -> str:
        """Return what an address says of the time, beginning with `?` unless it is empty."""
        times = {"since": self.since, "until": self.until}
        given = {name: f"{time:%Y-%m-%d}" for name, time in times.items() if time}
        return f"?{urlencode(given)}" if given else ""


async def show_records(context: RequestContext) -> Response:
    """The controllers, or the record of the only one."""
    controllers = await context.app.records.controllers()
    if len(controllers) == 1:
        return context.redirect(f"/records/{controllers[0]}")
    return context.html("records.html", controllers=controllers)


async def show_record(context: RequestContext) -> Response:
    """One controller's record."""
    asked, query = _asked(context)
    if not is_tidy(context):
        return context.redirect(f"/records/{asked.controller}{query.query()}")
    controllers = await context.app.records.controllers()
    try:
        document, shown = await context.app.records.read(
            asked.controller, asked.language, _with_map, since=asked.since, until=asked.until
        )
    except (RecordsBusyError, UnknownControllerError) as error:
        raise _page_error(error) from None
    return context.html(
        "record.html",
        asked=asked,
        query=query,
        controllers=controllers,
        spans=[(days, _since(context, days)) for days in _SPANS],
        document=document,
        map=shown,
        picture=draw(shown.drawn, is_styled=False, name="map-title"),
        policy_address=_policy_address(document),
        statuses=list(ActivityStatus),
        formats=[Format.WORD, Format.CSV, Format.JSON, Format.HTML],
    )


async def print_record(context: RequestContext) -> Response:
    """A record as a page to print."""
    return await _file(context, Format.HTML, is_attached=False)


async def export_record(context: RequestContext) -> Response:
    """A record as a file."""
    name = context.request.path_params["format"]
    if name not in RECORD_FILES:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return await _file(context, Format(name), is_attached=True)


async def _file(context: RequestContext, name: Format, *, is_attached: bool) -> Response:
    asked, _ = _asked(context)
    file = RECORD_FILES[name]
    if context.request.method == "HEAD":
        return Response(media_type=file.media_type)
    try:
        return await context.app.record_exports.respond(
            asked, file, context.signed_in.username, is_attached=is_attached
        )
    except (RecordsBusyError, UnknownControllerError) as error:
        raise _page_error(error) from None


def _asked(context: RequestContext) -> tuple[Asked, RecordQuery]:
    query = read_query(context, RecordQuery)
    controller = context.request.path_params["controller"]
    if not re.fullmatch(CONTROLLER_PATTERN, controller):
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return Asked(controller, context.texts.language, query.since, query.until), query


def _with_map(document: RecordDocument) -> tuple[RecordDocument, RecordMap]:
    return document, record_map(document.record, document.words, heading=document.name)


def _policy_address(document: RecordDocument) -> str:
    compiled = document.record.compiled
    if compiled is None:
        return ""
    return "/".join(
        ("/policies", *map(quote, (compiled.policy.controller, compiled.policy.version)))
    )


def _since(context: RequestContext, days: int) -> date:
    return context.app.clock().astimezone(UTC).date() - timedelta(days=days)


def _page_error(error: RecordsBusyError | UnknownControllerError) -> PageError:
    if isinstance(error, RecordsBusyError):
        return PageError(HTTPStatus.SERVICE_UNAVAILABLE, "records_busy", _RETRY_AFTER)
    return PageError(HTTPStatus.NOT_FOUND, "not_found")
