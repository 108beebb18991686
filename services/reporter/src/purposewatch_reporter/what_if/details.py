"""Reads effects with all that is shown of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

from purposewatch_reporter.flows.queries import read_counts_of_decisions
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.what_if.effects import Effect, EffectSummary, WhatIf, effects_of

_AT_ONCE = 500
"""So many decisions are read and decided in one go: some 30 ms."""


async def read_effects(
    database: Transactions,
    what_if: WhatIf,
    wanted: Sequence[EffectSummary],
    *,
    since: datetime | None,
    until: datetime | None = None,
) -> AsyncIterator[list[Effect]]:
    """Yield the effects that are wanted, some at a time, in their order."""
    for names in _portions(wanted):
        async with database.reading() as connection:
            counts = await read_counts_of_decisions(connection, names, since=since, until=until)
        yield await asyncio.to_thread(effects_of, what_if.candidate, counts)


async def read_all_effects(
    database: Transactions,
    what_if: WhatIf,
    wanted: Sequence[EffectSummary],
    *,
    since: datetime | None,
    until: datetime | None = None,
) -> list[Effect]:
    """The effects that are wanted, in their order."""
    found = read_effects(database, what_if, wanted, since=since, until=until)
    return [each async for some in found for each in some]


def _portions(wanted: Sequence[EffectSummary]) -> Iterator[list[bytes]]:
    """Yield the ids of the decisions of some effects; those of one are not divided."""
    names: list[bytes] = []
    for each in wanted:
        names += each.decision_ids
        if len(names) >= _AT_ONCE:
            yield names
            names = []
    if names:
        yield names
