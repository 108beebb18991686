"""The second factor: set up, asked for, used once, and reset by whoever runs the service."""

import asyncio
import base64
import hashlib
import hmac
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import recovery_codes, second_factors
from purposewatch_reporter.web.users.command import run_command
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.second_factors import (
    begin_second_factor,
    confirm_second_factor,
)
from purposewatch_reporter.web.users.store import User, add_user, remove_user
from purposewatch_reporter.web.users.totp import TotpKey
from tests.unit.reporter.conftest import empty_database
from tests.unit.reporter.web.conftest import CHEAP, NOW, PASSWORD, Browser, Clock, page_app

KEY = "0123456789abcdef" * 2
PAGE = "/account/second-factor"


def code_of(secret: str, clock: Clock, *, steps: int = 0) -> str:
    """What an authenticator app shows: RFC 6238 with its defaults."""
    step = int(clock.now.timestamp()) // 30 + steps
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06}"


@asynccontextmanager
async def signed_in(database: Database, clock: Clock, **settings: Any) -> AsyncIterator[Browser]:
    """The browser of Olivia, an officer, where second factors can be set up."""
    app, _ = page_app(database, clock, reporter_totp_key=KEY, **settings)
    async with database.writing() as connection:
        await add_user(connection, User("olivia", Role.OFFICER, CHEAP.hash(PASSWORD)), clock())
    browser = Browser(app, "http://desk")
    async with browser.http:
        assert (await browser.sign_in("olivia")).status_code == 303
        yield browser


@pytest.fixture
async def page(database: Database, clock: Clock) -> AsyncIterator[Browser]:
    """Olivia has no second factor yet."""
    async with signed_in(database, clock) as browser:
        yield browser


async def act(
    browser: Browser, act: str, code: str = "", current: str = PASSWORD
) -> httpx.Response:
    """Send one of the page's forms."""
    return await browser.send(PAGE, {"act": act, "code": code, "current": current})


async def sign_in_again(
    browser: Browser, password: str = PASSWORD, *, code: str = ""
) -> httpx.Response:
    """Sign in as somebody whose browser knows nothing."""
    browser.http.cookies.clear()
    return await browser.sign_in("olivia", password, code=code)


async def begin(browser: Browser) -> str:
    """Begin to set it up; the secret that the page shows."""
    shown = (await act(browser, "begin")).text
    address = urlsplit(unescape(re.findall(r'href="(otpauth:[^"]+)"', shown)[0]))
    [secret] = parse_qs(address.query)["secret"]
    assert secret in shown.replace(" ", "")
    assert "<svg" in shown
    return secret


async def set_up(browser: Browser, clock: Clock) -> tuple[str, list[str]]:
    """Set it up; the secret and the recovery codes. The code is used up."""
    secret = await begin(browser)
    confirmed = await act(browser, "confirm", code_of(secret, clock))
    codes = re.findall(r"<li><code>([^<]+)</code>", confirmed.text)
    assert (confirmed.status_code, len(codes)) == (200, 10)
    return secret, codes


async def test_the_address_is_what_apps_read(page: Browser) -> None:
    """With the product and the user, and a secret of 160 bits."""
    shown = (await act(page, "begin")).text
    address = urlsplit(unescape(re.findall(r'href="(otpauth:[^"]+)"', shown)[0]))

    assert (address.netloc, address.path) == ("totp", "/Purposewatch:olivia")
    query = parse_qs(address.query)
    assert query["issuer"] == ["Purposewatch"]
    assert len(base64.b32decode(query["secret"][0])) == 20
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", shown) == []


async def test_a_code_is_asked_for_once_it_is_set_up(page: Browser, clock: Clock) -> None:
    """Without one, or with a wrong one, the right password is not enough."""
    secret, _ = await set_up(page, clock)
    clock.forward(minutes=1)
    right = code_of(secret, clock)
    wrong = str((int(right) + 1) % 10**6).zfill(6)

    refused = [await sign_in_again(page), await sign_in_again(page, code=wrong)]
    assert [answer.status_code for answer in refused] == [403, 403]
    same = await sign_in_again(page, "wrong", code=right)
    alert = re.compile(r'role="alert">([^<]+)<')
    assert alert.findall(same.text) == alert.findall(refused[1].text)
    assert alert.findall(same.text) == ["User name, password or code is wrong."]
    spaced = f" {right[:3]} {right[3:]}"
    assert (await sign_in_again(page, code=spaced)).status_code == 303


