"""What the page must not let happen."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from purposewatch_reporter.findings.queries.export import csv_lines, safe_cell
from purposewatch_reporter.findings.queries.rows import Row
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import accounts, sessions
from purposewatch_reporter.web.app import WebApp
from purposewatch_reporter.web.routes import web_routes
from purposewatch_reporter.web.security import CONTENT_SECURITY_POLICY, safe_path
from purposewatch_reporter.web.users.throttle import SignInLimits, ThrottlePolicy
from tests.unit.reporter.web.conftest import NOW, PASSWORD, Browser, Clock, first_id, page_app

GOOD = "a much better one"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def all_paths(desk: WebApp, method: str) -> list[str]:
    """Every address of the page that takes the method."""
    return [
        re.sub(r"\{id\}", "0" * 32, route.path).replace("{controller}/{version}", "a/b")
        for route in web_routes(desk)
        if method in (route.methods or ()) and "assets" not in route.path
    ]


async def test_nothing_is_shown_to_strangers(desk: tuple[Any, WebApp], browser: Browser) -> None:
    """Every page but the sign-in leads there."""
    for path in set(all_paths(desk[1], "GET")) - {"/sign-in"}:
        answer = await browser.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path


async def test_nothing_is_taken_from_strangers(desk: tuple[Any, WebApp], browser: Browser) -> None:
    """No form but the sign-in and the preferences works without a session."""
    for path in set(all_paths(desk[1], "POST")) - {"/sign-in", "/preferences"}:
        answer = await browser.http.post(path, data={"act": "resolve"})
        assert answer.status_code == 303, path
        assert answer.headers["location"] == "/sign-in", path


async def test_every_answer_is_protected(officer: Browser) -> None:
    """Pages, files, errors and redirects alike."""
    page = await officer.get("/")
    [script] = re.findall(r'src="(/assets/[^"]+\.js)"', page.text)
    for path in ("/", "/sign-in", "/violations/none", "/violations?since=never", script):
        headers = (await officer.get(path)).headers
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "'unsafe" not in CONTENT_SECURITY_POLICY
    assert page.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in page.headers


async def test_pages_need_no_inline_script_or_style(officer: Browser) -> None:
    """The content security policy would stop them."""
    name = await first_id(officer)
    for path in ("/", "/violations", "/findings", f"/violations/{name}", "/policies", "/account"):
        text = (await officer.get(path)).text
        assert re.findall(r"<script(?![^>]*src=)", text) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []
        assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []


async def test_with_tls_cookies_are_secure(filled: Any, clock: Clock) -> None:
    """Where people reach it over https, cookies never travel without it."""
    app, desk = page_app(filled, clock, reporter_public_url="https://privacy.example")
    browser = Browser(app, "https://privacy.example")
    async with browser.http:
        answer = await browser.get("/sign-in")

    assert desk.is_https
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-purposewatch_form=")
    for attribute in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_the_session_cookie_is_out_of_reach_of_scripts(browser: Browser) -> None:
    """And is not sent along with other sites' forms."""
    answer = await browser.sign_in("olivia")
    cookies = answer.headers.get_list("set-cookie")
    [session] = [each for each in cookies if each.startswith("purposewatch_session=")]

    assert "HttpOnly" in session
    assert "SameSite=lax" in session


