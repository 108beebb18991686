"""Setting up and removing one's own second factor."""

from http import HTTPStatus

import segno
from markupsafe import Markup
from starlette.responses import Response

from purposewatch_reporter.web.request_context import SECOND_FACTOR, PageError, RequestContext
from purposewatch_reporter.web.users.attempts import Attempt
from purposewatch_reporter.web.users.authentication import AuthenticationError
from purposewatch_reporter.web.users.second_factors import (
    SecondFactor,
    begin_second_factor,
    confirm_second_factor,
    count_recovery_codes,
    find_second_factor,
    remove_second_factor,
)
from purposewatch_reporter.web.users.sessions import close_other_sessions
from purposewatch_reporter.web.users.totp import TotpKey, normalised_code
from purposewatch_runtime.logs import get_logger

_TEMPLATE = "second_factor.html"
_SECRET_GROUP = 4

_log = get_logger(__name__)


async def show_second_factor(context: RequestContext) -> Response:
    """Whether one is set up, and the form that begins it or removes it."""
    return await _status(context)


async def change_second_factor(context: RequestContext) -> Response:
    """Do what the form asks for."""
    match context.form.get("act"):
        case "begin":
            return await _begin(context)
        case "confirm":
            return await _confirm(context)
        case "remove":
            return await _remove(context)
        case _:
            raise PageError(HTTPStatus.BAD_REQUEST, "form")


async def _begin(context: RequestContext) -> Response:
    """Show a new secret, once; it counts when a code of it has been sent."""
    _key(context)
    async with context.app.database.writing() as connection:
        factor = await begin_second_factor(connection, context.signed_in.username)
    return context.redirect(SECOND_FACTOR) if factor is None else _setup(context, factor)


async def _confirm(context: RequestContext) -> Response:
    """Ask for it from now on, if the password and a code are right; show the recovery codes once.

    A wrong code does not count: the secret was just shown to this session. A wrong password does.
    """
    app, user, key = context.app, context.signed_in, _key(context)
    code = normalised_code(context.form.get("code", ""))
    async with app.database.reading() as connection:
        factor = await find_second_factor(connection, user.username)
    if factor is None or factor.confirmed_time is not None:
        return context.redirect(SECOND_FACTOR)
    if key.step_of(factor.salt, code, app.clock()) is None:
        return _setup(context, factor, "code")
    fault = await _fault(context, code=None)
    if fault is not None:
        return _setup(context, factor, fault)
    async with app.database.writing() as connection:
        codes = await confirm_second_factor(connection, key, factor, code, app.clock())
        await close_other_sessions(connection, user)
    if codes is None:
        return _setup(context, factor, "code")
    _log.info("second factor set up", username=user.username)
    return context.html(_TEMPLATE, state="codes", fault=None, codes=codes)


async def _remove(context: RequestContext) -> Response:
    """Ask for no code any more, if the password and a code are right."""
    _key(context)
    fault = await _fault(context, code=normalised_code(context.form.get("code", "")))
    if fault is not None:
        return await _status(context, fault)
    async with context.app.database.writing() as connection:
        await remove_second_factor(connection, context.signed_in.username)
    _log.info("second factor removed", username=context.signed_in.username)
    return context.redirect(SECOND_FACTOR)


def _key(context: RequestContext) -> TotpKey:
    if context.app.totp_key is None:
        raise PageError(HTTPStatus.NOT_FOUND, "not_found")
    return context.app.totp_key


async def _fault(context: RequestContext, *, code: str | None) -> str | None:
    """What is wrong with the password, or the code where one is given."""
    attempt = Attempt(context.signed_in.username, context.client)
    try:
        await context.app.authenticator.authenticate(
            attempt, context.form.get("current", ""), code=code
        )
    except AuthenticationError as error:
        return error.fault
    return None


async def _status(context: RequestContext, fault: str | None = None) -> Response:
    _key(context)
    username = context.signed_in.username
    async with context.app.database.reading() as connection:
        factor = await find_second_factor(connection, username)
        codes_left = await count_recovery_codes(connection, username)
    is_on = factor is not None and factor.confirmed_time is not None
    return context.html(
        _TEMPLATE,
        _code_of(fault),
        state="on" if is_on else "off",
        fault=fault,
        factor=factor,
        codes_left=codes_left,
        required=context.app.requires_second_factor,
    )


def _setup(context: RequestContext, factor: SecondFactor, fault: str | None = None) -> Response:
    key = _key(context)
    secret, address = key.secret(factor.salt), key.address(factor.salt, factor.username)
    groups = (secret[at : at + _SECRET_GROUP] for at in range(0, len(secret), _SECRET_GROUP))
    return context.html(
        _TEMPLATE,
        _code_of(fault),
        state="setup",
        fault=fault,
        secret=" ".join(groups),
        otp_address=address,
        picture=Markup(segno.make_qr(address).svg_inline(light="#fff", omitsize=True)),  # noqa: S704 - of ours
    )


def _code_of(fault: str | None) -> HTTPStatus:
    if fault is None:
        return HTTPStatus.OK
    return HTTPStatus.TOO_MANY_REQUESTS if fault == "blocked" else HTTPStatus.BAD_REQUEST
