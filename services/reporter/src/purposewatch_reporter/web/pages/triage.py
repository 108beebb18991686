"""The officers' actions: triage, silencing a finding's alerts, and ending exceptions."""

from datetime import timedelta
from http import HTTPStatus

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.findings.silences import (
    MAX_TEXT,
    Matchers,
    NewSilence,
    SilenceError,
    end_silence,
    find_silence,
)
from purposewatch_reporter.findings.triage import (
    Action,
    Refusal,
    Status,
    Target,
    TriageCommand,
    TriageError,
    TriageState,
)
from purposewatch_reporter.findings.triage_store import apply
from purposewatch_reporter.parameters import is_id
from purposewatch_reporter.web.pages.finding import (
    SILENCE_DAYS,
    group_of,
    load_finding,
    show_finding,
)
from purposewatch_reporter.web.pages.shadow import show_shadow
from purposewatch_reporter.web.pages.violation import load_violation, requested_id, show_violation
from purposewatch_reporter.web.request_context import PageError, RequestContext
from purposewatch_reporter.web.users.store import find_user, normalised
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


async def triage_violation(context: RequestContext) -> Response:
    """Triage one violation."""
    name = requested_id(context)
    app = context.app
    try:
        async with app.database.writing() as connection:
            row = await load_violation(connection, name)
            command = await _command(context, connection, Target.VIOLATION, name)
            await apply(connection, command, TriageState(row.status, row.assignee), app.clock())
    except TriageError as error:
        return await show_violation(context, fault=error.reason)
    _log.info("triage", target="violation", id=name, act=str(command.action), author=command.author)
    return context.redirect(f"/violations/{name}#triage")


async def triage_finding(context: RequestContext) -> Response:
    """Triage a finding, and so all of its violations."""
    name = requested_id(context)
    app = context.app
    try:
        async with app.database.writing() as connection:
            finding = await load_finding(connection, name)
            command = await _command(context, connection, Target.FINDING, name)
            state = TriageState(Status(finding["status"]), finding["assignee"])
            await apply(connection, command, state, app.clock())
    except TriageError as error:
        return await show_finding(context, fault=error.reason)
    _log.info("triage", target="finding", id=name, act=str(command.action), author=command.author)
    return context.redirect(f"/findings/{name}#triage")


async def _command(
    context: RequestContext, connection: AsyncConnection, target: Target, name: str
) -> TriageCommand:
    form = context.form
    try:
        action = Action(form.get("act", ""))
    except ValueError:
        raise TriageError(Refusal.NOT_POSSIBLE) from None
    assignee = normalised(form.get("assignee", "")) or None
    is_named = action is Action.ASSIGN and assignee is not None
    if is_named and await find_user(connection, str(assignee)) is None:
        raise TriageError(Refusal.NO_USER)
    return TriageCommand(
        target, name, action, context.signed_in.username, form.get("comment"), assignee
    )


async def silence_finding(context: RequestContext) -> Response:
    """Silence a finding; its violations are still recorded and counted."""
    name = requested_id(context)
    app, form, now = context.app, context.form, context.app.clock()
    days = next((each for each in SILENCE_DAYS if str(each) == form.get("days")), 0)
    try:
        async with app.database.writing() as connection:
            finding = await load_finding(connection, name)
            asked = NewSilence(
                Matchers(**group_of(finding)._asdict()),
                reason=form.get("reason", ""),
                author=context.signed_in.username,
                expires_time=now + timedelta(days=days),
            )
            await silence_findings(connection, asked, now)
    except SilenceError:
        return await show_finding(context, fault="silence")
    _log.info("silenced", id=name, days=days, author=context.signed_in.username)
    return context.redirect(f"/findings/{name}#silence")


async def unsilence_finding(context: RequestContext) -> Response:
    """End a silence of a finding."""
    name = requested_id(context)
    app = context.app
    silence = context.form.get("silence", "")
    try:
        async with app.database.writing() as connection:
            finding = await load_finding(connection, name)
            found = await find_silence(connection, silence) if is_id(silence) else None
            if found is not None and found.matches(group_of(finding)):
                await end_silence(
                    connection, silence, by=context.signed_in.username, now=app.clock()
                )
    except SilenceError:
        return await show_finding(context, fault="silence")
    _log.info("silence ended", id=silence, author=context.signed_in.username)
    return context.redirect(f"/findings/{name}#silence")


async def end_exception(context: RequestContext) -> Response:
    """End an exception to a policy early, with a reason; what it covered alerts again."""
    name = requested_id(context)
    app, author = context.app, context.signed_in.username
    reason = context.form.get("reason", "").strip()
    if not 0 < len(reason) <= MAX_TEXT:
        return await show_shadow(context, fault="end_reason")
    try:
        async with app.database.writing() as connection:
            found = await find_silence(connection, name)
            if found is None or found.policy_version is None:
                raise PageError(HTTPStatus.NOT_FOUND, "not_found")
            await end_silence(connection, name, by=author, now=app.clock(), reason=reason)
    except SilenceError:
        return await show_shadow(context, fault="has_ended")
    _log.info("exception ended", id=name, author=author)
    return context.redirect("/shadow#exceptions")
