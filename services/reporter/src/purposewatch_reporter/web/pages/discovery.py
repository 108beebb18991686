"""What is new or out of the ordinary: what counting rules found."""

from http import HTTPStatus

from starlette.responses import Response

from purposewatch_reporter.counting.queries import (
    read_counting_alert,
    read_counting_alerts,
    read_matching_flows,
)
from purposewatch_reporter.counting.rule import Hierarchy
from purposewatch_reporter.findings.queries.filters import Filters
from purposewatch_reporter.web.pages.violation import requested_id
from purposewatch_reporter.web.request_context import PageError, RequestContext

_LONGEST_NUMBER = 9


async def show_discovery(context: RequestContext) -> Response:
    """The latest of each."""
    async with context.app.database.reading() as connection:
        alerts = await read_counting_alerts(connection)
    return context.html("discovery.html", alerts=alerts)


async def show_counting_alert(context: RequestContext) -> Response:
    """One episode of a counting rule, with the flows that it counted."""
    fingerprint = requested_id(context)
    number = context.request.path_params["episode"]
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER):
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    hierarchy = Hierarchy(context.app.declared.current.vocabularies)
    async with context.app.database.reading() as connection:
        alert = await read_counting_alert(connection, fingerprint, int(number))
        if alert is None:
            raise PageError(HTTPStatus.NOT_FOUND, "not_found")
        flows = await read_matching_flows(connection, alert, hierarchy)
    violations = Filters(
        controller=alert.row.controller,
        publisher=alert.row.publisher,
        since=alert.row.first_window_time,
        until=alert.until,
    )
    return context.html(
        "counting_alert.html",
        alert=alert,
        flows=flows,
        violations=violations.address("/violations"),
    )
