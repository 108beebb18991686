"""Templates, and what they may call."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from purposewatch_policy.flow_map import themed_style

_NOTHING = "\N{EN DASH}"

ASSETS = {
    "page.css": "text/css; charset=utf-8",
    "map.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@cache
def asset(name: str) -> bytes:
    """The content of a file that belongs to the page."""
    if name == "map.css":
        return themed_style(".flow-map").encode()
    return (files("purposewatch_reporter.web") / "assets" / name).read_bytes()


@cache
def asset_address(name: str) -> str:
    """Where a browser gets it; another content has another address."""
    return f"/assets/{hashlib.sha256(asset(name)).hexdigest()[:12]}/{name}"


def shown_time(time: datetime | None, *, seconds: bool = True) -> str:
    """A time as the page writes it, in UTC."""
    if time is None:
        return _NOTHING
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def shown_zoned(time: datetime) -> str:
    """A policy's date as it was declared, in its own zone."""
    return f"{time:%Y-%m-%d %H:%M} {time.tzname()}"


def shown_ticks(text: str) -> Markup:
    """A text in which what stands between backticks is code, as in the engine's explanations."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def shown_number(number: int | None) -> str:
    """A number with its thousands apart."""
    return _NOTHING if number is None else f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


class Rendering:
    """Fills templates; everything that is put in is escaped."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("purposewatch_reporter.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            time=shown_time, number=shown_number, ticks=shown_ticks, zoned=shown_zoned
        )
        self._environment.globals.update(asset=asset_address)

    def render(self, template: str, context: dict[str, Any]) -> str:
        """The filled template."""
        return self._environment.get_template(template).render(context)
