"""Whatever the parameters of a request hold, it is answered, and never with an error of ours.

The requests are made of every route of the page and of the API, so that a new route is covered.
What reaches the database is checked for what PostgreSQL refuses, because SQLite accepts it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from purposewatch_reporter.findings.queries.filters import FindingQuery, ListQuery
from purposewatch_reporter.findings.triage import Action
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.routes import web_routes
from tests.unit.reporter.web.conftest import Browser, first_id

TEXTS = (
    *("\0", "a\0b", "\ud800", "\udfff\ud800", "\ufffe", "\u202e", "é", "一", "٣", "💥", "\x85"),
    *("\r\nSet-Cookie: a=b", "'; DROP TABLE violations; --", "%00", "%", "\\", "${x}", "{{ 7*7 }}"),
    *("", " ", "-1", "0", "1", "1.5", "1e400", "NaN", "true", "1_0", "9" * 30, "9" * 5000),
    *(str(2**31), str(2**63), str(-(2**63) - 1), "[", "http://[", "//[", "null", "x" * 300),
    *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z"),
    *("10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-02T24:00:00Z", "2026-W10-1"),
    *("2026-03-02T08:15:00+99:99", "2026-03-02T08:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z"),
)
TIMES = st.builds(
    lambda time, zone: time.isoformat() + zone,
    st.datetimes(),
    st.sampled_from(["", "Z", "+01:00", "-01:00", "+23:59", "-23:59", "+00:00:30"]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(TEXTS),
    st.text(max_size=20),
    TIMES,
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


def cursor(place: Any) -> str:
    """A place in a list, written as cursors are."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


CURSORS = st.one_of(
    st.builds(cursor, JSON),
    st.builds(lambda time, name: cursor([time, name]), TIMES, SCALARS),
    st.builds(
        lambda phase, time, name: cursor([phase, [time, name]]),
        st.integers(-1, 5) | SCALARS,
        TIMES,
        SCALARS,
    ),
)
WORST = st.sampled_from(["\0", "a\0b", "\ud800", "a\udfff"])
VALUES = st.one_of(WORST, st.sampled_from(TEXTS), st.text(max_size=40), TIMES, CURSORS)
HEADERS = (
    "accept-language",
    "authorization",
    "cookie",
    "host",
    "origin",
    "sec-fetch-site",
    "x-fragment",
)
FIELDS = (
    *("username", "password", "next", "form", "current", "new", "repeated", "language", "theme"),
    *("act", "comment", "assignee", "reason", "days", "silence"),
)
PLAUSIBLE = {
    "act": [str(each) for each in Action],
    "days": ["7"],
    "host": ["[", "desk:99999", "desk:x", "a@desk", "\u2100"],
    "language": ["zh"],
    "origin": ["http://[", "http://\u2100", "http://desk", "http://[::1", "http://desk:x"],
    "sec-fetch-site": ["same-origin"],
}
"""What gets a parameter further than anything would."""
BOUNDED = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NOT_RECONCILED = {"/api/v1/ledger", "/api/v1/books"}  # 503, as nothing reconciles it here


