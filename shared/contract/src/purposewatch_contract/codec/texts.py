"""The alphabets of `terms` for readers that match with Python's regular expressions."""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta

from purposewatch_contract import terms
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
"""Moments as the gate and the auditor write them; the models know more ways.

Whether the calendar has it is left to `datetime.fromisoformat`, which must see nothing else: it
takes much that is no RFC 3339, and cuts off or rounds where the models do otherwise.
"""

_GROUP = re.compile(r"\((?!\?)")


def body(pattern: str) -> str:
    r"""The pattern without its anchors and without groups that capture.

    In Python `$` matches before a final line break as well. Whoever puts the body to use must
    anchor it with `\Z` or `fullmatch`.
    """
    return f"(?:{_GROUP.sub('(?:', pattern.removeprefix('^').removesuffix('$'))})"


def _exactly(pattern: str) -> str:
    return rf"\A{body(pattern)}\Z"


Term: TypeAlias = Annotated[str, Meta(pattern=_exactly(TERM_PATTERN), max_length=128)]
Controller: TypeAlias = Annotated[str, Meta(pattern=_exactly(CONTROLLER_PATTERN))]
Pseudonym: TypeAlias = Annotated[str, Meta(pattern=_exactly(terms.PSEUDONYM_PATTERN))]
