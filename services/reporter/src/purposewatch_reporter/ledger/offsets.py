"""A set of offsets, kept as sorted disjoint intervals: normally one, however many offsets."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence

MAX_INTERVALS = 10_000
"""A set with more holes than this is not a backlog but a broken producer."""


class TooManyIntervalsError(Exception):
    """The set would get more intervals than allowed."""


class OffsetSet:
    """Offsets that are accounted for.

    INVARIANT: `starts` and `ends` describe half-open intervals that are sorted, not empty and
    apart from each other (adjacent ones are merged), so equal sets have equal representations.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in intervals:
            if start >= end or (self._ends and start <= self._ends[-1]):
                message = f"intervals must be sorted, apart and not empty; got `{start}..{end}`"
                raise ValueError(message)
            self._starts.append(start)
            self._ends.append(end)

    @classmethod
    def from_json(cls, text: str) -> "OffsetSet":
        """The set that `to_json` wrote."""
        return cls((start, end) for start, end in json.loads(text))

    def to_json(self) -> str:
        """The intervals as JSON, `[[start, end], …]`."""
        return json.dumps(self.intervals(), separators=(",", ":"))

    def add(self, offset: int, *, limit: int | None = None) -> bool:
        """Add one offset; False when it was there before.

        Raises `TooManyIntervalsError` when it joins none of `limit` intervals.
        """
        starts, ends = self._starts, self._ends
        if ends and offset == ends[-1]:  # by far the most frequent case: the next one in order
            ends[-1] += 1
            return True
        at = bisect_right(starts, offset)  # the interval before `at` starts at or below offset
        if at and offset < ends[at - 1]:
            return False
        joins_left = at > 0 and ends[at - 1] == offset
        joins_right = at < len(starts) and starts[at] == offset + 1
        if joins_left and joins_right:
            ends[at - 1] = ends.pop(at)
            starts.pop(at)
        elif joins_left:
            ends[at - 1] += 1
        elif joins_right:
            starts[at] -= 1
        else:
            allowed = MAX_INTERVALS if limit is None else limit
            if len(starts) >= allowed:
                message = f"more than {allowed} separate ranges of offsets"
                raise TooManyIntervalsError(message)
            starts.insert(at, offset)
            ends.insert(at, offset + 1)
        return True

    def extend(self, offset: int, size: int) -> bool:
        """Add offsets in a row, if the set is empty or ends where they begin; else False."""
        starts, ends = self._starts, self._ends
        if not ends:
            starts.append(offset)
            ends.append(offset)
        if offset != ends[-1]:
            return False
        ends[-1] += size
        return True

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset)
        return at > 0 and offset < self._ends[at - 1]

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def intervals(self) -> Sequence[tuple[int, int]]:
        """The half-open intervals, in order."""
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def first(self) -> int | None:
        """The lowest offset; `None` when the set is empty."""
        return self._starts[0] if self._starts else None

    @property
    def end(self) -> int:
        """One above the highest offset; 0 when the set is empty."""
        return self._ends[-1] if self._ends else 0

    def gaps(self, base: int) -> Sequence[tuple[int, int]]:
        """The half-open ranges from `base` on that lack offsets below `end`, in order."""
        found = []
        reached = base
        for start, end in zip(self._starts, self._ends, strict=True):
            if start > reached:
                found.append((reached, start))
            reached = max(reached, end)
        return found
