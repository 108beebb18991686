"""The list of violations."""

from typing import Any, TypeVar

from starlette.responses import Response

from purposewatch_policy import Outcome
from purposewatch_reporter.web.lists.filters import (
    WORST_FIRST,
    Filters,
    FindingOrder,
    FindingQuery,
    ListQuery,
    Order,
)
from purposewatch_reporter.web.lists.grouped import choices, read_findings
from purposewatch_reporter.web.lists.page import read_page
from purposewatch_reporter.web.request_context import Visit
from purposewatch_reporter.web.triage.status import Status

Q = TypeVar("Q", bound=Filters)

_OUTCOMES = (Outcome.VIOLATION, Outcome.UNKNOWN)


def read_query(visit: Visit, kind: type[Q]) -> Q:
    """The query of the address; what was left empty in a form is not asked for."""
    given = {name: value for name, value in visit.request.query_params.items() if value.strip()}
    return kind.model_validate(given)


def _is_tidy(visit: Visit) -> bool:
    return all(value for value in visit.request.query_params.values())


async def show_violations(visit: Visit) -> Response:
    """Violations one by one."""
    asked = read_query(visit, ListQuery)
    keep = None if asked.order is Order.NEWEST else str(asked.order)
    if not _is_tidy(visit):
        return visit.go(asked.address("/violations", order=keep))
    async with visit.desk.database.reading() as connection:
        page = await read_page(connection, asked)
        known = await choices(connection)
    return visit.html(
        "violations.html",
        asked=asked,
        page=page,
        order=keep,
        orders=list(Order),
        path="/violations",
        choices=known,
        **_closed_choices(),
    )


async def show_findings(visit: Visit) -> Response:
    """Violations in groups of the same flow."""
    asked = read_query(visit, FindingQuery)
    keep = None if asked.order is FindingOrder.LATEST else str(asked.order)
    if not _is_tidy(visit):
        return visit.go(asked.address("/findings", order=keep))
    async with visit.desk.database.reading() as connection:
        page = await read_findings(connection, asked)
        known = await choices(connection)
    return visit.html(
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
