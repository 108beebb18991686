"""The stored positions of this service in the topics that it reads."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import LogFingerprint
from purposewatch_reporter.ledger.positions import ReadPosition
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.fingerprints import fingerprint_of, fingerprint_values
from purposewatch_reporter.store.tables import positions, unsummed_hours

summed_until = select(func.max(unsummed_hours.c.hour)).scalar_subquery()
"""Before this hour, all but the `unsummed_hours` are summed; nothing is when it is null."""

_LOCK = (
    select(positions, summed_until.label("summed_until"))
    .where(
        positions.c.topic == bindparam("topic"),
        positions.c.partition.in_(bindparam("partitions", expanding=True)),
    )
    .order_by(positions.c.partition)
    .with_for_update()
)
_SAVE = (
    update(positions)
    .where(
        positions.c.topic == bindparam("of_topic"),
        positions.c.partition == bindparam("of_partition"),
    )
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("next_offset", "log_epoch", *fingerprint_values(LogFingerprint()))
        }
    )
)


def _position(row: Row[Any]) -> ReadPosition:
    return ReadPosition(row.next_offset, row.log_epoch, fingerprint_of(row))


async def load_positions(connection: AsyncConnection, topic: str) -> dict[int, ReadPosition]:
    """The positions of the partitions that were read."""
    rows = await connection.execute(select(positions).where(positions.c.topic == topic))
    return {row.partition: _position(row) for row in rows}


async def load_next_offsets(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """The next offset to read per partition; 0 for one that was never read."""
    known = await load_positions(connection, topic)
    return {number: known.get(number, ReadPosition()).next_offset for number in partitions}


async def lock_positions(
    connection: AsyncConnection, topic: str, partitions: Collection[int]
) -> dict[int, ReadPosition]:
    """The positions of these partitions, locked until this transaction ends."""
    return (await lock_for_counts(connection, topic, partitions))[0]


async def lock_for_counts(
    connection: AsyncConnection, topic: str, partitions: Collection[int]
) -> tuple[dict[int, ReadPosition], datetime | None]:
    """The same, and the hour before which hours are summed, until this transaction ends.

    INVARIANT: rows are locked in sorted order, so that two reporters can't wait for each other.
    """
    wanted = sorted(partitions)
    which = {"topic": topic, "partitions": wanted}
    rows = (await connection.execute(_LOCK, which)).all()
    if len(rows) < len(wanted):
        found = {row.partition for row in rows}
        missing = [
            {"topic": topic, "partition": partition, "next_offset": 0, "log_epoch": 0}
            for partition in wanted
            if partition not in found
        ]
        await connection.execute(
            insert_into(connection, positions).on_conflict_do_nothing(), missing
        )
        rows = (await connection.execute(_LOCK, which)).all()
    summed = rows[0].summed_until if rows else None
    return {row.partition: _position(row) for row in rows}, summed


async def save_positions(
    connection: AsyncConnection, topic: str, positions: Mapping[int, ReadPosition]
) -> None:
    """Store the positions of locked partitions."""
    await connection.execute(
        _SAVE,
        [
            {
                "of_topic": topic,
                "of_partition": partition,
                "new_next_offset": position.next_offset,
                "new_log_epoch": position.log_epoch,
                **{
                    f"new_{name}": value
                    for name, value in fingerprint_values(position.fingerprint).items()
                },
            }
            for partition, position in sorted(positions.items())
        ],
    )
