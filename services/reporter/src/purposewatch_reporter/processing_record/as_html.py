"""A record as a page of HTML to print, which needs nothing but itself."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from purposewatch_policy.flow_map import draw, themed_style
from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.flow_map import record_map
from purposewatch_reporter.processing_record.record import ActivityStatus
from purposewatch_reporter.processing_record.words import shown_day, shown_number
from purposewatch_runtime.http import content_security_policy

_PACKAGE = "purposewatch_reporter.processing_record"


def as_html(document: RecordDocument) -> str:
    """Return the page."""
    shown = record_map(document.record, document.words, heading=document.name)
    return (
        _environment()
        .get_template("record.html")
        .render(
            document=document,
            total=document.record.total,
            statuses=list(ActivityStatus),
            language=document.words.language,
            t=document.words.text,
            map=shown,
            picture=Markup(draw(shown.drawn, is_styled=False)),  # noqa: S704 - the drawing escapes
            style=Markup(_style()),  # noqa: S704 - our own
        )
    )


@cache
def html_policy() -> str:
    """Return the content security policy of the page: it has its own style, and loads nothing."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return content_security_policy(style=f"'sha256-{digest}'")


@cache
def _style() -> str:
    own = (files(_PACKAGE) / "templates" / "record.css").read_text(encoding="utf-8")
    return own + themed_style(".flow-map")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=shown_number, day=shown_day)
    return environment
