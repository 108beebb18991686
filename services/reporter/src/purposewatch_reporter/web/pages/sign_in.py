"""Signing in and out, and one's own password."""

import math
import secrets
from http import HTTPStatus

from starlette.responses import Response

from purposewatch_reporter.web.request_context import SESSION_COOKIE, PageError, Visit
from purposewatch_reporter.web.security import safe_path
from purposewatch_reporter.web.users.passwords import MAX_LENGTH, MIN_LENGTH
from purposewatch_reporter.web.users.sessions import close_session, open_session
from purposewatch_reporter.web.users.store import find_account, normalised, set_password
from purposewatch_reporter.web.users.throttle import Attempt, begin_attempt, forgive
from purposewatch_runtime.logs import get_logger

_FORM_COOKIE = "purposewatch_form"
_FORM_SECONDS = 3600
_TOKEN_BYTES = 24

_log = get_logger(__name__)


async def show_sign_in(visit: Visit) -> Response:
    """The form, for who isn't signed in."""
    target = safe_path(visit.request.query_params.get("next"))
    if visit.account is not None:
        return visit.go(target)
    return _form(visit, target)


def _form(
    visit: Visit, target: str, *, fault: str | None = None, seconds: int = 0, username: str = ""
) -> Response:
    # a form without a session is held to a cookie of its own
    token = visit.cookie(_FORM_COOKIE) or secrets.token_urlsafe(_TOKEN_BYTES)
    status = HTTPStatus.OK
    if fault is not None:
        status = HTTPStatus.TOO_MANY_REQUESTS if seconds else HTTPStatus.FORBIDDEN
    response = visit.html(
        "sign_in.html",
        status,
        target=target,
        fault=fault,
        seconds=seconds,
        username=username,
        form_token=token,
    )
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    visit.set_cookie(response, _FORM_COOKIE, token, _FORM_SECONDS)
    return response


async def sign_in(visit: Visit) -> Response:
    """Take a name and a password; the answer never tells whether the name exists."""
    desk, form = visit.desk, visit.form
    target = safe_path(form.get("next"))
    token = visit.cookie(_FORM_COOKIE)
    if not token or not secrets.compare_digest(token.encode(), form.get("form", "").encode()):
        raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    username = normalised(form.get("username", ""))
    attempt = Attempt(username, _address(visit))
    async with desk.database.writing() as connection:
        blocked = await begin_attempt(connection, attempt, desk.clock())
        account = await find_account(connection, username)
    if blocked is not None:
        _log.warning("sign-in is blocked", address=attempt.address)
        seconds = math.ceil(blocked.total_seconds())
        return _form(visit, target, fault="blocked", seconds=seconds, username=username)
    password = form.get("password", "")
    matches = await desk.passwords.matches(password, account.password_hash if account else None)
    if account is None or not matches:
        _log.warning("sign-in failed", address=attempt.address)
        return _form(visit, target, fault="wrong", username=username)
    now = desk.clock()
    async with desk.database.writing() as connection:
        await forgive(connection, attempt)
        if visit.account is not None:
            await close_session(connection, visit.account.token)
        session = await open_session(connection, account.username, desk.session_policy, now)
    _log.info("signed in", username=account.username)
    response = visit.go(target)
    visit.set_cookie(response, SESSION_COOKIE, session, None)
    visit.set_cookie(response, _FORM_COOKIE, "", 0)
    return response


def _address(visit: Visit) -> str:
    client = visit.request.client
    return client.host if client else "unknown"


async def sign_out(visit: Visit) -> Response:
    """End the session here and in the database."""
    async with visit.desk.database.writing() as connection:
        await close_session(connection, visit.who.token)
    response = visit.go("/sign-in")
    visit.set_cookie(response, SESSION_COOKIE, "", 0)
    return response


async def show_account(visit: Visit) -> Response:
    """Who one is, and the form for another password."""
    return visit.html("account.html", fault=None, min_length=MIN_LENGTH)


async def change_password(visit: Visit) -> Response:
    """Set another password; every other session of the account ends."""
    desk, form, username = visit.desk, visit.form, visit.who.username
    new = form.get("new", "")
    attempt = Attempt(username, _address(visit))
    async with desk.database.writing() as connection:
        blocked = await begin_attempt(connection, attempt, desk.clock())
        account = await find_account(connection, username)
    stored = account.password_hash if account else None
    fault = None
    if blocked is not None:
        fault = "blocked"
    elif not await desk.passwords.matches(form.get("current", ""), stored):
        fault = "wrong"
    elif not MIN_LENGTH <= len(new) <= MAX_LENGTH:
        fault = "length"
    elif new != form.get("repeated"):
        fault = "repeated"
    elif username in new.lower():
        fault = "name"
    if fault is not None:
        return visit.html(
            "account.html", HTTPStatus.BAD_REQUEST, fault=fault, min_length=MIN_LENGTH
        )
    hashed = await desk.passwords.hashed(new)
    now = desk.clock()
    async with desk.database.writing() as connection:
        await forgive(connection, attempt)
        await set_password(connection, username, hashed, now)
        session = await open_session(connection, username, desk.session_policy, now)
    _log.info("password changed", username=username)
    response = visit.go("/account?changed=1")
    visit.set_cookie(response, SESSION_COOKIE, session, None)
    return response
