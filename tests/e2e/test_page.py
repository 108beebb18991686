"""The page as an officer uses it: a real browser, real services, keyboard and all."""

import csv
import io
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect
from pyotp import TOTP

from tests.e2e.page_stage import (
    RunningPage,
    browser_of,
    chromium,
    desk_events,
    running_page,
    users_command,
)

pytestmark = [pytest.mark.timeout(240, func_only=True), pytest.mark.asyncio(loop_scope="module")]

EVENTS = 3_000
PAGES = (
    "/",
    "/violations?kind=prohibited",
    "/findings",
    "/policies",
    "/account",
    "/exports",
    "/flows",
    "/gaps",
    "/late-facts",
    "/discovery",
    "/shadow",
    "/violations?since=never",
    "/vocabulary?q=licence+plate",
    "/what-if",
    "/records/linggan-house",
    "/policies/wework-labs/2018-05-25",
)
_SERIOUS = ("serious", "critical")
_PICTURES = os.environ.get("PURPOSEWATCH_PICTURES")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningPage]:
    """Services with two weeks of events."""
    chromium()
    async with running_page(tmp_path_factory.mktemp("desk"), events=EVENTS) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The machine's Chromium."""
    async with browser_of(chromium()) as opened:
        yield opened


async def open_page(browser: Browser, desk: RunningPage, **options: Any) -> Page:
    """A page in a context of its own, where no script may fail."""
    context = await browser.new_context(base_url=desk.base_url, **options)
    page = await context.new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    return page


async def sign_in(page: Page, username: str, password: str) -> None:
    """Fill in the sign-in form and send it."""
    await page.goto("/sign-in")
    await page.get_by_label("User name").fill(username)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/")


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, desk: RunningPage) -> AsyncIterator[Page]:
    """The officer's page, signed in."""
    opened = await open_page(browser, desk)
    await sign_in(opened, "officer", desk.password)
    yield opened
    await opened.context.close()


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the keyboard is on such an element."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("css => document.activeElement.matches(css)", selector):
            return
    pytest.fail(f"the keyboard never comes to {selector} on {page.url}")


