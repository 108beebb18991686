"""Identical accesses within a window become one event with a count. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import timedelta

from purposewatch_connect.mapping import Access
from purposewatch_connect.mapping.outcome import derived_id
from purposewatch_contract import MAX_COUNT

_APART = frozenset({"id", "time", "traceparent", "count", "facts"})
_COMPARED = tuple(field.name for field in fields(Access) if field.name not in _APART)


def group_identical(accesses: Iterable[Access], window: timedelta) -> Iterator[Sequence[Access]]:
    """Yield accesses that are identical in everything but id, time and trace, in order of time.

    Those of one group lie within the window. What occurs twice under one id is one access.
    INVARIANT: the groups depend on the accesses and the window alone, not on their order.
    """
    identical: dict[object, dict[str, Access]] = {}
    for access in accesses:
        identical.setdefault(_key(access), {}).setdefault(access.id, access)
    for by_id in identical.values():
        yield from _within(sorted(by_id.values(), key=lambda each: (each.time, each.id)), window)


def merge(group: Sequence[Access]) -> Access:
    """Return the one access that stands for a group: with its latest time, and the trace of that.

    Its id is made of the ids, so that the same accesses are the same event whenever they are read.
    """
    if len(group) == 1:
        return group[0]
    name = derived_id("aggregate", *(each.id for each in group))
    return replace(group[-1], id=name, count=len(group))


def _key(access: Access) -> object:
    facts = tuple(sorted(access.facts.items()))
    return facts, *(getattr(access, name) for name in _COMPARED)


def _within(ordered: Sequence[Access], window: timedelta) -> Iterator[Sequence[Access]]:
    start = 0
    for number, access in enumerate(ordered):
        if access.time - ordered[start].time > window or number - start == MAX_COUNT:
            yield ordered[start:number]
            start = number
    yield ordered[start:]
