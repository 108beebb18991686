"""Take the pictures of docs/foresight.md: `python -m docs.foresight_pictures`, from the root.

Walks through what counsel does with a new version, as the test does.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Page

from docs.screenshots import HEIGHT, IMAGES, WIDTH
from tests.e2e.foresight_walk import (
    CONTROLLER,
    NEW,
    as_version,
    go_live,
    make_exceptions,
    own_policies,
    try_policy,
)
from tests.e2e.page_stage import browser_of, chromium, running_page

EVENTS = 3_000
IN_DARK = "foresight-effect"
"""The picture that is taken in dark colours as well."""


async def picture(page: Page, name: str) -> None:
    """The page as somebody sees it who has just asked; its colours follow the system's."""
    await page.mouse.move(0, 0)
    for scheme in ("light", "dark") if name == IN_DARK else ("light",):
        suffix = "-dark" if scheme == "dark" else ""
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.evaluate("window.scrollTo(0, 0)")
        await page.screenshot(path=IMAGES / f"{name}{suffix}.png")
    await page.emulate_media(color_scheme="light")


async def take() -> None:
    """Write every picture."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        policies = own_policies(directory)
        async with (
            running_page(
                directory, events=EVENTS, policies_dir=policies, policies_reload_seconds=0.5
            ) as desk,
            browser_of(chromium()) as browser,
        ):
            viewport = {"width": WIDTH, "height": HEIGHT}
            context = await browser.new_context(base_url=desk.base_url, viewport=viewport)  # type: ignore[arg-type]
            page = await context.new_page()
            await page.goto("/sign-in")
            await page.fill("[name=username]", "officer")
            await page.fill("[name=password]", desk.password)
            await page.press("[name=password]", "Enter")
            await page.wait_for_selector("header nav")
            text = await try_policy(page, picture)
            draft = policies / CONTROLLER / f"policy.{NEW}.yaml"
            await asyncio.to_thread(draft.write_text, as_version(text))
            await make_exceptions(desk, policies, directory)
            await go_live(page, desk, draft)
            await page.click(".rows tbody tr th a")
            await page.wait_for_selector(".reason")
            await picture(page, "foresight-live")


if __name__ == "__main__":
    asyncio.run(take())
