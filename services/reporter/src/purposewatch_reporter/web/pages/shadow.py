"""Shadow mode: what policies that are only tried would change, and the exceptions to policies."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import NamedTuple

from starlette.responses import Response

from purposewatch_policy import Candidate, CompiledPolicy, Mode, PolicySet
from purposewatch_reporter.findings.exceptions import Stage, stage_of
from purposewatch_reporter.findings.silences import (
    MAX_ACTIVE,
    MAX_TEXT,
    Silence,
    active_silences,
    list_silences,
)
from purposewatch_reporter.shadow.candidates import candidates
from purposewatch_reporter.shadow.excepted import excepted_events
from purposewatch_reporter.web.effects import ShownRow, Span, by_change, rows_of
from purposewatch_reporter.web.request_context import PageError, RequestContext
from purposewatch_reporter.what_if.answering import TooBusyError, whole_hour
from purposewatch_reporter.what_if.effects import Change, WhatIf

_EXCEPTIONS_SHOWN = MAX_ACTIVE


class Answer(NamedTuple):
    """What a candidate would change."""

    what_if: WhatIf
    rows: list[ShownRow]
    excepted_events: int


async def show_shadow(context: RequestContext, *, fault: str | None = None) -> Response:
    """What one candidate would change, which others there are, and the exceptions.

    `fault` is why an exception was not ended.
    """
    app = context.app
    found = await asyncio.to_thread(candidates, app.declared.current, app.clock())
    candidate = _chosen(context, found)
    span = _span(context)
    answer, refused = None, None
    if candidate is not None:
        try:
            answer = await _answer(context, candidate, span)
        except TooBusyError:
            refused = "busy"
    async with app.database.reading() as connection:
        exceptions = await list_silences(
            connection, app.clock(), exceptions_only=True, limit=_EXCEPTIONS_SHOWN
        )
    return context.html(
        "shadow.html",
        _status(refused, fault),
        candidates=found,
        candidate=candidate,
        spans=list(Span),
        span=span,
        answer=answer,
        refused=refused,
        since=whole_hour(span.since(app.clock())),
        by_change=by_change(answer.rows) if answer else {},
        changes=[each for each in Change if each is not Change.UNCHANGED],
        unchanged=Change.UNCHANGED,
        exceptions=[(each, _stage(context, each)) for each in exceptions],
        fault=fault,
        max_reason=MAX_TEXT,
    )


def _status(refused: str | None, fault: str | None) -> HTTPStatus:
    if fault is not None:
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.OK if refused is None else HTTPStatus.SERVICE_UNAVAILABLE


def _chosen(context: RequestContext, found: Sequence[Candidate]) -> Candidate | None:
    asked = context.request.query_params.get("candidate")
    if asked is None:
        return found[0] if found else None
    for each in found:
        if asked == f"{each.compiled.policy.controller}@{each.name}":
            return each
    raise PageError(HTTPStatus.NOT_FOUND, "not_found")


def _span(context: RequestContext) -> Span:
    try:
        return Span(context.request.query_params.get("since", Span.MONTH))
    except ValueError:
        return Span.MONTH


async def _answer(context: RequestContext, candidate: Candidate, span: Span) -> Answer:
    app = context.app
    since = whole_hour(span.since(app.clock()))
    what_if = await app.what_if.try_candidate(candidate.compiled, since)
    policies = await asyncio.to_thread(_alone, candidate.compiled)
    async with app.database.reading() as connection:
        silences = await active_silences(connection, app.clock())
    rows = await rows_of(context, what_if, policies, since=since, until=None, silences=silences)
    events = await excepted_events(app.what_if, app.database, what_if, silences, since)
    return Answer(what_if, rows, events)


def _alone(compiled: CompiledPolicy) -> PolicySet:
    policy = replace(compiled.policy, mode=Mode.LIVE)
    return PolicySet({policy.controller: compiled.vocabulary}, [policy])


def _stage(context: RequestContext, exception: Silence) -> str:
    """Where an exception stands; `ended` if somebody has ended it."""
    if exception.ended_time is not None:
        return "ended"
    stage: Stage = stage_of(
        exception, context.app.clock(), timedelta(days=context.app.exception_notice_days)
    )
    return str(stage)
