"""Cursors: the position of a row in a list, encoded in the page's URL."""

import base64
import binascii
import json
from datetime import datetime
from typing import NamedTuple


class Key(NamedTuple):
    """A violation's place in the order of time."""

    time: datetime
    id: str


class Cursor(NamedTuple):
    """A place in a list; `phase` counts the severities when those come first."""

    phase: int
    key: Key | None

    def written(self) -> str:
        """As it stands in the address."""
        key = None if self.key is None else [self.key.time.isoformat(), self.key.id]
        text = json.dumps([self.phase, key], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_cursor(text: str | None) -> Cursor | None:
    """The place that was written; `None` for nothing, and for what nobody wrote."""
    if not text:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        phase, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if key is None:
            return Cursor(int(phase), None)
        time = datetime.fromisoformat(key[0])
        if time.tzinfo is None or not isinstance(key[1], str):
            return None
        return Cursor(int(phase), Key(time, key[1]))
    except (ValueError, TypeError, IndexError, KeyError, binascii.Error, OverflowError):
        return None
