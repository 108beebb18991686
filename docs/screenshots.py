"""Take the screenshots of docs/compliance-page.md: `python -m docs.screenshots`, from the root.

Real services audit two weeks of the demonstration's traffic; Chromium shows the page.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from tests.e2e.page_stage import browser_of, chromium, running_page

IMAGES = Path(__file__).parent / "images"
EVENTS = 6_000
WIDTH, HEIGHT = 1280, 900

_OPEN_FIRST = ".rows tbody tr:first-child th a"

Scheme = Literal["light", "dark"]
PICTURES: tuple[tuple[str, str, str | None, Scheme, str], ...] = (
    ("page-overview", "/", None, "light", "en-GB"),
    ("page-violation", "/violations?kind=undeclared_purpose", _OPEN_FIRST, "light", "en-GB"),
    ("page-findings", "/findings?order=severity", None, "dark", "zh-CN"),
    ("page-record", "/records/linggan-house", None, "light", "en-GB"),
    (
        "page-vocabulary",
        "/vocabulary?controller=wework-labs&q=licence+plat",
        None,
        "light",
        "en-GB",
    ),
)
"""Name, address, what to click there, colours, language."""


async def take() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        async with (
            running_page(Path(directory), events=EVENTS) as desk,
            browser_of(chromium()) as browser,
        ):
            for name, address, opened, scheme, locale in PICTURES:
                context = await browser.new_context(
                    base_url=desk.base_url,
                    color_scheme=scheme,
                    locale=locale,
                    viewport={"width": WIDTH, "height": HEIGHT},
                )
                page = await context.new_page()
                await page.goto(address)
                await page.fill("[name=username]", "officer")
                await page.fill("[name=password]", desk.password)
                await page.press("[name=password]", "Enter")
                await page.wait_for_selector("header nav")
                if opened is not None:
                    await page.click(opened)
                    await page.wait_for_selector(".remedy")
                await page.screenshot(path=IMAGES / f"{name}.png")
                await context.close()


if __name__ == "__main__":
    asyncio.run(take())
