"""Find verdicts that say something else than was recorded about the same event."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_policy import Outcome
from purposewatch_reporter.ledger.identity import position_id
from purposewatch_reporter.ledger.read import ReadVerdict
from purposewatch_reporter.store.event_ids import FirstUse, id_hash, load_uses
from purposewatch_reporter.store.tables import dead_letters, violations

_LOOKUP_SIZE = 1_000

_Said = tuple[str, str | None]
"""Outcome and kind."""

_PERMITTED: _Said = (str(Outcome.PERMITTED), None)


async def find_contradictions(
    connection: AsyncConnection,
    items: Sequence[ReadVerdict],
    new: Sequence[ReadVerdict],
    *,
    ids_kept_since: datetime,
) -> list[ReadVerdict]:
    """Those of a batch's verdicts that differ from what was recorded about their event before.

    Given all of the batch in order, and those that were recorded as `new`. What is not permitted is
    recorded whole; of the rest, the id and the content of the event are. The ids of events that
    were accepted before `ids_kept_since` may be deleted already, and of an id that was used twice
    only the first use is known: such verdicts can't be compared. An event that was dead-lettered
    first may have got a verdict later.
    """
    if len(items) == len(new):  # nearly always
        return []
    recorded = set(map(id, new))
    repeats = {number: item for number, item in enumerate(items) if id(item) not in recorded}
    names = {
        number: id_hash(item.verdict.event_source, item.verdict.event_id)
        for number, item in repeats.items()
    }
    positions = {number: position_id(i.verdict, i.log_epoch) for number, i in repeats.items()}
    uses = await load_uses(connection, sorted(set(names.values())))
    violating = await _load_violations(connection, sorted(set(positions.values())))
    lettered = await _load_dead_letters(connection, sorted(set(positions.values())))
    later: set[int] = set()
    at = {
        (item.verdict.partition, item.verdict.offset): number
        for number, item in enumerate(items)
        if id(item) in recorded
    }
    for number, name in names.items():
        use = uses.get(name)
        if use is not None and at.get((use.partition, use.offset), -1) > number:
            later.add(number)  # the batch itself recorded the id, and after this verdict
    return [
        item
        for number, item in repeats.items()
        if positions[number] not in lettered
        and _contradicts(
            item,
            None if number in later else uses.get(names[number]),
            violating.get(positions[number], _PERMITTED),
            ids_kept_since,
        )
    ]


def _contradicts(
    item: ReadVerdict, use: FirstUse | None, recorded: _Said, ids_kept_since: datetime
) -> bool:
    verdict = item.verdict
    if use is None:
        return verdict.accepted_time > ids_kept_since
    if (use.partition, use.offset) != (verdict.partition, verdict.offset):
        return False
    if use.content_digest.hex() != verdict.content_digest:
        return True
    # in a later log epoch the same position may hold a repeat of the event, recorded as a duplicate
    said = (str(verdict.outcome), None if verdict.kind is None else str(verdict.kind))
    return item.log_epoch == 0 and said != recorded


async def _load_violations(
    connection: AsyncConnection, names: Sequence[str]
) -> Mapping[str, _Said]:
    found: dict[str, _Said] = {}
    columns = (violations.c.id, violations.c.outcome, violations.c.kind)
    for start in range(0, len(names), _LOOKUP_SIZE):
        query = select(*columns).where(violations.c.id.in_(names[start : start + _LOOKUP_SIZE]))
        found |= {row.id: (row.outcome, row.kind) for row in await connection.execute(query)}
    return found


async def _load_dead_letters(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(names), _LOOKUP_SIZE):
        some = names[start : start + _LOOKUP_SIZE]
        query = select(dead_letters.c.id).where(dead_letters.c.id.in_(some))
        found.update((await connection.execute(query)).scalars())
    return found
