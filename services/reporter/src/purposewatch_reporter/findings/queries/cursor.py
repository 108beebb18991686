"""Cursors of the page's lists: the position of a row, encoded in the address."""

from typing import NamedTuple

from purposewatch_reporter import parameters
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.parameters import Key, key_parts, read_key, write_cursor


class Cursor(NamedTuple):
    """A place in a list; `phase` counts the severities when those come first."""

    phase: int
    key: Key | None

    def written(self) -> str:
        """As it stands in the address."""
        return write_cursor([self.phase, None if self.key is None else key_parts(self.key)])


def read_cursor(text: str) -> Cursor:
    """The place that was written; ValueError for what nobody wrote."""
    match parameters.read_cursor(text):
        case [int() as phase, parts] if 0 <= phase < len(Severity):
            return Cursor(phase, None if parts is None else read_key(parts))
    message = "not a cursor"
    raise ValueError(message)
