"""Which event ids were recorded, and with what content."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_rows
from purposewatch_reporter.store.tables import event_ids

_LOOKUP_SIZE = 1_000
_PRUNE_SIZE = 5_000

HASH_SIZE = 16
"""Bytes of an id's hash, and of the digest of an event's content."""

_NO_HASH = hashlib.blake2b(digest_size=HASH_SIZE)

# All hashes are 16 bytes long. So they travel as one value each way, which costs a quarter of an
# array of them, and there is none to come back while every id is new. Places travel as the few runs
# that they form, and are sorted by PostgreSQL together with their ids.
_RECORD_IDS = """
WITH recorded AS (
    INSERT INTO event_ids (id_hash, content_digest, partition, event_offset, recorded_time)
    SELECT
        substr(CAST($1 AS bytea), 16 * number + 1, 16) AS name,
        substr(CAST($2 AS bytea), 16 * number + 1, 16),
        run.partition,
        run.first_offset + number - run.start,
        CAST($7 AS timestamptz)
    FROM unnest(
        CAST($3 AS integer[]), CAST($4 AS bigint[]), CAST($5 AS integer[]), CAST($6 AS integer[])
    ) AS run(partition, first_offset, start, size),
    generate_series(run.start, run.start + run.size - 1) AS number
    ORDER BY name, number
    ON CONFLICT DO NOTHING
    RETURNING id_hash
)
SELECT CASE WHEN count(*) < $8 THEN coalesce(string_agg(id_hash, ''), '') END FROM recorded
"""


def id_hash(source: str, event_id: str) -> bytes:
    """128 bits for an event's id, which is unique within its source."""
    hashed = _NO_HASH.copy()  # quicker than to make one
    hashed.update(f"{source}\0{event_id}".encode())
    return hashed.digest()


class FirstUse(msgspec.Struct, frozen=True, gc=False):
    """The event that an id was recorded for."""

    content_digest: bytes
    partition: int
    offset: int


class Run(NamedTuple):
    """Uses one after the other, in one partition without a gap."""

    partition: int
    first_offset: int
    start: int
    """The number of the first use within the batch."""
    size: int


@dataclass(frozen=True, slots=True)
class Uses:
    """Events of one batch in order: the hash of each one's id, and what uses the id.

    Column by column, because nearly every batch is recorded without a look at any single use.
    """

    names: Sequence[bytes]
    digests: bytes
    """Of the events' contents, one behind the other."""
    positions: Sequence[tuple[int, int]]
    """Partition and offset."""

    def __post_init__(self) -> None:
        """Refuse what would be cut at the wrong bytes."""
        size = len(self.names) * HASH_SIZE
        if not sum(map(len, self.names)) == len(self.digests) == size:
            message = f"ids and contents are known by {HASH_SIZE} bytes each"
            raise ValueError(message)

    def each(self) -> Iterator[FirstUse]:
        """The uses one by one."""
        for digest, position in zip(_cut(self.digests), self.positions, strict=True):
            yield FirstUse(digest, *position)

    def runs(self) -> list[Run]:
        """The positions as ranges."""
        starts = [
            number
            for number, ((partition, offset), before) in enumerate(
                zip(self.positions, (None, *self.positions), strict=False)
            )
            if before != (partition, offset - 1)
        ]
        return [
            Run(*self.positions[start], start, end - start)
            for start, end in pairwise([*starts, len(self.positions)])
        ]


async def record_ids(
    connection: AsyncConnection, uses: Uses, now: datetime
) -> dict[bytes, FirstUse] | None:
    """Record the ids that are new; return the earlier use of each that is not.

    Of several uses of a new id, the first is recorded. `None` means that no id is used twice,
    neither here nor earlier.

    INVARIANT: ids are inserted in sorted order, so that two reporters can't wait for each other.
    A reporter that inserts an id which another one is just recording waits for that transaction.
    """
    if not uses.names:
        return None
    if connection.dialect.name == "sqlite":  # the one writer: nobody ledger an id in between
        first: dict[bytes, FirstUse] = {}
        for name, use in zip(uses.names, uses.each(), strict=True):
            first.setdefault(name, use)
        earlier = await load_uses(connection, sorted(first))
        new = [(name, first[name]) for name in sorted(first.keys() - earlier.keys())]
        await insert_rows(connection, event_ids, [_row(name, use, now) for name, use in new])
        return earlier if earlier or len(first) < len(uses.names) else None
    recorded = await _claim(connection, uses, now)
    if recorded is None:
        return None
    return await load_uses(connection, sorted(set(uses.names).difference(_cut(recorded))))


async def _claim(connection: AsyncConnection, uses: Uses, now: datetime) -> bytes | None:
    """Record the ids that PostgreSQL does not have.

    They come back, one behind the other, unless that was as many as there are uses.
    """
    runs = zip(*uses.runs(), strict=True)
    values = (b"".join(uses.names), uses.digests, *map(list, runs), now, len(uses.names))
    recorded: bytes | None = (await connection.exec_driver_sql(_RECORD_IDS, values)).scalar_one()
    return recorded


def _row(name: bytes, use: FirstUse, now: datetime) -> dict[str, Any]:
    return {
        "id_hash": name,
        "content_digest": use.content_digest,
        "partition": use.partition,
        "event_offset": use.offset,
        "recorded_time": now,
    }


def _cut(joined: bytes) -> Iterator[bytes]:
    return (joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE))


async def load_uses(connection: AsyncConnection, names: Sequence[bytes]) -> dict[bytes, FirstUse]:
    """The uses of those ids that are recorded."""
    found: dict[bytes, FirstUse] = {}
    for start in range(0, len(names), _LOOKUP_SIZE):
        some = names[start : start + _LOOKUP_SIZE]
        for row in await connection.execute(select(event_ids).where(event_ids.c.id_hash.in_(some))):
            found[row.id_hash] = FirstUse(row.content_digest, row.partition, row.event_offset)
    return found


async def prune_ids(connection: AsyncConnection, before: datetime) -> int:
    """Forget some of the ids recorded before that time; the number forgotten, 0 when done."""
    oldest = (
        select(event_ids.c.id_hash)
        .where(event_ids.c.recorded_time < before)
        .order_by(event_ids.c.recorded_time)
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(event_ids).where(event_ids.c.id_hash.in_(oldest)))
    return int(result.rowcount)
