"""One finding: violations of the same flow, and their triage."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.queries.filters import ListQuery
from purposewatch_reporter.findings.queries.finding_page import with_triage
from purposewatch_reporter.findings.queries.violation_page import read_page
from purposewatch_reporter.findings.silences import active_silences
from purposewatch_reporter.findings.triage import MAX_COMMENT, Status, Target, possible
from purposewatch_reporter.findings.triage_store import read_trail
from purposewatch_reporter.store.tables import findings
from purposewatch_reporter.web.pages.violation import requested_id
from purposewatch_reporter.web.request_context import PageError, RequestContext

SILENCE_DAYS = (1, 7, 30, 90, 365)
_LATEST = 10


async def load_finding(connection: AsyncConnection, name: str) -> Mapping[str, Any]:
    """The finding of that fingerprint; PageError when there is none."""
    query = with_triage().where(findings.c.fingerprint == name)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return dict(row._mapping)  # noqa: SLF001 - its public name


def group_of(finding: Mapping[str, Any]) -> Group:
    """The flow that the finding is about."""
    return Group(*(finding[name] for name in Group._fields))


async def show_finding(context: RequestContext, *, fault: str | None = None) -> Response:
    """The page of one finding."""
    name = requested_id(context)
    app = context.app
    async with app.database.reading() as connection:
        finding = await load_finding(connection, name)
        latest = await read_page(connection, ListQuery(finding=name), size=_LATEST)
        trail = await read_trail(connection, Target.FINDING, name)
        silences = [
            each
            for each in await active_silences(connection, app.clock())
            if each.matches(group_of(finding))
        ]
    status = HTTPStatus.OK if fault is None else HTTPStatus.BAD_REQUEST
    current = Status(finding["status"])
    return context.html(
        "finding.html",
        status,
        finding=finding,
        latest=latest.rows,
        trail=trail,
        silences=silences,
        silence_days=SILENCE_DAYS,
        acts=possible(current),
        assignee=finding["assignee"],
        fault=fault,
        max_comment=MAX_COMMENT,
        policy=app.declared.policy(finding["controller"], finding["policy_version"]),
    )