async def test_it_is_not_asked_for_before_it_has_given_a_code(page: Browser) -> None:
    """Who closes the page half way can sign in as before."""
    await begin(page)

    assert (await sign_in_again(page)).status_code == 303


async def test_a_code_is_taken_once(page: Browser, clock: Clock) -> None:
    """Who looks over a shoulder comes too late; so is the one that confirmed it, and older ones."""
    secret, _ = await set_up(page, clock)
    assert (await sign_in_again(page, code=code_of(secret, clock))).status_code == 403
    clock.forward(minutes=1)
    code = code_of(secret, clock)
    assert (await sign_in_again(page, code=code)).status_code == 303
    assert (await sign_in_again(page, code=code)).status_code == 403
    older = code_of(secret, clock, steps=-1)
    assert (await sign_in_again(page, code=older)).status_code == 403


@pytest.mark.parametrize(("steps", "status"), [(-2, 403), (-1, 303), (0, 303), (1, 303), (2, 403)])
async def test_clocks_may_differ_by_a_step(
    page: Browser, clock: Clock, steps: int, status: int
) -> None:
    """By half a minute, before and after."""
    secret, _ = await set_up(page, clock)
    clock.forward(minutes=5)
    code = code_of(secret, clock, steps=steps)

    assert (await sign_in_again(page, code=code)).status_code == status


async def test_a_recovery_code_is_taken_once(page: Browser, clock: Clock) -> None:
    """Each of the ten; however it is typed."""
    _, codes = await set_up(page, clock)

    assert len(set(codes)) == 10
    assert (await sign_in_again(page, code=f" {codes[3].upper()} ")).status_code == 303
    assert (await sign_in_again(page, code=codes[3])).status_code == 403
    assert (await sign_in_again(page, code=codes[4])).status_code == 303
    assert "Recovery codes left: 8." in (await page.get(PAGE)).text


async def test_codes_are_guessed_no_more_often_than_passwords(page: Browser, clock: Clock) -> None:
    """Five times, then the pauses begin, for the right code too."""
    secret, _ = await set_up(page, clock)
    clock.forward(minutes=1)
    right = code_of(secret, clock)
    guesses = [str((int(right) + add) % 10**6).zfill(6) for add in range(1, 6)]
    answers = [await sign_in_again(page, code=guess) for guess in guesses]
    assert [answer.status_code for answer in answers] == [403] * 5

    assert (await sign_in_again(page, code=right)).status_code == 429


async def test_setting_it_up_takes_the_password(page: Browser, clock: Clock) -> None:
    """Who took over a session can't lock the user out; wrong passwords there are guesses."""
    secret = await begin(page)
    answers = [
        await act(page, "confirm", code_of(secret, clock), current="a guess") for _ in range(6)
    ]

    assert [answer.status_code for answer in answers] == [400] * 5 + [429]
    assert all("<svg" in answer.text for answer in answers)


async def test_typing_errors_while_setting_it_up_are_no_guesses(
    page: Browser, clock: Clock
) -> None:
    """The page shows the same secret again."""
    secret = await begin(page)
    for _ in range(10):
        answer = await act(page, "confirm", "000000")
        assert (answer.status_code, secret in answer.text.replace(" ", "")) == (400, True)

    assert (await act(page, "confirm", code_of(secret, clock))).status_code == 200


async def test_setting_it_up_ends_the_other_sessions(
    page: Browser, database: Database, clock: Clock
) -> None:
    """They were opened without it."""
    app, _ = page_app(database, clock, reporter_totp_key=KEY)
    other = Browser(app, "http://desk")
    async with other.http:
        await other.sign_in("olivia")
        await set_up(page, clock)

        assert (await other.get("/account")).status_code == 303
        assert (await page.get("/account")).status_code == 200


async def test_removing_it_takes_the_password_and_a_code(page: Browser, clock: Clock) -> None:
    """Then none is asked for any more, and it can be set up again with another secret."""
    secret, codes = await set_up(page, clock)
    assert (await act(page, "begin")).status_code == 303  # it stays as it is
    assert (await act(page, "remove", codes[0], current="wrong")).status_code == 400
    assert (await act(page, "remove", "000000")).status_code == 400
    assert (await act(page, "remove")).status_code == 400
    assert (await act(page, "remove", codes[0])).status_code == 303

    assert (await sign_in_again(page)).status_code == 303
    assert await begin(page) != secret


