"""Which event ids were booked, and with what content."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import write
from purposewatch_reporter.store.tables import event_ids

_COLUMNS = ("id_hash", "content_digest", "partition", "event_offset", "booked_time")
_LOOKUP_SIZE = 1_000
_PRUNE_SIZE = 5_000

HASH_SIZE = 16
"""Bytes of an id's hash, and of the digest of an event's content."""

# All hashes are 16 bytes long. So they travel as one value each way, which costs a quarter of an
# array of them, and the answer need not be taken apart while every id is new.
_CLAIM = """
WITH booked AS (
    INSERT INTO event_ids (id_hash, content_digest, partition, event_offset, booked_time)
    SELECT
        substr(CAST($1 AS bytea), 16 * number - 15, 16),
        substr(CAST($2 AS bytea), 16 * number - 15, 16),
        (CAST($3 AS integer[]))[number],
        (CAST($4 AS bigint[]))[number],
        CAST($5 AS timestamptz)
    FROM generate_series(1, CAST($6 AS integer)) AS number
    ON CONFLICT DO NOTHING
    RETURNING id_hash
)
SELECT string_agg(id_hash, '') FROM booked
"""


class FirstUse(msgspec.Struct, frozen=True, gc=False):
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
    names = sorted(candidates)
    if connection.dialect.name == "sqlite":  # the one writer: nobody books an id in between
        earlier = await _uses(connection, names)
        await _write(connection, candidates, [name for name in names if name not in earlier], now)
        return earlier
    new = await _claim(connection, candidates, names, now)
    if len(new) == len(names) * HASH_SIZE:
        return {}
    own = {new[start : start + HASH_SIZE] for start in range(0, len(new), HASH_SIZE)}
    return await _uses(connection, [name for name in names if name not in own])


async def _claim(
    connection: AsyncConnection,
    candidates: Mapping[bytes, FirstUse],
    names: Sequence[bytes],
    now: datetime,
) -> bytes:
    """Book the ids that PostgreSQL does not have; they come back, one behind the other."""
    uses = [candidates[name] for name in names]
    hashes, digests = b"".join(names), b"".join([use.content_digest for use in uses])
    if not len(hashes) == len(digests) == len(names) * HASH_SIZE:
        message = f"ids and contents are known by {HASH_SIZE} bytes each"
        raise ValueError(message)
    values = (
        hashes,
        digests,
        [use.partition for use in uses],
        [use.offset for use in uses],
        now,
        len(names),
    )
    return (await connection.exec_driver_sql(_CLAIM, values)).scalar_one() or b""


async def _write(
    connection: AsyncConnection,
    candidates: Mapping[bytes, FirstUse],
    names: Sequence[bytes],
    now: datetime,
) -> None:
    if not names:
        return
    uses = [candidates[name] for name in names]
    columns = [
        names,
        [use.content_digest for use in uses],
        [use.partition for use in uses],
        [use.offset for use in uses],
        [now] * len(names),
    ]
    await write(connection, event_ids, _COLUMNS, columns)


async def _uses(connection: AsyncConnection, names: Sequence[bytes]) -> dict[bytes, FirstUse]:
    """The uses of those ids that are booked."""
    found: dict[bytes, FirstUse] = {}
    for start in range(0, len(names), _LOOKUP_SIZE):
        some = names[start : start + _LOOKUP_SIZE]
        for row in await connection.execute(select(event_ids).where(event_ids.c.id_hash.in_(some))):
            found[row.id_hash] = FirstUse(row.content_digest, row.partition, row.event_offset)
    return found


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
