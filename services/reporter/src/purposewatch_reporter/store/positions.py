"""Where this service stands in the topics that it reads."""

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import positions


async def load_positions(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """The next offset to read per partition; 0 for one that was never read."""
    rows = await connection.execute(
        select(positions.c.partition, positions.c.next_offset).where(positions.c.topic == topic)
    )
    known = {row.partition: row.next_offset for row in rows}
    return {partition: known.get(partition, 0) for partition in partitions}


async def lock_positions(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, int]:
    """The same, and nobody else changes them before this transaction ends.

    INVARIANT: rows are locked in sorted order, so that two reporters can't wait for each other.
    """
    wanted = sorted(partitions)
    locking = (
        select(positions.c.partition, positions.c.next_offset)
        .where(positions.c.topic == topic, positions.c.partition.in_(wanted))
        .order_by(positions.c.partition)
        .with_for_update()
    )
    found = {row.partition: row.next_offset for row in await connection.execute(locking)}
    if len(found) < len(wanted):
        missing = [
            {"topic": topic, "partition": partition, "next_offset": 0}
            for partition in wanted
            if partition not in found
        ]
        await connection.execute(
            insert_into(connection, positions).on_conflict_do_nothing(), missing
        )
        found = {row.partition: row.next_offset for row in await connection.execute(locking)}
    return found


async def save_positions(
    connection: AsyncConnection, topic: str, next_offsets: Mapping[int, int]
) -> None:
    """Store the next offset to read of locked partitions."""
    await connection.execute(
        update(positions)
        .where(
            positions.c.topic == bindparam("of_topic"),
            positions.c.partition == bindparam("of_partition"),
        )
        .values(next_offset=bindparam("new_offset")),
        [
            {"of_topic": topic, "of_partition": partition, "new_offset": offset}
            for partition, offset in sorted(next_offsets.items())
        ],
    )
