"""The walk of docs/foresight.md: counsel changes a policy, and sees what that does beforehand."""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from tests.e2e.foresight_walk import (
    CONTROLLER,
    NEW,
    as_version,
    go_live,
    make_exceptions,
    own_policies,
    silences,
    try_policy,
)
from tests.e2e.page_stage import browser_of, chromium, running_page

EVENTS = 400


async def _look(page: Page, name: str) -> None:
    """Every picture is of a page without a serious fault of accessibility."""
    results = await Axe().run(page)
    faults = [
        f"{name}: {each['id']}"
        for each in results.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert faults == []
    overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(overflow)


@pytest.mark.timeout(240)
async def test_counsel_takes_the_public_out_of_a_policy(tmp_path: Path) -> None:
    """Edit, correct, see the effect, make exceptions, go live: what was said comes true."""
    program = chromium()
    policies = own_policies(tmp_path)
    async with (
        running_page(
            tmp_path,
            events=EVENTS,
            policies_dir=policies,
            policies_reload_seconds=0.5,
        ) as desk,
        browser_of(program) as browser,
    ):
        page = await (await browser.new_context(base_url=desk.base_url)).new_page()
        await page.goto("/sign-in")
        await page.get_by_label("User name").fill("officer")
        await page.get_by_label("Password").fill(desk.password)
        await page.get_by_role("button", name="Sign in").click()
        text = await try_policy(page, _look)

        draft = policies / CONTROLLER / f"policy.{NEW}.yaml"
        draft.write_text(as_version(text))
        needed = await make_exceptions(desk, policies, tmp_path)
        granted = await silences(desk)
        assert {each["matchers"]["recipient"] for each in granted} == {"public"}
        assert {each["exception"]["owner"] for each in granted} == {"collections"}
        assert needed.count('recipient: "public"') == len(granted) == 2  # a category each

        await go_live(page, desk, draft)
        await page.locator(".rows tbody tr th a").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Undeclared sharing")
        await page.get_by_role("link", name="Undeclared sharing").first.click()
        await expect(page.locator("#silence")).to_contain_text("by counsel")
