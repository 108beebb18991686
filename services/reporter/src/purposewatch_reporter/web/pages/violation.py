"""One violation: what happened, the reasons of the verdict, and its triage."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_reporter.findings.queries.finding_page import with_triage
from purposewatch_reporter.findings.queries.rows import Row, load_rows
from purposewatch_reporter.findings.triage import MAX_COMMENT, Status, Target, possible
from purposewatch_reporter.findings.triage_store import read_trail
from purposewatch_reporter.parameters import is_id
from purposewatch_reporter.store.tables import UtcTime, findings, violation_categories, violations
from purposewatch_reporter.web.fact_history import load_facts
from purposewatch_reporter.web.reasons import SHOWN_TERMS, explain_verdict, reasons_of
from purposewatch_reporter.web.request_context import PageError, RequestContext


def requested_id(context: RequestContext) -> str:
    """The id in the path; a page that is not there otherwise."""
    name = str(context.request.path_params["id"])
    if not is_id(name):
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return name


async def load_violation(connection: AsyncConnection, name: str) -> Row:
    """The violation of that id; PageError when there is none."""
    rows = await load_rows(connection, [name])
    if not rows:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return rows[0]


async def show_violation(context: RequestContext, *, fault: str | None = None) -> Response:
    """The page of one violation."""
    name = requested_id(context)
    async with context.app.database.reading() as connection:
        row = await load_violation(connection, name)
        found = await connection.execute(
            select(violations.c.verdict, violations.c.flow_id).where(violations.c.id == name)
        )
        text, flow_id = found.one()
        verdict = json.loads(text)
        groups = await _groups(connection, [part.fingerprint for part in row.parts])
        beside = [
            (part, *await _neighbours(connection, part.fingerprint, row)) for part in row.parts
        ]
        facts = await load_facts(connection, verdict)
        trail = await read_trail(connection, Target.VIOLATION, name)
        for part in row.parts:
            trail += await read_trail(connection, Target.FINDING, part.fingerprint)
    declared = context.app.declared
    explanation = explain_verdict(verdict, declared, context.texts.language)
    trail.sort(key=lambda act: int(act["sequence"]), reverse=True)
    status = HTTPStatus.OK if fault is None else HTTPStatus.BAD_REQUEST
    return context.html(
        "violation.html",
        status,
        row=row,
        verdict=verdict,
        flow_id=flow_id,
        data=verdict["data"],
        reasons=reasons_of(verdict, explanation, declared),
        explanation=explanation,
        shown_terms=SHOWN_TERMS,
        policy=declared.policy(row.controller, row.policy_version),
        facts=facts,
        groups=groups,
        beside=beside,
        trail=trail,
        acts=possible(row.status),
        assignee=row.assignee,
        fault=fault,
        max_comment=MAX_COMMENT,
        open_status=Status.OPEN,
    )


async def _groups(
    connection: AsyncConnection, fingerprints: list[str]
) -> dict[str, Mapping[str, Any]]:
    query = with_triage().where(findings.c.fingerprint.in_(fingerprints))
    found = await connection.execute(query)
    return {row.fingerprint: dict(row._mapping) for row in found}  # noqa: SLF001 - its public name


async def _neighbours(
    connection: AsyncConnection, fingerprint: str, row: Row
) -> tuple[str | None, str | None]:
    """The violations before and after this one in the same finding."""
    vc = violation_categories.c
    of_finding = select(vc.violation_id).where(vc.fingerprint == fingerprint).limit(1)
    here = tuple_(vc.event_time, vc.violation_id)
    place = tuple_(literal(row.event_time, UtcTime), literal(row.id))
    earlier = of_finding.where(here < place).order_by(vc.event_time.desc(), vc.violation_id.desc())
    later = of_finding.where(here > place).order_by(vc.event_time, vc.violation_id)
    return (
        (await connection.execute(earlier)).scalar_one_or_none(),
        (await connection.execute(later)).scalar_one_or_none(),
    )