async def serious_faults(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page."""
    results = await Axe().run(page)
    return [
        f"{fault['id']}: {node['html'][:160]}"
        for fault in results.response["violations"]
        if fault["impact"] in _SERIOUS
        for node in fault["nodes"]
    ]


async def test_a_violation_is_found_understood_and_triaged(page: Page, desk: RunningPage) -> None:
    """Sign in, filter, open, triage; the filter stays in the address."""
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await expect(page.get_by_text("Reconciled", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Violations", exact=True).click()
    await page.get_by_role("combobox", name="Kind").select_option("undeclared_third_party_sharing")
    await page.wait_for_url("**/violations?kind=undeclared_third_party_sharing")
    kinds = await page.locator(".rows tbody tr td:nth-child(3)").all_inner_texts()
    assert set(kinds) == {"Undeclared sharing"}

    await page.locator(".rows tbody tr th a").first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Undeclared sharing")
    await expect(page.get_by_text("does not declare that this recipient").first).to_be_visible()
    # which of them, and what else fails, depends on the violation that happens to be the latest
    decisive = re.compile(r"^\s*(Recipient|Data category|Purpose)")
    failed = page.locator("tr.fails").filter(has_text=decisive).first
    await expect(failed).to_contain_text("Not covered")
    await expect(
        page.get_by_text("smallest change that would make it permitted").first
    ).to_be_visible()

    await page.get_by_role("button", name="False positive").click()
    await expect(page.get_by_role("alert")).to_have_text("Give a reason in the comment.")
    await page.get_by_label("Comment", exact=True).fill("A test <b>call</b>.")
    await page.get_by_role("button", name="False positive").click()
    await expect(page.locator(".trail li").first).to_contain_text("marked as false positive")
    await expect(page.locator(".trail .comment").first).to_have_text("A test <b>call</b>.")
    await expect(page.locator(".head .status")).to_have_text("False positive")


async def test_a_filter_is_exported(page: Page) -> None:
    """What the file holds is what the list shows."""
    await page.goto("/violations?publisher=marketing")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Export CSV").click()
    path = await (await started.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert {row["publisher"] for row in rows} == {"marketing"}

    async with page.expect_download() as started:
        await page.get_by_role("link", name="Export JSON Lines").click()
    path = await (await started.value).path()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in rows]


async def test_everything_is_done_with_the_keyboard_alone(
    browser: Browser, desk: RunningPage
) -> None:
    """Sign in, skip to the content, walk through the rows, open one, acknowledge it."""
    page = await open_page(browser, desk)
    await page.goto("/violations?status=open")
    await page.keyboard.type("officer")
    await page.keyboard.press("Tab")
    await page.keyboard.type(desk.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/violations?status=open")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await tab_to(page, ".rows tbody th a")
    second = page.locator(".rows tbody tr:nth-child(2) th a")
    await page.keyboard.press("ArrowDown")
    await expect(second).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/violations/*")
    await tab_to(page, "button[value=acknowledge]")
    await page.keyboard.press("Enter")

    await expect(page.locator(".head .status")).to_have_text("Acknowledged")
    await page.context.close()


async def test_new_violations_appear_by_themselves(page: Page, desk: RunningPage) -> None:
    """Without loading the page again; and not while live updates are switched off."""
    await page.goto("/violations?publisher=marketing")
    first = await page.locator(".rows tbody tr").first.get_attribute("data-id")
    fresh = [
        event
        for event in desk_events(400, until=datetime.now(UTC), seed=99)
        if b'"marketing"' in event
    ]
    await desk.publish([event.replace(b'"id":"', b'"id":"new-', 1) for event in fresh])

    await page.mouse.move(0, 0)
    await expect(page.locator(".rows tbody tr.fresh").first).to_be_attached(timeout=20_000)
    shown = await page.locator(".rows tbody tr").evaluate_all("rows => rows.map(r => r.dataset.id)")
    assert first in shown
    await expect(page.get_by_label("Live")).to_be_checked()


async def test_the_page_works_without_scripts(browser: Browser, desk: RunningPage) -> None:
    """Signing in, filtering, turning pages and changing the language."""
    page = await open_page(browser, desk, java_script_enabled=False)
    await sign_in(page, "officer", desk.password)
    await page.goto("/violations")
    await page.get_by_label("Publisher").select_option("marketing")
    await page.get_by_role("button", name="Apply filters").click()
    assert page.url.endswith("/violations?publisher=marketing")
    await page.goto("/violations")
    await page.get_by_role("link", name="Next page").click()
    await page.get_by_role("link", name="Previous page").click()
    await page.get_by_label("Language", exact=True).select_option("zh")
    await page.get_by_role("button", name="Apply", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("违规")
    await page.context.close()


async def test_the_documentation_works_under_its_policy(
    browser: Browser, desk: RunningPage
) -> None:
    """Swagger UI shows the routes and needs nothing that its content security policy forbids."""
    opened = await open_page(browser, desk)
    blocked: list[str] = []
    opened.on("console", lambda line: blocked.append(line.text))
    await opened.goto("/docs")
    await expect(opened.locator(".opblock").first).to_be_visible()
    await opened.goto("/asyncapi")
    await expect(opened.locator("body")).to_have_css("font-family", "sans-serif")
    await opened.context.close()

    assert [line for line in blocked if "Content Security Policy" in line] == []


async def test_the_page_speaks_chinese(browser: Browser, desk: RunningPage) -> None:
    """As the browser asks for it, down to the terms of the vocabulary."""
    page = await open_page(browser, desk, locale="zh-CN")
    await page.goto("/sign-in")
    await page.get_by_label("用户名").fill("officer")
    await page.get_by_label("密码").fill(desk.password)
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("heading", name="总览")).to_be_visible()
    await page.goto("/violations?kind=undeclared_purpose")
    await page.locator(".rows tbody tr th a").first.click()

    await expect(page.get_by_role("heading", level=1)).to_have_text("未声明的目的")
    await expect(page.locator(".story").first).to_contain_text("服务“")
    assert await page.evaluate("document.documentElement.lang") == "zh-Hans"
    await page.context.close()


async def test_dark_is_the_systems_choice_and_the_readers(
    browser: Browser, desk: RunningPage
) -> None:
    """The reader's own choice wins, and stays."""
    page = await open_page(browser, desk, color_scheme="dark")
    await sign_in(page, "officer", desk.password)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(background)
    await page.get_by_label("Colours", exact=True).select_option("light")
    await page.wait_for_selector('html[data-theme="light"]')
    light = await page.evaluate(background)
    await page.reload()

    assert dark != light
    assert await page.evaluate(background) == light
    await page.context.close()


async def test_a_viewer_reads_only(browser: Browser, desk: RunningPage) -> None:
    """The account that the command made; removing it ends its session."""
    page = await open_page(browser, desk)
    await sign_in(page, "victor", desk.viewer_password)
    await page.goto("/violations")
    await page.locator(".rows tbody tr th a").first.click()
    await expect(page.get_by_text("Your role is read-only.")).to_be_visible()
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    users_command(desk.environment, "remove", "victor")
    await page.goto("/violations")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.context.close()


async def test_a_second_factor_is_set_up_and_asked_for(
    browser: Browser, desk: RunningPage, tmp_path: Path
) -> None:
    """Scan or copy the secret, confirm, store the recovery codes; then sign in with a code."""
    line = users_command(desk.environment, "add", "tova", "--role", "viewer")
    password = line.rpartition(" ")[2]
    page = await open_page(browser, desk, viewport={"width": 390, "height": 900})
    pictures = Path(_PICTURES) if _PICTURES else tmp_path
    await sign_in(page, "tova", password)
    await page.goto("/account")
    await page.get_by_role("link", name="Second factor").click()
    await page.get_by_role("button", name="Set up").click()
    await expect(page.get_by_role("img", name="QR code with the secret below")).to_be_visible()
    await page.screenshot(path=pictures / "second-factor.png", full_page=True)
    assert await serious_faults(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    secret = (await page.locator(".secret").inner_text()).replace(" ", "")
    await page.get_by_label("Current password").fill(password)
    await page.get_by_role("textbox", name="Code").fill(TOTP(secret).now())
    await page.get_by_role("button", name="Confirm").click()
    codes = await page.locator(".recovery code").all_inner_texts()
    await page.screenshot(path=pictures / "recovery-codes.png", full_page=True)
    assert len(codes) == 10
    assert await serious_faults(page) == []

    await page.get_by_role("link", name="I have stored them").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("User name").fill("tova")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("User name, password or code is wrong.")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("textbox", name="Code").fill(codes[0])
    await page.screenshot(path=pictures / "sign-in.png", full_page=True)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/")
    await page.goto("/account/second-factor")
    await expect(page.get_by_text("Recovery codes left: 9.")).to_be_visible()
    await page.context.close()


async def test_a_record_is_read_by_keyboard_and_taken_away(page: Page) -> None:
    """The map is a table as well, an activity opens, and the record is a file or a print."""
    await page.get_by_role("link", name="Records", exact=True).click()
    await page.get_by_role("link", name="linggan-house").click()
    await expect(page.get_by_role("img", name="Whose data went where for what")).to_be_visible()
    await tab_to(page, ".flow-map summary")
    await page.keyboard.press("Enter")
    paths = page.locator(".flow-map table tbody tr")
    await expect(paths.first).to_be_visible()
    assert await paths.count() == len({await each.inner_text() for each in await paths.all()}) > 3
    await tab_to(page, ".activities summary")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("columnheader", name="Declared").first).to_be_visible()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Word").click()
    assert (await started.value).suggested_filename.startswith("record-linggan-house-")
    await page.get_by_role("link", name="To print").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "Record of processing activities"
    )
    # its own style holds, which the content security policy allows by its digest
    assert await page.evaluate("getComputedStyle(document.body).maxWidth") == "1080px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_keeps_anybody_from_using_it(
    browser: Browser, desk: RunningPage, scheme: Any
) -> None:
    """No page has a fault that axe-core calls serious; and none is wider than the screen."""
    page = await open_page(browser, desk, color_scheme=scheme)
    await page.goto("/sign-in")
    assert await serious_faults(page) == []
    await sign_in(page, "officer", desk.password)
    for path in PAGES:
        await page.goto(path)
        if path == "/findings":
            await page.locator(".rows tbody tr th a").first.click()
            assert await serious_faults(page) == [], page.url
            await page.goto("/violations")
            await page.locator(".rows tbody tr th a").first.click()
        assert await serious_faults(page) == [], page.url
    await page.context.close()


@pytest.mark.parametrize("width", [390, 820, 1440])
async def test_pages_fit_the_screen(
    browser: Browser, desk: RunningPage, width: int, tmp_path: Path
) -> None:
    """On a phone, a tablet and a desktop only tables scroll sideways."""
    page = await open_page(browser, desk, viewport={"width": width, "height": 900})
    await sign_in(page, "officer", desk.password)
    pictures = Path(_PICTURES) if _PICTURES else tmp_path
    for number, path in enumerate(PAGES):
        await page.goto(path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        await page.screenshot(path=pictures / f"{number}-{width}.png", full_page=True)
        assert wide <= width, (path, wide)
    await page.context.close()
