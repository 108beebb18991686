"""Signing in and out, and one's own password."""

import math
import secrets
from http import HTTPStatus

from starlette.responses import Response

from purposewatch_reporter.web.request_context import SESSION_COOKIE, PageError, RequestContext
from purposewatch_reporter.web.security import safe_path
from purposewatch_reporter.web.users.passwords import MAX_LENGTH, MIN_LENGTH
from purposewatch_reporter.web.users.sessions import close_session, open_session
from purposewatch_reporter.web.users.store import find_user, normalised, set_password
from purposewatch_reporter.web.users.throttle import Attempt, begin_attempt, forgive
from purposewatch_runtime.logs import get_logger

_FORM_COOKIE = "purposewatch_form"
_FORM_SECONDS = 3600
_TOKEN_BYTES = 24

_log = get_logger(__name__)


async def show_sign_in(context: RequestContext) -> Response:
    """The form, for who isn't signed in."""
    target = safe_path(context.request.query_params.get("next"))
    if context.user is not None:
        return context.redirect(target)
    return _form(context, target)


def _form(
    context: RequestContext,
    target: str,
    *,
    fault: str | None = None,
    seconds: int = 0,
    username: str = "",
) -> Response:
    # a form without a session is held to a cookie of its own
    token = context.cookie(_FORM_COOKIE) or secrets.token_urlsafe(_TOKEN_BYTES)
    status = HTTPStatus.OK
    if fault is not None:
        status = HTTPStatus.TOO_MANY_REQUESTS if seconds else HTTPStatus.FORBIDDEN
    response = context.html(
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
    context.set_cookie(response, _FORM_COOKIE, token, _FORM_SECONDS)
    return response


async def sign_in(context: RequestContext) -> Response:
    """Take a name and a password; the answer never tells whether the name exists."""
    app, form = context.app, context.form
    target = safe_path(form.get("next"))
    token = context.cookie(_FORM_COOKIE)
    if not token or not secrets.compare_digest(token.encode(), form.get("form", "").encode()):
        raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    username = normalised(form.get("username", ""))
    attempt = Attempt(username, _address(context))
    async with app.database.writing() as connection:
        blocked = await begin_attempt(connection, attempt, app.clock())
        user = await find_user(connection, username)
    if blocked is not None:
        _log.warning("sign-in is blocked", address=attempt.address)
        seconds = math.ceil(blocked.total_seconds())
        return _form(context, target, fault="blocked", seconds=seconds, username=username)
    password = form.get("password", "")
    matches = await app.passwords.matches(password, user.password_hash if user else None)
    if user is None or not matches:
        _log.warning("sign-in failed", address=attempt.address)
        return _form(context, target, fault="wrong", username=username)
    now = app.clock()
    async with app.database.writing() as connection:
        await forgive(connection, attempt)
        if context.user is not None:
            await close_session(connection, context.user.token)
        session = await open_session(connection, user.username, app.session_policy, now)
    _log.info("signed in", username=user.username)
    response = context.redirect(target)
    context.set_cookie(response, SESSION_COOKIE, session, None)
    context.set_cookie(response, _FORM_COOKIE, "", 0)
    return response


def _address(context: RequestContext) -> str:
    client = context.request.client
    return client.host if client else "unknown"


async def sign_out(context: RequestContext) -> Response:
    """End the session here and in the database."""
    async with context.app.database.writing() as connection:
        await close_session(connection, context.signed_in.token)
    response = context.redirect("/sign-in")
    context.set_cookie(response, SESSION_COOKIE, "", 0)
    return response


async def show_account(context: RequestContext) -> Response:
    """Who one is, and the form for another password."""
    return context.html("account.html", fault=None, min_length=MIN_LENGTH)


async def change_password(context: RequestContext) -> Response:
    """Set another password; every other session of the user ends."""
    app, form, username = context.app, context.form, context.signed_in.username
    new = form.get("new", "")
    attempt = Attempt(username, _address(context))
    async with app.database.writing() as connection:
        blocked = await begin_attempt(connection, attempt, app.clock())
        user = await find_user(connection, username)
    stored = user.password_hash if user else None
    fault = None
    if blocked is not None:
        fault = "blocked"
    elif not await app.passwords.matches(form.get("current", ""), stored):
        fault = "wrong"
    elif not MIN_LENGTH <= len(new) <= MAX_LENGTH:
        fault = "length"
    elif new != form.get("repeated"):
        fault = "repeated"
    elif username in new.lower():
        fault = "name"
    if fault is not None:
        return context.html(
            "account.html", HTTPStatus.BAD_REQUEST, fault=fault, min_length=MIN_LENGTH
        )
    hashed = await app.passwords.hashed(new)
    now = app.clock()
    async with app.database.writing() as connection:
        await forgive(connection, attempt)
        await set_password(connection, username, hashed, now)
        session = await open_session(connection, username, app.session_policy, now)
    _log.info("password changed", username=username)
    response = context.redirect("/account?changed=1")
    context.set_cookie(response, SESSION_COOKIE, session, None)
    return response
