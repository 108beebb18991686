"""Take the screenshots of the compliance page: `python -m docs.screenshots`, from the root.

Real services audit two weeks of the demonstration's traffic; Chromium shows the page.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from tests.e2e.page_stage import browser_of, chromium, running_page

IMAGES = Path(__file__).parent / "images"
EVENTS = 6_000
WIDTH, HEIGHT = 1280, 900

_OPEN_FIRST = ".rows tbody tr:first-child th a"

Scheme = Literal["light", "dark"]


class Picture(NamedTuple):
    """A page, or a part of it, as one reader sees it."""

    name: str
    address: str
    click: str | None = None
    part: str | None = None
    scheme: Scheme = "light"
    locale: str = "en-GB"


PICTURES = (
    Picture("page-overview", "/"),
    Picture("page-violation", "/violations?kind=undeclared_purpose", click=_OPEN_FIRST),
    Picture("page-findings", "/findings?order=severity", scheme="dark", locale="zh-CN"),
    Picture("page-record", "/records/linggan-house"),
    Picture("page-map", "/records/linggan-house", part=".flow-map svg", scheme="dark"),
    Picture("page-vocabulary", "/vocabulary?controller=wework-labs&q=licence+plat"),
)


async def take() -> None:
    """Write every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        async with (
            running_page(Path(directory), events=EVENTS) as desk,
            browser_of(chromium()) as browser,
        ):
            for picture in PICTURES:
                context = await browser.new_context(
                    base_url=desk.base_url,
                    color_scheme=picture.scheme,
                    locale=picture.locale,
                    viewport={"width": WIDTH, "height": HEIGHT},
                )
                page = await context.new_page()
                await page.goto(picture.address)
                await page.fill("[name=username]", "officer")
                await page.fill("[name=password]", desk.password)
                await page.press("[name=password]", "Enter")
                await page.wait_for_selector("header nav")
                if picture.click is not None:
                    await page.click(picture.click)
                    await page.wait_for_selector(".remedy")
                shown = page if picture.part is None else page.locator(picture.part)
                await shown.screenshot(path=IMAGES / f"{picture.name}.png")
                await context.close()


if __name__ == "__main__":
    asyncio.run(take())
