"""The list of violations."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.queries.filters import (
    WORST_FIRST,
    Filters,
    FindingOrder,
    FindingQuery,
    ListQuery,
    Order,
)
from purposewatch_reporter.findings.queries.finding_page import choices, read_findings
from purposewatch_reporter.findings.queries.violation_page import read_page
from purposewatch_reporter.findings.triage import Status
from purposewatch_reporter.web.request_context import RequestContext

Q = TypeVar("Q", bound=BaseModel)

_OUTCOMES = (Outcome.VIOLATION, Outcome.UNKNOWN)


def read_query(context: RequestContext, kind: type[Q]) -> Q:
    """The query of the address. Values that are not valid are ignored, and the page says so."""
    given = _given(context)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        context.ignored = tuple(dict.fromkeys(str(each["loc"][0]) for each in error.errors()))
        return kind.model_validate(
            {name: value for name, value in given.items() if name not in context.ignored}
        )


def read_filters(context: RequestContext) -> Filters:
    """The filters of the address, all of them valid, or ValidationError."""
    return Filters.model_validate(_given(context))


def _given(context: RequestContext) -> dict[str, str]:
    """What the address asks for; a form sends fields that were left empty, too."""
    return {name: value for name, value in context.request.query_params.items() if value.strip()}


def is_tidy(context: RequestContext) -> bool:
    """Whether the address has no empty fields, or has to stay for the sake of what is ignored."""
    return bool(context.ignored) or all(context.request.query_params.values())


async def show_violations(context: RequestContext) -> Response:
    """Violations one by one."""
    asked = read_query(context, ListQuery)
    keep = None if asked.order is Order.NEWEST else str(asked.order)
    if not is_tidy(context):
        return context.redirect(asked.address("/violations", order=keep))
    async with context.app.database.reading() as connection:
        page = await read_page(connection, asked)
        known = await choices(connection)
    return context.html(
        "violations.html",
        asked=asked,
        page=page,
        order=keep,
        orders=list(Order),
        path="/violations",
        choices=known,
        **_closed_choices(),
    )


async def show_findings(context: RequestContext) -> Response:
    """Violations in groups of the same flow."""
    asked = read_query(context, FindingQuery)
    keep = None if asked.order is FindingOrder.LATEST else str(asked.order)
    if not is_tidy(context):
        return context.redirect(asked.address("/findings", order=keep))
    async with context.app.database.reading() as connection:
        page = await read_findings(connection, asked)
        known = await choices(connection)
    return context.html(
        "findings.html",
        asked=asked,
        page=page,
        order=keep,
        orders=list(FindingOrder),
        path="/findings",
        choices=known,
        **_closed_choices(),
    )


def _closed_choices() -> dict[str, Any]:
    return {"severities": WORST_FIRST, "statuses": list(Status), "outcomes": _OUTCOMES}
