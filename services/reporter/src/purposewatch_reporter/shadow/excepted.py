"""Which exceptions cover what a candidate would newly flag."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from purposewatch_policy import Outcome
from purposewatch_reporter.findings.group import UNKNOWN, Group
from purposewatch_reporter.findings.silences import Silence
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.answering import WhatIfService
from purposewatch_reporter.what_if.details import read_effects
from purposewatch_reporter.what_if.effects import Change, Effect, WhatIf

NEWLY_FLAGGED = frozenset({Change.BECOMES_VIOLATION, Change.BECOMES_UNKNOWN})


class Excepted(NamedTuple):
    """The silences that would cover an effect."""

    silences: tuple[Silence, ...]
    is_whole: bool
    """Whether nothing of it would alert."""


def excepted(effect: Effect, silences: Iterable[Silence]) -> Excepted:
    """Return what would cover an effect once the candidate is live, of silences in force."""
    if effect.change not in NEWLY_FLAGGED:
        return Excepted((), is_whole=False)
    covering: dict[str, Silence] = {}
    is_whole = True
    active = tuple(silences)
    for group in findings_of(effect):
        found = [each for each in active if each.matches(group)]
        covering.update((each.id, each) for each in found)
        is_whole = is_whole and bool(found)
    return Excepted(tuple(covering.values()), is_whole)


async def excepted_events(
    service: WhatIfService,
    database: Transactions,
    what_if: WhatIf,
    silences: Sequence[Silence],
    since: datetime | None,
) -> int:
    """Return how many events of what would be newly flagged would raise no alert.

    Raises `TooBusyError`.
    """
    if not silences:
        return 0
    newly_flagged = [each for each in what_if.effects if each.change in NEWLY_FLAGGED]
    async with service.turn():
        found = read_effects(database, what_if, newly_flagged, since=since)
        return sum([await asyncio.to_thread(_count, some, silences) async for some in found])


def _count(effects: Sequence[Effect], silences: Sequence[Silence]) -> int:
    return sum(each.events for each in effects if excepted(each, silences).is_whole)


def findings_of(effect: Effect) -> Iterator[Group]:
    """Yield the findings that the flow would belong to."""
    terms = effect.flow.terms
    for category in effect.after.categories if effect.after else ():
        if category.outcome == Outcome.PERMITTED:
            continue
        for publisher in effect.publishers:
            yield Group(
                terms.controller,
                terms.role,
                category.kind or UNKNOWN,
                category.data_category,
                terms.purpose,
                terms.recipient,
                publisher,
            )
