"""One request to the page: who sends it, in which language, and how it is answered.

Every page goes through `page_endpoint`, which authorises the request, checks that a form comes from
one of our pages, turns errors into pages, and adds the security headers.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from purposewatch_policy.languages import TAGS, Texts
from purposewatch_reporter.parameters import check_text
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.forms import UnreadableFormError, read_fields
from purposewatch_reporter.web.language import choose, page_texts
from purposewatch_reporter.web.security import comes_from_here, protect, safe_path
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.sessions import (
    SignedInUser,
    is_due,
    read_session,
    touch_session,
)
from purposewatch_runtime.http import BodyRefusedError
from purposewatch_runtime.logs import get_logger

SECOND_FACTOR = "/account/second-factor"
"""The page where users set up their second factor."""

THEMES = ("auto", "light", "dark")
FRAGMENT_HEADER = "x-fragment"
"""Sent by the page's own script, which swaps one part of the page."""

_log = get_logger(__name__)


class PageError(Exception):
    """Ends a request with a page that says what is wrong."""

    def __init__(
        self, status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        """The key of the text below `error`."""
        self.headers = headers or {}


@dataclass(slots=True)
class RequestContext:
    """A request and what is known about it."""

    app: WebApp
    request: Request
    texts: Texts
    theme: str
    user: SignedInUser | None
    form: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    """Parameters of the address whose values are not valid; the page names them."""

    @property
    def signed_in(self) -> SignedInUser:
        """The user; only for pages that require one."""
        if self.user is None:
            raise PageError(HTTPStatus.UNAUTHORIZED, "signed_out")
        return self.user

    @property
    def is_fragment(self) -> bool:
        """Whether only a part of the page is wanted."""
        return FRAGMENT_HEADER in self.request.headers

    @property
    def client(self) -> str:
        """The address that the request comes from."""
        client = self.request.client
        return client.host if client else "unknown"

    @property
    def address(self) -> str:
        """The path and query that was asked for."""
        path = quote(self.request.scope["path"])
        query = self.request.scope["query_string"].decode("latin-1")
        return f"{path}?{query}" if query else path

    def html(
        self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any
    ) -> HTMLResponse:
        """The page, or the template's fragment when only that is wanted."""
        declared = self.app.declared
        language = self.texts.language

        def label(controller: str | None, dimension: str, term: str) -> str | None:
            return declared.label(controller, dimension, term, language)

        content = self.app.rendering.render(
            template,
            {
                "t": self.texts,
                "language": language,
                "languages": {each: page_texts(each)("language_name") for each in TAGS},
                "theme": self.theme,
                "themes": THEMES,
                "user": self.user,
                "may_triage": self.user is not None and self.user.role.may(Role.OFFICER),
                "csrf": self.user.csrf_token if self.user else "",
                "address": self.address,
                "label": label,
                "own": self.texts.pick,
                "is_sensitive": declared.is_sensitive,
                "version": self.app.version,
                "now": self.app.clock(),
                "fragment": self.request.headers.get(FRAGMENT_HEADER),
                "ignored": self.ignored,
                **values,
            },
        )
        return HTMLResponse(content, status_code=status)

    def redirect(self, path: str) -> RedirectResponse:
        """Redirect to another page of this site."""
        return RedirectResponse(safe_path(path), status_code=HTTPStatus.SEE_OTHER)

    def set_cookie(self, response: Response, name: str, value: str, max_age: int | None) -> None:
        """Set a cookie that scripts can't read and other sites' forms don't send."""
        response.set_cookie(
            cookie_name(name, is_https=self.app.is_https),
            value,
            max_age=max_age,
            secure=self.app.is_https,
            httponly=True,
            samesite="lax",
        )

    def cookie(self, name: str) -> str | None:
        """A cookie that this page has set; `None` for one that can't be ours."""
        value = self.request.cookies.get(cookie_name(name, is_https=self.app.is_https))
        try:
            return value and check_text(value)
        except ValueError:
            return None


Handler: TypeAlias = Callable[[RequestContext], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

SESSION_COOKIE = "purposewatch_session"
LANGUAGE_COOKIE = "purposewatch_language"
THEME_COOKIE = "purposewatch_theme"


def cookie_name(name: str, *, is_https: bool) -> str:
    """With TLS, a name that browsers accept only from this very host."""
    return f"__Host-{name}" if is_https else name


def page_endpoint(app: WebApp, handler: Handler, needed: Role | None = Role.VIEWER) -> Endpoint:
    """The endpoint of a page; `needed` is the role that it requires, `None` for anybody."""

    async def endpoint(request: Request) -> Response:
        context = _anonymous(app, request)
        try:
            await _authenticate(context)
            response = await _authorise(context, needed) or await handler(context)
        except PageError as error:
            response = context.html("error.html", error.status, reason=error.reason)
            response.headers.update(error.headers)
        except ValidationError:
            response = context.html("error.html", HTTPStatus.UNPROCESSABLE_ENTITY, reason="filters")
        except (SQLAlchemyError, OSError) as error:
            _log.warning("request failed", error=type(error).__name__)
            response = context.html("error.html", HTTPStatus.SERVICE_UNAVAILABLE, reason="database")
        response.headers["Vary"] = "X-Fragment, Cookie, Accept-Language"
        return protect(response, is_https=app.is_https)

    return endpoint


def _anonymous(app: WebApp, request: Request) -> RequestContext:
    context = RequestContext(app, request, page_texts(TAGS[0]), THEMES[0], None, {})
    theme = context.cookie(THEME_COOKIE)
    context.theme = theme if theme in THEMES else THEMES[0]
    accepted = request.headers.get("accept-language")
    context.texts = page_texts(choose(context.cookie(LANGUAGE_COOKIE), accepted))
    return context


async def _authenticate(context: RequestContext) -> None:
    token = context.cookie(SESSION_COOKIE)
    if token:
        app, now = context.app, context.app.clock()
        async with app.database.reading() as connection:
            context.user = await read_session(connection, token, app.session_policy, now)
        # requests that the page sends by itself do not extend a session
        if context.user is not None and not context.is_fragment and is_due(context.user, now):
            async with app.database.writing() as connection:
                await touch_session(connection, token, now)


async def _authorise(context: RequestContext, needed: Role | None) -> Response | None:
    """A response instead of the page, when the request is not authorised."""
    is_form = context.request.method == "POST"
    if is_form and not comes_from_here(context.request, context.app.public_url):
        raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    if needed is not None and context.user is None:
        if context.is_fragment:
            raise PageError(HTTPStatus.UNAUTHORIZED, "signed_out")
        asked = "/" if is_form else context.address
        query = "" if asked == "/" else f"?{urlencode({'next': asked})}"
        return context.redirect(f"/sign-in{query}")
    if is_form:
        context.form = await _read_form(context.request)
        if context.user is not None and not _is_equal(
            context.form.get("csrf", ""), context.user.csrf_token
        ):
            raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    if needed is not None and not context.signed_in.role.may(needed):
        _log.warning("role refused", username=context.signed_in.username, needed=str(needed))
        raise PageError(HTTPStatus.FORBIDDEN, "role")
    if needed is not None and _must_enrol(context):
        if context.is_fragment:
            raise PageError(HTTPStatus.FORBIDDEN, "role")
        return context.redirect(SECOND_FACTOR)
    return None


def _must_enrol(context: RequestContext) -> bool:
    """Whether the user has to set up a second factor before anything else."""
    path = context.request.url.path
    if not context.app.requires_second_factor or context.signed_in.has_second_factor:
        return False
    return path not in (SECOND_FACTOR, "/sign-out")


def _is_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


async def _read_form(request: Request) -> dict[str, str]:
    try:
        body = await request.body()
    except BodyRefusedError as error:
        raise PageError(HTTPStatus(error.status_code), "form") from None
    except ClientDisconnect:
        raise PageError(HTTPStatus.BAD_REQUEST, "form") from None
    try:
        return read_fields(request.headers.get("content-type", ""), body)
    except UnreadableFormError:
        raise PageError(HTTPStatus.BAD_REQUEST, "form") from None
    except ValueError:
        raise PageError(HTTPStatus.UNPROCESSABLE_ENTITY, "form") from None
