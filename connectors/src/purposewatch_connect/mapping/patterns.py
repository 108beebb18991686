"""Finds the value of the most specific pattern that matches a name."""

import re
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from purposewatch_policy import BoundedCache

T = TypeVar("T")

_CACHED_NAMES = 10_000
_NOTHING: tuple[None] = (None,)


class PatternTable(Generic[T]):
    """Values by pattern: `*` stands for any characters, `?` for one. Case does not matter.

    A name without wildcards comes first, then the pattern with the most other characters, then the
    one with the fewest wildcards, then the one that stands first.
    """

    def __init__(self, entries: Iterable[tuple[str, T]] = ()) -> None:
        self._exact: dict[str, T] = {}
        patterns: list[tuple[tuple[int, int, int], re.Pattern[str], T]] = []
        self._entries = tuple(entries)
        for number, (pattern, value) in enumerate(self._entries):
            wildcards = len(re.findall(r"[*?]", pattern))
            if not wildcards:
                self._exact.setdefault(pattern.casefold(), value)
                continue
            rank = (wildcards - len(pattern), wildcards, number)
            patterns.append((rank, _compile(pattern), value))
        self._patterns = [entry[1:] for entry in sorted(patterns, key=lambda entry: entry[0])]
        self._found: BoundedCache[str, tuple[T | None]] = BoundedCache(_CACHED_NAMES)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> T | None:
        """Return the value for a name, or `None` when no pattern matches it."""
        found = self._found.get(name)
        if found is None:
            found = (self._look_up(name.casefold()),)
            self._found.put(name, found)
        return found[0]

    def _look_up(self, name: str) -> T | None:
        if name in self._exact:
            return self._exact[name]
        return next((value for pattern, value in self._patterns if pattern.fullmatch(name)), None)


def _compile(pattern: str) -> re.Pattern[str]:
    """Return an expression that is matched in time linear in the pattern times the name."""
    first, *rest = (
        "".join("." if char == "?" else re.escape(char) for char in part)
        for part in re.split(r"\*+", pattern.casefold())
    )
    # Between two wildcards the first match is as good as any: atomic groups don't try others.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    end = f".*{rest[-1]}" if rest else ""
    return re.compile(first + middle + end, re.DOTALL)
