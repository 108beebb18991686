"""The declared policies: their statements, and how often each decided."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_policy import Kind
from purposewatch_reporter.store.tables import findings, statement_counts
from purposewatch_reporter.web.lists.grouped import with_triage
from purposewatch_reporter.web.request_context import PageError, Visit

_UNDECLARED = [str(kind) for kind in Kind if str(kind).startswith("undeclared_")]
_MOST = 25

Counts = Mapping[str, Mapping[str, int]]


async def _counts(connection: AsyncConnection) -> dict[tuple[str, str], dict[str, dict[str, int]]]:
    found: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for controller, version, statement, outcome, count in await connection.execute(
        select(statement_counts)
    ):
        of_policy = found.setdefault((controller, version), {})
        of_policy.setdefault(statement, {})[outcome] = count
    return found


async def show_policies(visit: Visit) -> Response:
    """Every version of every policy."""
    desk = visit.desk
    now = desk.clock()
    async with desk.database.reading() as connection:
        counts = await _counts(connection)
    rows = []
    for policy in desk.declared.current.policies:
        used = counts.get((policy.controller, policy.version), {})
        decided = sum(
            count
            for by_outcome in used.values()
            for outcome, count in by_outcome.items()
            if outcome != "nearest_miss"
        )
        unused = [each for each in policy.statements if not _decided(used.get(each.id, {}))]
        rows.append((policy, policy.is_in_force(now), decided, len(unused)))
    return visit.html("policies.html", rows=rows)


async def show_policy(visit: Visit) -> Response:
    """One version with its statements."""
    desk = visit.desk
    asked = visit.request.path_params
    policy = desk.declared.current.policy(asked["controller"], asked["version"])
    if policy is None:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    async with desk.database.reading() as connection:
        counts = (await _counts(connection)).get((policy.controller, policy.version), {})
        undeclared = await _undeclared(connection, policy.controller)
    unused = [each for each in policy.statements if not _decided(counts.get(each.id, {}))]
    return visit.html(
        "policy.html",
        policy=policy,
        in_force=policy.is_in_force(desk.clock()),
        counts=counts,
        unused=unused,
        undeclared=undeclared,
        most=max((_decided(each) for each in counts.values()), default=0),
        decided=_decided,
    )


def _decided(by_outcome: Mapping[str, int]) -> int:
    return sum(count for outcome, count in by_outcome.items() if outcome != "nearest_miss")


async def _undeclared(connection: AsyncConnection, controller: str) -> list[Mapping[str, Any]]:
    """The flows that happen most and that no statement declares."""
    query = (
        with_triage()
        .where(findings.c.controller == controller, findings.c.kind.in_(_UNDECLARED))
        .order_by(findings.c.count.desc(), findings.c.fingerprint)
        .limit(_MOST)
    )
    rows = await connection.execute(query)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name
