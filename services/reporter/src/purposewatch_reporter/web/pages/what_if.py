"""Try a policy: what it would have decided about the recorded flows."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.responses import Response, StreamingResponse

from purposewatch_policy import CategoryDecision, InvalidSourceError, decision_sentence
from purposewatch_policy.files import NamedText, version_texts
from purposewatch_policy.lint import Severity
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.request_context import PageError, RequestContext
from purposewatch_reporter.what_if.answering import (
    POLICY_NAME,
    Answer,
    PolicyTooLargeError,
    Question,
    TooBusyError,
    WhatIfRefusedError,
)
from purposewatch_reporter.what_if.effects import Change, Effect
from purposewatch_reporter.what_if.export import csv_lines, json_lines
from purposewatch_reporter.what_if.known_facts import decide_as_recorded
from purposewatch_reporter.what_if.subjects import count_subjects

WHAT_IF = "/what-if"
WHAT_IF_PAGES = (WHAT_IF, f"{WHAT_IF}.csv", f"{WHAT_IF}.jsonl")

SHOWN_OF_EACH = 50
"""So many effects of each kind; the exported files have all."""

_CONTEXT_LINES = 2


class Span(StrEnum):
    """The time whose events are asked about."""

    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    YEAR = "365d"
    ALL = "all"

    def since(self, now: datetime) -> datetime | None:
        """When it begins."""
        return None if self is Span.ALL else now - timedelta(days=int(self.rstrip("d")))


class Mark(NamedTuple):
    """A fault, or what lint finds, with the lines around it."""

    severity: str
    rule: str | None
    file: str
    line: int
    message: str
    lines: tuple[tuple[int, str], ...]
    accepted: str | None = None


class ShownRow(NamedTuple):
    """An effect with what the table shows beside it."""

    effect: Effect
    subjects: int | None
    reasons: tuple[tuple[CategoryDecision, str], ...]
    """Each data category as it would be decided, with the sentence in the reader's language."""


async def show_what_if(context: RequestContext) -> Response:
    """The form, with the text of the version that the address names."""
    version = context.request.query_params.get("version", "")
    texts = _declared_texts(context.app, version)
    if version and not texts:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return _page(context, text=texts[0].text if len(texts) == 1 else "", version=version)


async def ask_what_if(context: RequestContext) -> Response:
    """What the policy of the form would have decided; or its faults."""
    asked = _texts_asked(context)
    text = asked[0].text if len(asked) == 1 else ""
    given: dict[str, Any] = {"text": text, "version": context.form.get("version", "")}
    if not asked:
        return _page(context, HTTPStatus.UNPROCESSABLE_ENTITY, refused="nothing", **given)
    try:
        answer = await context.app.what_if.answer(_question(context, asked))
    except InvalidSourceError as error:
        marks = [
            _mark(asked, "error", None, each.path, each.line, each.message) for each in error.errors
        ]
        return _page(context, HTTPStatus.UNPROCESSABLE_ENTITY, faults=marks, **given)
    except WhatIfRefusedError as error:
        status, reason = _refusal(error)
        given["text"] = "" if isinstance(error, PolicyTooLargeError) else text
        return _page(context, status, refused=reason, **given)
    rows = [row async for row in _rows(context, answer)]
    found = [
        _mark(
            asked,
            str(each.severity),
            each.rule.id,
            each.at.path,
            each.at.line,
            each.message,
            each.accepted,
        )
        for each in sorted(answer.findings, key=lambda each: list(Severity).index(each.severity))
    ]
    return _page(context, answer=answer, rows=rows, findings=found, **given)


async def export_what_if_csv(context: RequestContext) -> Response:
    """All effects as CSV."""
    return await _export(context, "csv")


async def export_what_if_json(context: RequestContext) -> Response:
    """All effects as JSON Lines."""
    return await _export(context, "jsonl")


