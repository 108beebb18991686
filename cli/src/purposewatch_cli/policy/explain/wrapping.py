"""Breaks lines as Chinese does: between any two characters, but within no term."""

import re
from collections.abc import Iterator

from rich.cells import cell_len

# a run of Latin text, or one other character; with the closing punctuation that belongs to it
_UNIT = re.compile(r"(?:[「（《“]*(?:[!-~]+|[^\s「（《“])|[「（《“]+)[，。；：、」）》”？！…]*| +")  # noqa: RUF001 - Chinese punctuation is meant


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text that are at most so many columns wide, where that can be done."""
    line = ""
    for unit in _UNIT.findall(text):
        if line and cell_len(line) + cell_len(unit.rstrip()) > width:
            yield line.rstrip()
            line = unit.lstrip()
        else:
            line += unit
    if line.rstrip():
        yield line.rstrip()