async def test_only_a_hash_of_the_token_is_stored(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """Who reads the database can't take over a session; nor does it hold a password."""
    token = officer.http.cookies["purposewatch_session"]
    async with desk[1].database.reading() as connection:
        [row] = list(await connection.execute(select(sessions.c.token_hash)))
        stored = list(await connection.execute(select(accounts.c.password_hash)))

    assert token.encode() not in row.token_hash
    assert all(each.password_hash.startswith("$argon2id$") for each in stored)


async def test_a_session_of_somebody_elses_making_is_not_kept(browser: Browser) -> None:
    """Signing in makes a new token, whatever the browser brought."""
    browser.http.cookies.set("purposewatch_session", "planted")
    await browser.sign_in("olivia")

    tokens = [str(c.value) for c in browser.http.cookies.jar if c.name == "purposewatch_session"]
    assert "planted" not in tokens[-1]
    assert len(tokens[-1]) >= 43


async def test_an_idle_session_ends(officer: Browser, clock: Clock) -> None:
    """After half an hour without a click."""
    clock.forward(minutes=29)
    assert (await officer.get("/")).status_code == 200
    clock.forward(minutes=29)
    assert (await officer.get("/")).status_code == 200
    clock.forward(minutes=31)
    assert (await officer.get("/")).status_code == 303


async def test_what_the_page_fetches_by_itself_keeps_nobody_signed_in(
    officer: Browser, clock: Clock
) -> None:
    """An open tab does not count as activity."""
    for _ in range(3):
        clock.forward(minutes=12)
        answer = await officer.get("/", headers={"X-Fragment": "overview"})

    assert answer.status_code == 401


async def test_no_session_lasts_longer_than_a_shift(officer: Browser, clock: Clock) -> None:
    """Twelve hours, however busy."""
    for _ in range(12 * 4 - 1):
        clock.forward(minutes=15)
        assert (await officer.get("/account")).status_code == 200
    clock.forward(minutes=16)

    assert (await officer.get("/account")).status_code == 303


async def test_signing_out_ends_the_session_itself(officer: Browser) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    token = officer.http.cookies["purposewatch_session"]
    answer = await officer.send("/sign-out", {})
    assert answer.status_code == 303
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    officer.http.cookies.set("purposewatch_session", token)

    assert (await officer.get("/")).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_without_the_sessions_token_is_refused(officer: Browser, token: str) -> None:
    """Another site can't read it, so it can't send it."""
    name = await first_id(officer)
    answer = await officer.http.post(
        f"/violations/{name}/triage", data={"act": "resolve", "csrf": token}
    )

    assert answer.status_code == 403
    assert "status-open" in (await officer.get(f"/violations/{name}")).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://\u2100.example".encode()},
        {"Origin": "https://desk@evil.example"},
    ],
    ids=str,
)
async def test_a_form_from_another_site_is_refused(
    officer: Browser, headers: dict[str, str]
) -> None:
    """Even with the right token, and the sign-in form too."""
    assert (await officer.send("/sign-out", {}, headers=headers)).status_code == 403
    assert (await officer.http.post("/sign-in", headers=headers)).status_code == 403


async def test_nobody_is_signed_in_by_another_sites_form(browser: Browser) -> None:
    """The sign-in form is held to a cookie that only our page has set."""
    answer = await browser.http.post(
        "/sign-in", data={"username": "olivia", "password": PASSWORD, "form": ""}
    )

    assert answer.status_code == 403
    assert "purposewatch_session" not in browser.http.cookies


async def test_a_viewer_changes_nothing(viewer: Browser) -> None:
    """Neither has the page the buttons, nor do the addresses obey; each attempt is logged."""
    violation, finding = await first_id(viewer), await first_id(viewer, "/findings")
    assert 'name="act"' not in (await viewer.get(f"/violations/{violation}")).text
    for path in (
        f"/violations/{violation}/triage",
        f"/findings/{finding}/triage",
        f"/findings/{finding}/silence",
        f"/findings/{finding}/end-silence",
        f"/exceptions/{finding}/end",
    ):
        with capture_logs() as logs:
            answer = await viewer.send(path, {"act": "resolve", "reason": "x", "days": "7"})
        assert answer.status_code == 403, path
        [refused] = [each for each in logs if each["event"] == "role refused"]
        assert (refused["username"], refused["needed"]) == ("victor", "officer")


async def test_a_wrong_name_and_a_wrong_password_look_the_same(browser: Browser) -> None:
    """Nobody learns which accounts there are."""
    wrong_name = await browser.sign_in("nobody")
    wrong_password = await browser.sign_in("olivia", "wrong")

    assert wrong_name.status_code == wrong_password.status_code == 403
    same = wrong_name.text.replace("nobody", "olivia")
    assert same == wrong_password.text


@pytest.mark.parametrize("username", ["olivia", "nobody"])
async def test_guessing_is_slowed_down(browser: Browser, clock: Clock, username: str) -> None:
    """Whether the account exists or not; even the right password has to wait."""
    free = SignInLimits().account_and_address.free
    answers = [await browser.sign_in(username, "wrong") for _ in range(free)]
    assert [each.status_code for each in answers] == [403] * free
    blocked = await browser.sign_in(username)
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) > 0
    assert "purposewatch_session" not in browser.http.cookies

    clock.forward(minutes=1)
    again = await browser.sign_in(username)
    assert again.status_code == (303 if username == "olivia" else 403)


