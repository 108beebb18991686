"""The short form in which a connection, role or query names who acts: `service:purpose`."""

import re

NAMED_PATTERN = r"([A-Za-z0-9][A-Za-z0-9._-]*)(?::([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*))?"
"""`service` or `service:purpose`."""

_NAMED = re.compile(NAMED_PATTERN)


def named(text: str) -> re.Match[str] | None:
    """Match a text that is `service` or `service:purpose` as a whole, in groups 1 and 2."""
    return _NAMED.fullmatch(text)
