"""One request to the page: who asks, in which language, and the answer's dress.

Every page goes through `visited`, which lets in only who may see it, checks that a form comes
from a page of ours, turns errors into pages, and adds the protecting headers.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from purposewatch_policy.languages import TAGS, Texts
from purposewatch_reporter.web.app import Desk
from purposewatch_reporter.web.language import choose, page_texts
from purposewatch_reporter.web.security import comes_from_here, protect, safe_path
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.sessions import SignedIn, is_due, read_session, touch_session
from purposewatch_runtime.logs import get_logger

THEMES = ("auto", "light", "dark")
FRAGMENT_HEADER = "x-fragment"
"""Sent by the page's own script, which swaps one part of the page."""

_MAX_FORM_BYTES = 64 * 1024
_MAX_FIELDS = 50

_log = get_logger(__name__)


class PageError(Exception):
    """Ends a request with a page that says what is wrong."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        """The key of the text below `error`."""


@dataclass(slots=True)
class Visit:
    """A request and what is known about it."""

    desk: Desk
    request: Request
    texts: Texts
    theme: str
    account: SignedIn | None
    form: Mapping[str, str]

    @property
    def who(self) -> SignedIn:
        """Who is signed in; only for pages that ask for it."""
        if self.account is None:
            raise PageError(HTTPStatus.UNAUTHORIZED, "signed_out")
        return self.account

    @property
    def is_fragment(self) -> bool:
        """Whether only a part of the page is wanted."""
        return FRAGMENT_HEADER in self.request.headers

    @property
    def address(self) -> str:
        """The path and query that was asked for."""
        url = self.request.url
        return f"{url.path}?{url.query}" if url.query else url.path

    def html(
        self, template: str, status: HTTPStatus = HTTPStatus.OK, **context: Any
    ) -> HTMLResponse:
        """The page, or the template's fragment when only that is wanted."""
        declared = self.desk.declared
        language = self.texts.language

        def label(controller: str | None, dimension: str, term: str) -> str | None:
            return declared.label(controller, dimension, term, language)

        content = self.desk.rendering.render(
            template,
            {
                "t": self.texts,
                "language": language,
                "languages": {each: page_texts(each)("language_name") for each in TAGS},
                "theme": self.theme,
                "themes": THEMES,
                "account": self.account,
                "may_triage": self.account is not None and self.account.role.may(Role.OFFICER),
                "csrf": self.account.csrf_token if self.account else "",
                "address": self.address,
                "label": label,
                "own": self.texts.pick,
                "is_sensitive": declared.is_sensitive,
                "version": self.desk.version,
                "now": self.desk.clock(),
                "fragment": self.request.headers.get(FRAGMENT_HEADER),
                **context,
            },
        )
        return HTMLResponse(content, status_code=status)

    def go(self, path: str) -> RedirectResponse:
        """Lead on to another page of ours."""
        return RedirectResponse(safe_path(path), status_code=HTTPStatus.SEE_OTHER)

    def set_cookie(self, response: Response, name: str, value: str, max_age: int | None) -> None:
        """Set a cookie that scripts can't read and other sites' forms don't send."""
        response.set_cookie(
            cookie_name(name, is_https=self.desk.is_https),
            value,
            max_age=max_age,
            secure=self.desk.is_https,
            httponly=True,
            samesite="lax",
        )

    def cookie(self, name: str) -> str | None:
        """A cookie of ours."""
        return self.request.cookies.get(cookie_name(name, is_https=self.desk.is_https))


Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

SESSION_COOKIE = "purposewatch_session"
LANGUAGE_COOKIE = "purposewatch_language"
THEME_COOKIE = "purposewatch_theme"


def cookie_name(name: str, *, is_https: bool) -> str:
    """With TLS, a name that browsers only take from this very host."""
    return f"__Host-{name}" if is_https else name


def visited(desk: Desk, handler: Handler, needed: Role | None = Role.VIEWER) -> Endpoint:
    """The endpoint of a page; `needed` is the role that it takes, `None` for anybody."""

    async def endpoint(request: Request) -> Response:
        visit = _stranger(desk, request)
        try:
            await _recognise(visit)
            answer = await _admit(visit, needed) or await handler(visit)
        except PageError as error:
            answer = visit.html("error.html", error.status, reason=error.reason)
        except ValidationError:
            answer = visit.html("error.html", HTTPStatus.BAD_REQUEST, reason="filters")
        except (SQLAlchemyError, OSError) as error:
            _log.warning("request failed", error=type(error).__name__)
            answer = visit.html("error.html", HTTPStatus.SERVICE_UNAVAILABLE, reason="database")
        answer.headers["Vary"] = "X-Fragment, Cookie, Accept-Language"
        return protect(answer, is_https=desk.is_https)

    return endpoint


def _stranger(desk: Desk, request: Request) -> Visit:
    visit = Visit(desk, request, page_texts(TAGS[0]), THEMES[0], None, {})
    theme = visit.cookie(THEME_COOKIE)
    visit.theme = theme if theme in THEMES else THEMES[0]
    accepted = request.headers.get("accept-language")
    visit.texts = page_texts(choose(visit.cookie(LANGUAGE_COOKIE), accepted))
    return visit


async def _recognise(visit: Visit) -> None:
    token = visit.cookie(SESSION_COOKIE)
    if token:
        desk, now = visit.desk, visit.desk.clock()
        async with desk.database.reading() as connection:
            visit.account = await read_session(connection, token, desk.session_policy, now)
        # what the page fetches by itself keeps nobody signed in
        if visit.account is not None and not visit.is_fragment and is_due(visit.account, now):
            async with desk.database.writing() as connection:
                await touch_session(connection, token, now)


async def _admit(visit: Visit, needed: Role | None) -> Response | None:
    """An answer instead of the page, when it must not be shown."""
    is_form = visit.request.method == "POST"
    if is_form and not comes_from_here(visit.request, visit.desk.public_url):
        raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    if needed is not None and visit.account is None:
        if visit.is_fragment:
            raise PageError(HTTPStatus.UNAUTHORIZED, "signed_out")
        asked = "/" if is_form else visit.address
        query = "" if asked == "/" else f"?{urlencode({'next': asked})}"
        return visit.go(f"/sign-in{query}")
    if is_form:
        visit.form = await _read_form(visit.request)
        if visit.account is not None and not _is_equal(
            visit.form.get("csrf", ""), visit.account.csrf_token
        ):
            raise PageError(HTTPStatus.FORBIDDEN, "csrf")
    if needed is not None and not visit.who.role.may(needed):
        raise PageError(HTTPStatus.FORBIDDEN, "role")
    return None


def _is_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            raise PageError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "form")
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError:
        raise PageError(HTTPStatus.BAD_REQUEST, "form") from None
    return {name: value.replace("\0", "") for name, value in fields}
