"""The differences between expected and found, grouped by the guarantee that they violate."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

_SHOWN = 10


class Differences:
    """Violated guarantees, each with all its examples."""

    def __init__(self) -> None:
        self._examples: dict[str, list[str]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._examples)

    def note(self, guarantee: str, example: object) -> None:
        """Add an example of a violated guarantee."""
        self._examples[guarantee].append(str(example))

    def compare(
        self, what: str, expected: Mapping[Any, object], found: Mapping[Any, object]
    ) -> None:
        """Compare what was found with what was expected, key by key."""
        for key, value in expected.items():
            if key not in found:
                self.note(f"{what}: missing", f"{_named(key)} = {value}")
            elif found[key] != value:
                self.note(
                    f"{what}: different", f"{_named(key)}: expected {value}, found {found[key]}"
                )
        for key in found.keys() - expected.keys():
            self.note(f"{what}: not expected", f"{_named(key)} = {found[key]}")

    def compare_sets(
        self, what: str, expected: Iterable[Hashable], found: Iterable[Hashable]
    ) -> None:
        """Compare two collections, including how often each item occurs."""
        wanted, there = _counted(expected), _counted(found)
        for key, count in wanted.items():
            if there.get(key, 0) < count:
                self.note(f"{what}: missing", _named(key))
            elif there[key] > count:
                self.note(f"{what}: there {there[key]} times instead of {count}", _named(key))
        for key in there.keys() - wanted.keys():
            self.note(f"{what}: not expected", _named(key))

    def lines(self) -> list[str]:
        """The differences for people to read: the first examples of each."""
        lines = []
        for guarantee, examples in self._examples.items():
            lines.append(f"{guarantee}: {len(examples)}")
            lines += [f"    {example}" for example in examples[:_SHOWN]]
            if len(examples) > _SHOWN:
                lines.append(f"    and {len(examples) - _SHOWN} more")
        return lines


def _counted(things: Iterable[Hashable]) -> dict[Hashable, int]:
    counted: dict[Hashable, int] = {}
    for thing in things:
        counted[thing] = counted.get(thing, 0) + 1
    return counted


def _named(key: object) -> str:
    if isinstance(key, tuple):
        return " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in key)
    return str(key)
