"""What is new or out of the ordinary: flows, recipients, publishers, counts, and refused terms."""

import asyncio
from http import HTTPStatus

from starlette.responses import Response

from purposewatch_policy.vocabulary import VocabularySearch
from purposewatch_reporter.counting.queries import (
    read_counting_alert,
    read_counting_alerts,
    read_matching_flows,
)
from purposewatch_reporter.counting.rule import Hierarchy
from purposewatch_reporter.discovery.first_seen import THIRD_PARTY
from purposewatch_reporter.discovery.queries import (
    read_new_flows,
    read_publisher_notices,
    read_recipients,
)
from purposewatch_reporter.discovery.suggestions import read_unknown_terms, suggest
from purposewatch_reporter.findings.queries.filters import Filters
from purposewatch_reporter.web.pages.violation import requested_id
from purposewatch_reporter.web.request_context import PageError, RequestContext

_LONGEST_NUMBER = 9


async def show_discovery(context: RequestContext) -> Response:
    """The latest of each."""
    hierarchy = Hierarchy(context.app.declared.current.vocabularies)

    def is_third_party(controller: str, recipient: str) -> bool:
        return THIRD_PARTY in hierarchy.lineage(controller, "recipients", recipient)

    async with context.app.database.reading() as connection:
        alerts = await read_counting_alerts(connection)
        recipients = await read_recipients(connection)
        publishers = await read_publisher_notices(connection)
        flows = await read_new_flows(connection)
        unknown = await read_unknown_terms(connection)
    declared = context.app.declared

    def search_of(controller: str) -> VocabularySearch | None:
        known = controller in declared.current.vocabularies
        return declared.search(controller) if known else None

    suggestions = await asyncio.to_thread(suggest, unknown, search_of)
    return context.html(
        "discovery.html",
        alerts=alerts,
        recipients=recipients,
        publishers=publishers,
        suggestions=suggestions,
        flows=flows,
        is_third_party=is_third_party,
    )


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