async def test_where_it_is_required_nothing_else_works_without_it(
    database: Database, clock: Clock
) -> None:
    """Pages and forms lead to setting it up; signing out and the language work."""
    async with signed_in(database, clock, reporter_totp_required=True) as browser:
        for path in ("/", "/violations", "/account", "/violations.csv"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, PAGE), path
        fields = {"current": PASSWORD, "new": "a much better one", "repeated": "a much better one"}
        assert (await browser.send("/account", fields, at=PAGE)).headers["location"] == PAGE
        fragment = await browser.get("/", headers={"X-Fragment": "overview"})
        assert fragment.status_code == 403
        assert "It is required here" in (await browser.get(PAGE)).text

        shown = (await browser.send(PAGE, {"act": "begin"}, at=PAGE)).text
        [secret, *_] = re.findall(r"secret=(\w+)", shown)
        fields = {"act": "confirm", "current": PASSWORD, "code": code_of(secret, clock)}
        assert (await browser.send(PAGE, fields, at=PAGE)).status_code == 200
        assert (await browser.get("/account")).status_code == 200


async def test_it_is_not_offered_without_a_key(officer: Browser) -> None:
    """Neither on the sign-in page nor on the account's."""
    assert (await officer.get(PAGE)).status_code == 404
    assert (await act(officer, "begin")).status_code == 404
    assert PAGE not in (await officer.get("/account")).text
    await officer.send("/sign-out", {})
    assert 'name="code"' not in (await officer.get("/sign-in")).text


async def test_a_missing_key_does_not_open_the_door(
    page: Browser,
    database: Database,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who set one up can't sign in until the key is set again; the log names the setting."""
    await set_up(page, clock)
    app, _ = page_app(database, clock)
    keyless = Browser(app, "http://desk")
    async with keyless.http:
        assert (await keyless.sign_in("olivia")).status_code == 403

    assert "PURPOSEWATCH_REPORTER_TOTP_KEY" in capsys.readouterr().out + caplog.text


async def test_the_database_alone_gives_no_code(
    page: Browser, database: Database, clock: Clock
) -> None:
    """Secrets need the service's key, and recovery codes are hashed with it."""
    secret, codes = await set_up(page, clock)
    async with database.reading() as connection:
        factor = (await connection.execute(select(second_factors))).one()
        hashes = set((await connection.execute(select(recovery_codes.c.code_hash))).scalars())

    assert TotpKey(SecretStr(KEY)).secret(factor.salt) == secret
    assert TotpKey(SecretStr("f" * 32)).secret(factor.salt) != secret
    assert hashes == {TotpKey(SecretStr(KEY)).recovery_hash("olivia", code) for code in codes}
    plain = {hashlib.sha256(code.encode()).digest() for code in codes}
    assert not hashes & plain


async def test_a_user_is_removed_with_the_second_factor(
    page: Browser, database: Database, clock: Clock
) -> None:
    """And with the recovery codes."""
    await set_up(page, clock)
    async with database.writing() as connection:
        assert await remove_user(connection, "olivia")
        assert (await connection.execute(select(second_factors))).all() == []
        assert (await connection.execute(select(recovery_codes))).all() == []


async def test_the_command_resets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For somebody who lost phone and recovery codes; it needs no key."""
    database = empty_database(tmp_path)
    url = database._url.render_as_string(hide_password=False)
    key = TotpKey(SecretStr(KEY))
    async with database.writing() as connection:
        await add_user(connection, User("ling", Role.VIEWER), NOW)
        factor = await begin_second_factor(connection, "ling")
        assert factor is not None
        code = code_of(key.secret(factor.salt), Clock())
        assert await confirm_second_factor(connection, key, factor, code, NOW)
    await database.stop()
    monkeypatch.setenv("PURPOSEWATCH_DATABASE_URL", url)

    assert await asyncio.to_thread(run_command, ["reset-second-factor", "ling"]) == 0
    assert capsys.readouterr().out == "removed the second factor of ling\n"
    assert await asyncio.to_thread(run_command, ["reset-second-factor", "ling"]) == 1
    assert await asyncio.to_thread(run_command, ["reset-second-factor", "nobody"]) == 1
    assert "has no second factor" in capsys.readouterr().err
