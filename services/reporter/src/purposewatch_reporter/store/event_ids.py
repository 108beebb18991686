"""Which event ids were booked, and with what content."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import event_ids

_LOOKUP_SIZE = 1_000
_PRUNE_SIZE = 5_000


@dataclass(frozen=True, slots=True)
class FirstUse:
    """The event that an id was booked for."""

    content_digest: bytes
    partition: int
    offset: int


async def claim_ids(
    connection: AsyncConnection, candidates: Mapping[bytes, FirstUse], now: datetime
) -> dict[bytes, FirstUse]:
    """Book the ids that are new; return the earlier use of each that is not.

    INVARIANT: ids are inserted in sorted order, so that two reporters can't wait for each other.
    A reporter that inserts an id which another one is just booking waits for that transaction.
    """
    if not candidates:
        return {}
    rows = [
        {
            "id_hash": id_hash,
            "content_digest": use.content_digest,
            "partition": use.partition,
            "event_offset": use.offset,
            "booked_time": now,
        }
        for id_hash, use in sorted(candidates.items())
    ]
    statement = insert_into(connection, event_ids)
    inserted = await connection.execute(
        statement.on_conflict_do_nothing().returning(event_ids.c.id_hash), rows
    )
    taken = sorted(candidates.keys() - set(inserted.scalars()))
    earlier: dict[bytes, FirstUse] = {}
    for start in range(0, len(taken), _LOOKUP_SIZE):
        found = await connection.execute(
            select(event_ids).where(event_ids.c.id_hash.in_(taken[start : start + _LOOKUP_SIZE]))
        )
        for row in found:
            earlier[row.id_hash] = FirstUse(row.content_digest, row.partition, row.event_offset)
    return earlier


async def prune_ids(connection: AsyncConnection, before: datetime) -> int:
    """Forget some of the ids booked before that time; the number forgotten, 0 when done."""
    oldest = (
        select(event_ids.c.id_hash)
        .where(event_ids.c.booked_time < before)
        .order_by(event_ids.c.booked_time)
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(event_ids).where(event_ids.c.id_hash.in_(oldest)))
    return int(result.rowcount)