@dataclass(frozen=True)
class Stage:
    """The application, and what somebody needs who is signed in."""

    app: Any
    desk: WebApp
    cookie: str
    violation: str
    finding: str

    @property
    def csrf(self) -> str:
        """The token of this session's forms."""
        return hmac.new(self.cookie.encode(), b"csrf", hashlib.sha256).hexdigest()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: bytes = b"",
        headers: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> int:
        """Send a request as a server passes it on, with bytes as they come; the status."""
        given = {
            "host": "desk",
            "cookie": f"purposewatch_session={self.cookie}",
            **{name: value for name, value in headers.items() if "\0" not in value},
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": query,
            "root_path": "",
            "headers": [
                (name.encode(), value.encode("utf-8", "replace")) for name, value in given.items()
            ],
            "client": ("192.0.2.7", 5000),
            "server": ("desk", 80),
            "state": {},
        }
        statuses = []
        answers = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            return next(answers, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                for _, value in message["headers"]:
                    assert b"\r" not in value
                    assert b"\n" not in value

        await self.app(scope, receive, send)
        [status] = statuses
        return int(status)


@pytest.fixture
async def stage(desk: tuple[Any, WebApp], officer: Browser) -> Stage:
    """With an officer's session."""
    app, web = desk
    return Stage(
        app,
        web,
        officer.http.cookies["purposewatch_session"],
        await first_id(officer),
        await first_id(officer, "/findings"),
    )


@pytest.fixture(autouse=True)
def strict_database() -> Iterator[None]:
    """Refuse every bound value that PostgreSQL would refuse."""

    def check(_: Any, __: Any, ___: Any, parameters: Any, *____: Any) -> None:
        for row in parameters if isinstance(parameters, list) else [parameters]:
            for value in row.values() if isinstance(row, dict) else row:
                if isinstance(value, str):
                    assert "\0" not in value
                    value.encode()
                if isinstance(value, int):
                    assert -(2**63) <= value < 2**63

    event.listen(Engine, "before_cursor_execute", check)
    yield
    event.remove(Engine, "before_cursor_execute", check)


def value_of(data: st.DataObject, name: str) -> str:
    """A value for a field or a header."""
    plausible = name in PLAUSIBLE and data.draw(st.booleans())
    return data.draw(st.sampled_from(PLAUSIBLE[name]) if plausible else VALUES, name)


def encoded(text: str) -> str:
    """A text as a hostile client writes it in an address: also what UTF-8 does not have."""
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def query_of(parameters: Mapping[str, str]) -> bytes:
    """The query of an address."""
    return "&".join(f"{name}={encoded(value)}" for name, value in parameters.items()).encode()


def path_of(data: st.DataObject, stage: Stage, path: str) -> str:
    """The path of a route, with what is there or with anything in the places of its parameters."""
    while "{" in path:
        before, _, rest = path.partition("{")
        name, _, after = rest.partition("}")
        ours = stage.violation if "violation" in before else stage.finding
        value = ours if data.draw(st.booleans()) else data.draw(VALUES, name)
        # servers replace what UTF-8 can't decode
        path = before + value.encode("utf-8", "replace").decode().replace("/", "") + after
    return path


@BOUNDED
@given(data=st.data())
async def test_no_parameter_of_the_api_is_an_error_of_ours(
    stage: Stage, data: st.DataObject
) -> None:
    """Each is accepted or named in a 422."""
    operations = [
        (path, method, operation)
        for path, methods in stage.app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    path, method, operation = data.draw(st.sampled_from(operations))
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    given_names = data.draw(st.lists(st.sampled_from([*names, "other"]), unique=True, max_size=2))
    query = query_of({name: data.draw(VALUES, name) for name in given_names})
    body = b""
    if method == "post":
        keys = st.sampled_from(["matchers", "reason", "author", "expires_time", "by", "\ud800"])
        matchers = st.dictionaries(st.sampled_from(["role", "kind", "controller", "\ud800"]), JSON)
        value = data.draw(JSON | st.dictionaries(keys, JSON | matchers), "body")
        body = json.dumps(value).encode()
        if data.draw(st.booleans()):
            body = body[:-1]
    status = await stage.send(
        method.upper(),
        path_of(data, stage, path),
        query=query,
        headers={"content-type": "application/json"},
        body=body,
    )
    assert status < 500 or path in NOT_RECONCILED


@BOUNDED
@given(data=st.data())
async def test_no_parameter_of_a_page_is_an_error_of_ours(
    stage: Stage, data: st.DataObject
) -> None:
    """Pages ignore what is not valid; exports refuse it."""
    pages = [each.path for each in web_routes(stage.desk) if "GET" in (each.methods or ())]
    path = data.draw(st.sampled_from(pages))
    names = [*ListQuery.model_fields, *FindingQuery.model_fields, "span", "next", "changed"]
    chosen = data.draw(st.lists(st.sampled_from(sorted(set(names))), unique=True, max_size=3))
    query = query_of({name: data.draw(VALUES, name) for name in chosen})
    status = await stage.send("GET", path_of(data, stage, path), query=query)
    assert status < 500


@BOUNDED
@given(data=st.data())
async def test_no_field_of_a_form_is_an_error_of_ours(stage: Stage, data: st.DataObject) -> None:
    """A form is refused as a whole."""
    forms = [each.path for each in web_routes(stage.desk) if "POST" in (each.methods or ())]
    path = data.draw(st.sampled_from([each for each in forms if each != "/sign-out"]))
    chosen = data.draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=4))
    fields = {name: value_of(data, name) for name in (*chosen, "act", "days")}
    body = b"&".join([urlencode({"csrf": stage.csrf}).encode(), query_of(fields)])
    status = await stage.send("POST", path_of(data, stage, path), body=body)
    assert status < 500


@BOUNDED
@given(data=st.data())
async def test_no_header_is_an_error_of_ours(stage: Stage, data: st.DataObject) -> None:
    """Cookies included."""
    requests = [("GET", "/violations"), ("GET", "/api/v1/violations"), ("GET", "/violations/")]
    requests += [("POST", "/sign-in"), ("POST", "/preferences"), ("POST", "/api/v1/silences")]
    method, path = data.draw(st.sampled_from(requests))
    names = data.draw(st.lists(st.sampled_from(HEADERS), unique=True, min_size=1, max_size=3))
    cookies = ("session", "language", "theme", "form")
    headers = {}
    for name in names:
        value = value_of(data, name)
        if name == "cookie":
            value = "; ".join(f"purposewatch_{each}={value}" for each in cookies)
        headers[name] = value.replace("\r", "").replace("\n", "")
    assert await stage.send(method, path, headers=headers) < 500


@pytest.mark.parametrize("value", ["a\0b", "x"])
async def test_a_form_with_a_nul_changes_nothing(officer: Browser, value: str) -> None:
    """It is refused instead of being stored without it."""
    name = await first_id(officer)
    fields = {"act": "comment", "comment": value}
    answer = await officer.send(f"/violations/{name}/triage", fields)

    assert answer.status_code == (422 if "\0" in value else 303)
    page = (await officer.get(f"/violations/{name}")).text
    assert ("commented" in page) is ("\0" not in value)