async def _export(context: RequestContext, suffix: str) -> Response:
    asked = _texts_asked(context)
    try:
        answer = await context.app.what_if.answer(_question(context, asked))
    except InvalidSourceError:
        raise PageError(HTTPStatus.UNPROCESSABLE_ENTITY, "what_if_invalid") from None
    except WhatIfRefusedError as error:
        status, reason = _refusal(error)
        raise PageError(status, f"what_if_{reason}") from None
    lines = csv_lines if suffix == "csv" else json_lines
    policy = answer.draft.compiled.policy
    name = f"what-if-{policy.controller}-{context.app.clock():%Y%m%d-%H%M%S}.{suffix}"
    return StreamingResponse(
        lines(context.app.database, answer),
        media_type="text/csv; charset=utf-8" if suffix == "csv" else "application/jsonl",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _page(
    context: RequestContext,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    answer: Answer | None = None,
    rows: Sequence[ShownRow] = (),
    **values: Any,
) -> Response:
    by_change = {change: [row for row in rows if row.effect.change is change] for change in Change}
    usual = {"faults": (), "findings": (), "refused": None}
    return context.html(
        "what_if.html",
        status,
        **usual | values,
        answer=answer,
        by_change=by_change,
        changes=[each for each in Change if each is not Change.UNCHANGED],
        unchanged=Change.UNCHANGED,
        versions=[
            (f"{policy.controller}@{policy.version}", policy)
            for policy in context.app.declared.policies()
        ],
        spans=list(Span),
        span=_span(context),
        limit=context.app.what_if.limits.policy_bytes,
    )


def _span(context: RequestContext) -> Span:
    try:
        return Span(context.form.get("since", Span.QUARTER))
    except ValueError:
        return Span.QUARTER


def _texts_asked(context: RequestContext) -> Sequence[NamedText]:
    """What was pasted or uploaded, a file before all; else the version that was picked."""
    for name in ("file", "policy"):
        text = context.form.get(name, "")
        if text.strip():
            return (NamedText(POLICY_NAME, text.replace("\r\n", "\n")),)
    return _declared_texts(context.app, context.form.get("version", ""))


def _declared_texts(app: WebApp, named: str) -> Sequence[NamedText]:
    controller, at, version = named.partition("@")
    return version_texts(app.what_if.policies_dir, controller, version) if at else ()


def _question(context: RequestContext, texts: Sequence[NamedText]) -> Question:
    return Question(texts=texts, since=_span(context).since(context.app.clock()))


def _refusal(error: WhatIfRefusedError) -> tuple[HTTPStatus, str]:
    if isinstance(error, PolicyTooLargeError):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"
    if isinstance(error, TooBusyError):
        return HTTPStatus.SERVICE_UNAVAILABLE, "busy"
    return HTTPStatus.UNPROCESSABLE_ENTITY, "nothing"


async def _rows(context: RequestContext, answer: Answer) -> AsyncIterator[ShownRow]:
    shown = list(_most(answer.what_if.effects))
    async with context.app.database.reading() as connection:
        subjects = await count_subjects(connection, shown, since=answer.since, until=answer.until)
    for effect, amount in zip(shown, subjects, strict=True):
        yield ShownRow(effect, amount, _reasons(effect, answer, context.texts.language))


def _most(effects: Sequence[Effect]) -> Iterator[Effect]:
    shown = dict.fromkeys(Change, 0)
    for effect in effects:
        shown[effect.change] += 1
        if shown[effect.change] <= SHOWN_OF_EACH:
            yield effect


def _reasons(
    effect: Effect, answer: Answer, language: str
) -> tuple[tuple[CategoryDecision, str], ...]:
    """Why each data category would be decided so; nothing where that is not known."""
    if effect.after is None:
        return ()
    flow, compiled = effect.flow, answer.draft.compiled
    decision, _ = decide_as_recorded(flow.terms, compiled, flow.ledger)
    return tuple(
        (
            each,
            decision_sentence(
                language, each, flow.terms, compiled.begins, answer.policies, flow.ledger
            ),
        )
        for each in decision.categories
    )


def _mark(  # noqa: PLR0913, PLR0917 - what a fault and a finding have in common
    texts: Sequence[NamedText],
    severity: str,
    rule: str | None,
    file: str,
    line: int,
    message: str,
    accepted: str | None = None,
) -> Mark:
    text = next((each.text for each in texts if each.name == file), "")
    lines = text.split("\n")
    first = max(1, line - _CONTEXT_LINES)
    around = tuple(enumerate(lines[first - 1 : line + _CONTEXT_LINES - 1], first)) if line else ()
    return Mark(severity, rule, file, line, message, around, accepted)
