"""Start log epochs: the old one ends and the next one begins in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import LogFingerprint
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.positions import ReadPosition
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.ledgers import epoch_row, lock_ledgers
from purposewatch_reporter.store.positions import lock_positions, save_positions
from purposewatch_reporter.store.raw_ledgers import lock_raw_ledgers, raw_epoch_row


@dataclass(frozen=True, slots=True)
class EpochNote:
    """A log epoch that was started, and why."""

    topic: str
    partition: int
    log_epoch: int
    started_time: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class EpochStart:
    """The change from `log_epoch` to the next, which begins at `base`, the start of its log."""

    topic: str
    partition: int
    log_epoch: int
    base: int
    now: datetime


async def note_epoch(connection: AsyncConnection, note: EpochNote) -> None:
    """Remember it."""
    await connection.execute(
        insert(tables.log_epochs).values(
            topic=note.topic,
            partition=note.partition,
            log_epoch=note.log_epoch,
            started_time=note.started_time,
            reason=note.reason,
        )
    )


async def load_epoch_notes(connection: AsyncConnection) -> list[EpochNote]:
    """Every log epoch that was started, in the order of detection."""
    columns = tables.log_epochs.c
    rows = await connection.execute(
        select(tables.log_epochs).order_by(
            columns.started_time,
            columns.topic,
            columns.partition,
            columns.log_epoch,
        )
    )
    return [
        EpochNote(row.topic, row.partition, row.log_epoch, row.started_time, row.reason)
        for row in rows
    ]


async def count_epochs(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    """How many log epochs were started after the first, by topic and partition."""
    columns = tables.log_epochs.c
    rows = await connection.execute(
        select(
            columns.topic,
            columns.partition,
            func.max(columns.log_epoch).label("log_epoch"),
        ).group_by(columns.topic, columns.partition)
    )
    return {(row.topic, row.partition): row.log_epoch for row in rows}


async def restart_reading(connection: AsyncConnection, start: EpochStart) -> bool:
    """Start an epoch of a topic that the reporter reads; False when that was already done."""
    position = (await lock_positions(connection, start.topic, [start.partition]))[start.partition]
    if position.log_epoch != start.log_epoch:
        return False
    new = ReadPosition(0, start.log_epoch + 1, LogFingerprint())
    await save_positions(connection, start.topic, {start.partition: new})
    return True


async def start_epoch(connection: AsyncConnection, start: EpochStart) -> bool:
    """Start a log epoch of the events topic's ledger; False when that was already done."""
    old = (await lock_ledgers(connection, start.topic, [start.partition]))[start.partition]
    if old.log_epoch != start.log_epoch:
        return False
    await _end(connection, tables.ledger, start)
    new = PartitionLedger(base=start.base, log_epoch=start.log_epoch + 1, started_time=start.now)
    row = epoch_row(start.topic, start.partition, new)
    await connection.execute(insert(tables.ledger).values(row))
    return True


async def start_raw_epoch(connection: AsyncConnection, start: EpochStart) -> bool:
    """Start a log epoch of the raw topic's ledger; False when that was already done."""
    old = (await lock_raw_ledgers(connection, start.topic, [start.partition])).get(start.partition)
    if old is None or old.log_epoch != start.log_epoch:
        return False
    await _end(connection, tables.raw_ledger, start)
    new = RawLedger.starting_at(start.base)
    new.log_epoch, new.started_time = start.log_epoch + 1, start.now
    row = raw_epoch_row(start.topic, start.partition, new)
    await connection.execute(insert(tables.raw_ledger).values(row))
    return True


async def _end(connection: AsyncConnection, table: Table, start: EpochStart) -> None:
    await connection.execute(
        update(table)
        .where(
            table.c.topic == start.topic,
            table.c.partition == start.partition,
            table.c.log_epoch == start.log_epoch,
        )
        .values(ended_time=start.now)
    )


async def remember_ends(
    connection: AsyncConnection, table: Table, topic: str, ends: dict[int, tuple[int, int]]
) -> None:
    """Store the highest end seen of each partition, given as (log epoch, end)."""
    for partition, (log_epoch, end) in sorted(ends.items()):
        await connection.execute(
            update(table)
            .where(
                table.c.topic == topic,
                table.c.partition == partition,
                table.c.log_epoch == log_epoch,
                table.c.ended_time.is_(None),
                table.c.seen_end < end,
            )
            .values(seen_end=end)
        )
