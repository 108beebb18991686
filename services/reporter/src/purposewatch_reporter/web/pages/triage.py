"""What officers do: triage, and silencing a finding's alerts."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from purposewatch_reporter.alerts.episodes import silence_findings
from purposewatch_reporter.findings.silences import (
    Matchers,
    NewSilence,
    SilenceError,
    end_silence,
    find_silence,
)
from purposewatch_reporter.web.pages.finding import (
    SILENCE_DAYS,
    group_of,
    load_finding,
    show_finding,
)
from purposewatch_reporter.web.pages.violation import asked_id, load_violation, show_violation
from purposewatch_reporter.web.request_context import Visit
from purposewatch_reporter.web.triage.status import Act, Status, Target
from purposewatch_reporter.web.triage.store import Doing, Refusal, Standing, TriageError, do
from purposewatch_reporter.web.users.store import find_account, normalised
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


async def triage_violation(visit: Visit) -> Response:
    """Do something to one violation."""
    name = asked_id(visit)
    desk = visit.desk
    try:
        async with desk.database.writing() as connection:
            row = await load_violation(connection, name)
            doing = await _doing(visit, connection, Target.VIOLATION, name)
            await do(connection, doing, Standing(row.status, row.assignee), desk.clock())
    except TriageError as error:
        return await show_violation(visit, fault=error.reason)
    _log.info("triage", target="violation", id=name, act=str(doing.act), author=doing.author)
    return visit.go(f"/violations/{name}#triage")


async def triage_finding(visit: Visit) -> Response:
    """Do something to a finding, and so to all of its violations."""
    name = asked_id(visit)
    desk = visit.desk
    try:
        async with desk.database.writing() as connection:
            finding = await load_finding(connection, name)
            doing = await _doing(visit, connection, Target.FINDING, name)
            standing = Standing(Status(finding["status"]), finding["assignee"])
            await do(connection, doing, standing, desk.clock())
    except TriageError as error:
        return await show_finding(visit, fault=error.reason)
    _log.info("triage", target="finding", id=name, act=str(doing.act), author=doing.author)
    return visit.go(f"/findings/{name}#triage")


async def _doing(visit: Visit, connection: AsyncConnection, target: Target, name: str) -> Doing:
    form = visit.form
    try:
        act = Act(form.get("act", ""))
    except ValueError:
        raise TriageError(Refusal.NOT_POSSIBLE) from None
    assignee = normalised(form.get("assignee", "")) or None
    is_named = act is Act.ASSIGN and assignee is not None
    if is_named and await find_account(connection, str(assignee)) is None:
        raise TriageError(Refusal.NO_ACCOUNT)
    return Doing(target, name, act, visit.who.username, form.get("comment"), assignee)


async def silence_finding(visit: Visit) -> Response:
    """Stop a finding's alerts for a while; it is still recorded and counted."""
    name = asked_id(visit)
    desk, form, now = visit.desk, visit.form, visit.desk.clock()
    days = next((each for each in SILENCE_DAYS if str(each) == form.get("days")), 0)
    try:
        async with desk.database.writing() as connection:
            finding = await load_finding(connection, name)
            asked = NewSilence(
                Matchers(**group_of(finding)._asdict()),
                reason=form.get("reason", ""),
                author=visit.who.username,
                expires_time=now + timedelta(days=days),
            )
            await silence_findings(connection, asked, now)
    except SilenceError:
        return await show_finding(visit, fault="silence")
    _log.info("silenced", id=name, days=days, author=visit.who.username)
    return visit.go(f"/findings/{name}#silence")


async def unsilence_finding(visit: Visit) -> Response:
    """Let a finding alert again."""
    name = asked_id(visit)
    desk = visit.desk
    silence = visit.form.get("silence", "")
    try:
        async with desk.database.writing() as connection:
            finding = await load_finding(connection, name)
            found = await find_silence(connection, silence)
            if found is not None and found.matches(group_of(finding)):
                await end_silence(connection, silence, by=visit.who.username, now=desk.clock())
    except SilenceError:
        return await show_finding(visit, fault="silence")
    return visit.go(f"/findings/{name}#silence")
