"""The alphabets of `terms`, for decoders that match with Python's regular expressions."""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta

from purposewatch_contract import terms
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
"""Timestamps as ingest and the auditor write them; the models accept more notations.

The calendar is checked by `datetime.fromisoformat`, which must see nothing else: it accepts much
that is not RFC 3339, and truncates or rounds where the models do otherwise.
"""

COUNT = r"(?:[1-9][0-9]{0,5}|1000000)"
"""An event's count in digits: `terms.Count`."""

_GROUP = re.compile(r"\((?!\?)")


def unanchored(pattern: str) -> str:
    r"""The pattern without its anchors and without capturing groups.

    In Python `$` also matches before a final line break, so the caller must anchor the result with
    `\Z` or `fullmatch`.
    """
    return f"(?:{_GROUP.sub('(?:', pattern.removeprefix('^').removesuffix('$'))})"


def exactly(pattern: str) -> str:
    """The pattern anchored to the whole text."""
    return rf"\A{unanchored(pattern)}\Z"


Term: TypeAlias = Annotated[str, Meta(pattern=exactly(TERM_PATTERN), max_length=128)]
Controller: TypeAlias = Annotated[str, Meta(pattern=exactly(CONTROLLER_PATTERN))]
Pseudonym: TypeAlias = Annotated[str, Meta(pattern=exactly(terms.PSEUDONYM_PATTERN))]
