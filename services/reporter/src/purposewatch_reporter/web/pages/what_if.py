"""Try a policy: what it would have decided about the recorded flows."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.responses import Response, StreamingResponse

from purposewatch_policy import InvalidSourceError
from purposewatch_policy.files import NamedText, version_texts
from purposewatch_policy.lint import Severity
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.effects import ShownRow, Span, by_change, rows_of
from purposewatch_reporter.web.request_context import PageError, RequestContext
from purposewatch_reporter.what_if.answering import (
    POLICY_NAME,
    Answer,
    PolicyTooLargeError,
    Question,
    TooBusyError,
    WhatIfRefusedError,
)
from purposewatch_reporter.what_if.effects import Change
from purposewatch_reporter.what_if.export import csv_lines, json_lines

WHAT_IF = "/what-if"
WHAT_IF_PAGES = (WHAT_IF, f"{WHAT_IF}.csv", f"{WHAT_IF}.jsonl")

_CONTEXT_LINES = 2


class Mark(NamedTuple):
    """A fault, or what lint finds, with the lines around it."""

    severity: str
    rule: str | None
    file: str
    line: int
    message: str
    lines: tuple[tuple[int, str], ...]
    accepted: str | None = None


async def show_what_if(context: RequestContext) -> Response:
    """The form, with the text of the version that the address names."""
    picked = context.request.query_params.get("version", "")
    texts = _declared_texts(context.app, picked)
    if picked and not texts:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return _page(context, text=texts[0].text if len(texts) == 1 else "", picked=picked)


async def ask_what_if(context: RequestContext) -> Response:
    """What the policy of the form would have decided; or its faults."""
    asked = _texts_asked(context)
    text = asked[0].text if len(asked) == 1 else ""
    given: dict[str, Any] = {"text": text, "picked": context.form.get("version", "")}
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
    rows = await rows_of(
        context, answer.what_if, answer.policies, since=answer.since, until=answer.until
    )
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
    usual = {"faults": (), "findings": (), "refused": None}
    return context.html(
        "what_if.html",
        status,
        **usual | values,
        answer=answer,
        by_change=by_change(rows),
        changes=[each for each in Change if each is not Change.UNCHANGED],
        unchanged=Change.UNCHANGED,
        versions=[
            (f"{policy.controller}@{policy.version}", policy)
            for policy in (*context.app.declared.policies(), *context.app.declared.tried())
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
