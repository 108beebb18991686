"""Which windows a batch may have filled. Pure.

Time is divided into slices of a tenth of a window, counted from 1970. A window is ten slices in a
row, and one begins with every slice. What happens within nine tenths of the window's length is
therefore always within one window.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from purposewatch_reporter.counting.rule import SLICES


class Window(NamedTuple):
    """Ten slices in a row."""

    first: int
    """Its first slice, in which something was counted."""
    total: int
    """The sum of its slices' counts: of distinct subjects, an upper bound."""


def slice_of(time: datetime, slice_seconds: int) -> int:
    """The slice that a time is in."""
    return int(time.timestamp() // slice_seconds)


def start_of(slice_: int, slice_seconds: int) -> datetime:
    """When a slice begins."""
    return datetime.fromtimestamp(slice_ * slice_seconds, UTC)


def windows_over(
    counts: Mapping[int, int], touched: Collection[int], more_than: int
) -> list[Window]:
    """The windows around the touched slices whose sum exceeds the threshold, in order.

    `counts` are those of the slices around them. Left out is a window that another one contains, as
    far as anything was counted in it: it can't have more.
    """
    slices = sorted(counts)
    found: list[Window] = []
    covered = -1  # the index of the last slice of the window before
    for index, first in enumerate(slices):
        last = bisect_right(slices, first + SLICES - 1) - 1
        if last <= covered:
            continue
        covered = last
        inside = slices[index : last + 1]
        total = sum(counts[each] for each in inside)
        if total > more_than and any(each in touched for each in inside):
            found.append(Window(first, total))
    return found
