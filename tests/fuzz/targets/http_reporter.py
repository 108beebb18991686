"""The reporter over HTTP: the page as each role sees it, the API, and the exported files."""

import asyncio
import csv
import hashlib
import hmac
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, event

from purposewatch_reporter.findings.queries.export import COLUMNS
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import User, add_user
from tests.fuzz.asgi import Answer, HttpRequest, send
from tests.fuzz.strict_database import refuse_what_postgresql_refuses
from tests.fuzz.target import PERSONAL, Run, Target, assert_silent
from tests.harness.environment import POLICIES
from tests.unit.reporter.conftest import closed_connections, empty_database, ledger_writer_of
from tests.unit.reporter.facts.records import at, fact, in_facts
from tests.unit.reporter.records import dead_letter, in_topic, verdict
from tests.unit.reporter.web.conftest import (
    CHEAP,
    NOW,
    PASSWORD,
    Browser,
    Clock,
    first_id,
    page_app,
)

TOKEN = "a token of enough letters"
_MAIL = PERSONAL[0]
_FORMULAS = ("=cmd|'/c calc'!A1", "+1", "-1+1", "@SUM(1)", "\t=1", "a\r\nb", "a\nb,c", '"', ";=1")
_NOT_RECONCILED = ("/api/v1/ledger", "/api/v1/books")  # 503, as nothing reconciles it here


async def _fill(directory: Path) -> Database:
    """Record what a ledger holds, with texts of policies that no spreadsheet should run."""
    database = empty_database(directory)
    writer = ledger_writer_of(database)
    values = []
    for offset in range(24):
        outcome = ["violation", "unknown", "permitted"][offset % 3]
        value = verdict(
            0,
            offset,
            outcome=outcome,
            categories={"user.name": outcome, "user.contact": "permitted"},
            event_time=(NOW - timedelta(minutes=20 * offset)).isoformat(),
            role="member" if offset % 2 else "visitor",
        )
        formula = _FORMULAS[offset % len(_FORMULAS)]
        for category in value["categories"]:
            category |= {"statement": formula, "clause": formula, "sentence": formula}
        values.append(value)
    await writer.record_verdicts(in_topic("verdicts", values))
    await writer.record_dead_letters(in_topic("dead-letters", [dead_letter(0, 24)]))
    await writer.record_facts(in_facts([fact(), fact("s-2", value=False, effective_from=at(10))]))
    return database


async def _opened(directory: Path) -> tuple[Any, Database, dict[str, str]]:
    """The application, and who is signed in."""
    database = await _fill(directory)
    clock = Clock()
    app, _ = page_app(database, clock, reporter_api_token=TOKEN)
    hashed = CHEAP.hash(PASSWORD)
    cookies = {}
    for name, role in (("olivia", Role.OFFICER), ("victor", Role.VIEWER)):
        async with database.writing() as connection:
            await add_user(connection, User(name, role, hashed), clock())
        browser = Browser(app, "http://desk")
        async with browser.http:
            assert (await browser.sign_in(name)).status_code == 303
            cookies[str(role)] = browser.http.cookies["purposewatch_session"]
            cookies["violation"] = await first_id(browser)
            cookies["finding"] = await first_id(browser, "/findings")
    return app, database, cookies


@contextmanager
def _served() -> Iterator[Run]:
    """Each request is sent as everybody, and without a session or token."""
    with closed_connections(), TemporaryDirectory() as directory, asyncio.Runner() as runner:
        app, database, known = runner.run(_opened(Path(directory)))
        event.listen(Engine, "before_cursor_execute", refuse_what_postgresql_refuses)

        def run(data: bytes) -> None:
            for role in (*Role, "api", "nobody"):
                request = _request(data, role, known)
                answer = runner.run(send(app, request))
                path = request.scope()["path"]
                assert answer.status < 500 or path in _NOT_RECONCILED, answer
                _check(answer, path, role)

        try:
            yield run
        finally:
            event.remove(Engine, "before_cursor_execute", refuse_what_postgresql_refuses)
            runner.run(database.stop())


def _request(data: bytes, role: str, known: Mapping[str, str]) -> HttpRequest:
    """The request as somebody in this role sends it, with their forms' token."""
    cookie = known.get(role, "")
    given = {b"host": b"desk"}
    if role == "api":
        given[b"authorization"] = f"Bearer {TOKEN}".encode()
    elif cookie:
        given[b"cookie"] = f"purposewatch_session={cookie}".encode()
    csrf = hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()
    placed = {"$CSRF": csrf, "$VIOLATION": known["violation"], "$FINDING": known["finding"]}
    for name, value in placed.items():
        data = data.replace(name.encode(), value.encode())
    return HttpRequest.parse(data, given)


def _check(answer: Answer, path: str, role: str) -> None:
    assert not answer.header(b"access-control-allow-origin")
    if path.startswith("/api/"):
        assert role == "api" or answer.status == 401
        if answer.status >= 400:
            assert answer.header(b"content-type") == b"application/problem+json"
            problem = json.loads(answer.body)
            assert_silent(problem["detail"])
            for error in problem.get("errors", ()):
                # a program that has the token is told which parameter it made up
                if "there is no parameter" not in error["detail"]:
                    assert_silent(error["detail"])
    elif role in {"api", "nobody"} and answer.status == 200:
        assert b"data-id=" not in answer.body  # nothing of the ledger without a session
    if answer.header(b"content-type").startswith(b"text/csv"):
        _check_csv(answer.body, COLUMNS if path == "/violations.csv" else None)
    if answer.header(b"content-type").startswith(b"application/jsonl"):
        for line in answer.body.splitlines():
            json.loads(line)
    if answer.header(b"content-type").startswith(b"text/html"):
        assert b"default-src 'none'" in answer.header(b"content-security-policy")
        assert b"<script>x" not in answer.body


