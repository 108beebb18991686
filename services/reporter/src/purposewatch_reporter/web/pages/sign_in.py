"""Signing in and out, and one's own password."""

import secrets
from http import HTTPStatus

from starlette.responses import Response

from purposewatch_reporter.web.request_context import SESSION_COOKIE, PageError, RequestContext
from purposewatch_reporter.web.security import safe_path
from purposewatch_reporter.web.users.attempts import Attempt
from purposewatch_reporter.web.users.authentication import AuthenticationError
from purposewatch_reporter.web.users.passwords import MIN_LENGTH
from purposewatch_reporter.web.users.sessions import close_session, open_session
from purposewatch_reporter.web.users.store import normalised, set_password
from purposewatch_reporter.web.users.totp import normalised_code
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
    error: AuthenticationError | None = None,
    *,
    username: str = "",
) -> Response:
    # a form without a session is held to a cookie of its own
    token = context.cookie(_FORM_COOKIE) or secrets.token_urlsafe(_TOKEN_BYTES)
    response = context.html(
        "sign_in.html",
        HTTPStatus.FORBIDDEN if error else HTTPStatus.OK,
        target=target,
        error=error,
        username=username,
        has_codes=context.app.totp_key is not None,
        form_token=token,
    )
    if error is not None and error.seconds:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(error.seconds)
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
    try:
        user = await app.authenticator.authenticate(
            Attempt(username, context.client),
            form.get("password", ""),
            code=normalised_code(form.get("code", "")),
        )
    except AuthenticationError as error:
        return _form(context, target, error, username=username)
    async with app.database.writing() as connection:
        if context.user is not None:
            await close_session(connection, context.user.token)
        session = await open_session(connection, user.username, app.session_policy, app.clock())
    _log.info("signed in", username=user.username)
    response = context.redirect(target)
    context.set_cookie(response, SESSION_COOKIE, session, None)
    context.set_cookie(response, _FORM_COOKIE, "", 0)
    return response


async def sign_out(context: RequestContext) -> Response:
    """End the session here and in the database; the browser forgets the pages that it has kept."""
    async with context.app.database.writing() as connection:
        await close_session(connection, context.signed_in.token)
    response = context.redirect("/sign-in")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'  # cookies hold language and colours
    context.set_cookie(response, SESSION_COOKIE, "", 0)
    return response


async def show_account(context: RequestContext) -> Response:
    """Who one is, and the form for another password."""
    return _account(context)


def _account(context: RequestContext, fault: str | None = None) -> Response:
    status = HTTPStatus.OK
    if fault is not None:
        status = HTTPStatus.TOO_MANY_REQUESTS if fault == "blocked" else HTTPStatus.BAD_REQUEST
    return context.html(
        "account.html",
        status,
        fault=fault,
        min_length=MIN_LENGTH,
        has_codes=context.app.totp_key is not None,
    )


async def change_password(context: RequestContext) -> Response:
    """Set another password; every other session of the user ends.

    A new password that is refused does not count as a guess at the current one.
    """
    app, form, username = context.app, context.form, context.signed_in.username
    new = form.get("new", "")
    fault = await app.passwords.fault_of(new, username)
    if fault is None and new != form.get("repeated"):
        fault = "repeated"
    if fault is None:
        try:
            await app.authenticator.authenticate(
                Attempt(username, context.client), form.get("current", "")
            )
        except AuthenticationError as error:
            fault = error.fault
    if fault is not None:
        return _account(context, fault)
    hashed = await app.passwords.hashed(new)
    now = app.clock()
    async with app.database.writing() as connection:
        await set_password(connection, username, hashed, now)
        session = await open_session(connection, username, app.session_policy, now)
    _log.info("password changed", username=username)
    response = context.redirect("/account?changed=1")
    context.set_cookie(response, SESSION_COOKIE, session, None)
    return response