def test_every_further_guess_costs_twice_the_time() -> None:
    """Up to a quarter of an hour."""
    policy = ThrottlePolicy(free=3)
    pauses = [policy.pause(failures).total_seconds() for failures in range(2, 15)]

    assert pauses == [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil",
        "/a\\b",
        "/a\nSet-Cookie: x",
    ],
)
async def test_signing_in_leads_nowhere_else(browser: Browser, path: str) -> None:
    """A link to the sign-in page must not lead on to somebody else's."""
    answer = await browser.sign_in("olivia", next=path)

    assert answer.headers["location"] == "/"
    assert safe_path("/violations?kind=prohibited") == "/violations?kind=prohibited"


async def test_a_comment_is_shown_as_it_was_written(officer: Browser) -> None:
    """Markup in it does nothing."""
    name = await first_id(officer)
    await officer.send(f"/violations/{name}/triage", {"act": "comment", "comment": MARKUP})
    text = (await officer.get(f"/violations/{name}")).text

    assert MARKUP not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize("name", ["publisher", "event_id", "subject", "assignee", "statement"])
async def test_a_filters_value_is_shown_as_it_was_written(officer: Browser, name: str) -> None:
    """In the form, and in the list of active filters."""
    answer = await officer.get("/violations", params={name: f'">{MARKUP}'})

    assert answer.status_code == 200
    assert "<img src=x" not in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=x"])
def test_no_cell_of_an_export_is_a_formula(value: str) -> None:
    """A spreadsheet would run it on the officer's machine."""
    assert safe_cell(value) == f"'{value}"
    row = Row(
        dict.fromkeys(
            [
                "id",
                "controller",
                "publisher",
                "role",
                "operation",
                "purpose",
                "recipient",
                "outcome",
                "kind",
                "policy_version",
                "statement",
                "clause",
                "grade",
                "subject",
                "event_id",
                "event_source",
                "accesses",
                "summary",
                "topic",
                "partition",
                "event_offset",
            ],
            value,
        )
        | {"event_time": NOW, "recorded_time": NOW + timedelta(seconds=1)},
        (),
        None,
        None,
    )
    [cells] = list(csv.reader(io.StringIO(csv_lines([row]), newline="")))
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))] == []


async def test_a_huge_form_is_refused(officer: Browser) -> None:
    """Before it fills the memory."""
    answer = await officer.http.post("/account", content=b"a=" + b"x" * 100_000)

    assert answer.status_code == 413


async def test_another_password_ends_the_other_sessions(
    desk: tuple[Any, WebApp], officer: Browser
) -> None:
    """Whoever had the old one is out; oneself stays in."""
    other = Browser(desk[0], "http://desk")
    async with other.http:
        await other.sign_in("olivia")
        fields = {"current": PASSWORD, "new": GOOD, "repeated": GOOD}
        assert (await officer.send("/account", fields)).status_code == 303

        assert (await officer.get("/")).status_code == 200
        assert (await other.get("/")).status_code == 303
        assert (await other.sign_in("olivia")).status_code == 403
        assert (await other.sign_in("olivia", GOOD)).status_code == 303


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"current": "wrong", "new": GOOD, "repeated": GOOD}, "current password is wrong"),
        ({"current": PASSWORD, "new": "short", "repeated": "short"}, "too short"),
        ({"current": PASSWORD, "new": GOOD, "repeated": GOOD.upper()}, "differ"),
        ({"current": PASSWORD, "new": "olivia-olivia", "repeated": "olivia-olivia"}, "user name"),
        ({"current": PASSWORD, "new": "Password2026", "repeated": "Password2026"}, "easy to guess"),
    ],
)
async def test_a_poor_password_is_refused(
    officer: Browser, fields: dict[str, str], fault: str
) -> None:
    """And the page says why."""
    answer = await officer.send("/account", fields)

    assert answer.status_code == 400
    assert fault in answer.text


async def test_the_api_takes_no_cookies(filled: Database, officer: Browser) -> None:
    """Its token is its own; a page of another site gains nothing by calling it."""
    app, _ = page_app(filled, Clock(), reporter_api_token="a token of enough letters")
    other = Browser(app, "http://desk")
    async with other.http:
        await other.sign_in("olivia")
        assert (await other.get("/api/v1/violations")).status_code == 401