def _check_csv(body: bytes, columns: Sequence[str] | None) -> None:
    """A file that a spreadsheet opens: every row whole, and no cell a formula."""
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    assert columns is None or tuple(rows[0]) == columns
    for row in rows[1:]:
        assert len(row) == len(rows[0])
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), cell


_FORM = "content-type: application/x-www-form-urlencoded\nsec-fetch-site: same-origin\n\n"
_PAGES = (
    *("/", "/violations?kind=prohibited&role=member&limit=10", "/violations/$VIOLATION"),
    *(
        "/findings?state=open&severity=high",
        "/findings/$FINDING",
        "/policies",
        "/vocabulary?q=mail",
    ),
    *(
        "/violations.csv?role=member",
        "/violations.jsonl?kind=undeclared_purpose",
        "/violations.csv",
    ),
    *("/exports", "/account", "/account/second-factor", "/policies/wework-labs/2018-05-25"),
    *("/flows?role=member", "/discovery", "/discovery/counting/a/1", "/shadow", "/what-if"),
    *("/records", "/records/wework-labs?language=zh", "/records/wework-labs/print"),
    *("/records/wework-labs/file/docx", "/records/wework-labs/file/csv"),
    *("/gaps", "/late-facts", "/sign-in?next=/violations", "/assets/0/page.css", "/openapi.json"),
)
_CALLS = (
    *("/api/v1/violations?since=2026-01-01T00:00:00Z&limit=5&controller=wework-labs",),
    *("/api/v1/findings?state=open", "/api/v1/dead-letters?error_class=not_json", "/api/v1/gaps"),
    *("/api/v1/counts?of=events&by=hour&by=outcome", "/api/v1/ledger", "/api/v1/conflicts"),
    *("/api/v1/facts?controller=wework-labs&subject=psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350",),
    *(
        "/api/v1/late-facts?limit=3",
        "/api/v1/outbox",
        "/api/v1/event-status?source=/crm&id=e",
    ),
    *("/api/v1/flows?controller=wework-labs&limit=3", "/api/v1/records/wework-labs"),
    *("/api/v1/shadow", "/api/v1/shadow/effects?controller=wework-labs&candidate=x&limit=3"),
    *("/api/v1/violations/$VIOLATION", "/api/v1/findings/$FINDING", "/api/v1/silences"),
)
_SILENCE = {
    "matchers": {"role": "member"},
    "reason": "planned",
    "author": "olivia",
    "expires_time": "2026-04-01T00:00:00Z",
}
_WHAT_IF = {
    "policy": (POLICIES / "wework-labs" / "policy.2018-05-25.yaml").read_text("utf-8")[:3_000],
    "since": "2026-03-01T00:00:00Z",
    "limit": 3,
    "flows": ["0" * 32],
}
SEEDS = (
    *(f"GET {path}\n\n".encode() for path in (*_PAGES, *_CALLS)),
    f"POST /violations/$VIOLATION/triage\n{_FORM}csrf=$CSRF&act=comment&comment=a".encode(),
    f"POST /findings/$FINDING/triage\n{_FORM}csrf=$CSRF&act=silence&days=7&reason=x".encode(),
    f"POST /preferences\n{_FORM}csrf=$CSRF&language=zh&theme=dark&next=/violations".encode(),
    f"POST /sign-in\n{_FORM}form=x&username=olivia&password={_MAIL}".encode(),
    f"POST /account\n{_FORM}csrf=$CSRF&current={_MAIL}&new=a&repeated=a".encode(),
    f"POST /what-if\n{_FORM}csrf=$CSRF&since=quarter&version=&policy=a%3A".encode(),
    f"POST /what-if.csv\n{_FORM}csrf=$CSRF&version=wework-labs/2018-05-25".encode(),
    b"POST /api/v1/what-if\ncontent-type: application/json\n\n" + json.dumps(_WHAT_IF).encode(),
    b"POST /api/v1/silences\ncontent-type: application/json\n\n" + json.dumps(_SILENCE).encode(),
)
_WORDS = tuple(
    each.encode()
    for each in (
        *("&cursor=", "&since=", "&until=", "&limit=", "&q=", "&role=", "&kind=", "&severity="),
        *(
            "WzAsbnVsbF0",
            "WyIyMDI2LTAzLTAyVDA4OjE1OjAwWiIsIngiXQ",
            "next=//x",
            "next=http://[",
        ),
        *("x-fragment: rows\n", "accept-language: zh\n", "cookie: purposewatch_session=x\n"),
        *("origin: http://[\n", "host: [\n", "<script>x", "%00", "%ff", "%0d%0a", "..%2f", "+"),
        *("'; DROP TABLE violations; --", "9" * 30, "9" * 5_000, "$CSRF", "$VIOLATION", *PERSONAL),
        *("act=resolve", "act=reopen", "act=assign", "assignee=", "days=", "comment=", "silence="),
        *("application/json", "multipart/form-data; boundary=x", "content-encoding: gzip\n"),
    )
)

TARGETS = (Target("http-reporter", SEEDS, _served, _WORDS, max_seconds=3, brief=8),)
