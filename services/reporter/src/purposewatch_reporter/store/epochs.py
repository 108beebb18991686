"""Turning a page: the old one is closed, the next one opened, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.fingerprint import Marks
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.ledgers import lock_ledgers, page_row
from purposewatch_reporter.store.positions import Place, lock_places, save_places
from purposewatch_reporter.store.raw_ledgers import lock_raw_pages, raw_page_row


@dataclass(frozen=True, slots=True)
class EpochNote:
    """That a page was opened, and why."""

    topic: str
    partition: int
    page: int
    opened_time: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A page to be turned: from `page` to the next, which begins at `base`, its log's start."""

    topic: str
    partition: int
    page: int
    base: int
    now: datetime


async def note_epoch(connection: AsyncConnection, note: EpochNote) -> None:
    """Remember it."""
    await connection.execute(
        insert(tables.pages).values(
            topic=note.topic,
            partition=note.partition,
            page=note.page,
            opened_time=note.opened_time,
            reason=note.reason,
        )
    )


async def load_epoch_notes(connection: AsyncConnection) -> list[EpochNote]:
    """Every page that was opened, in the order in which that was noticed."""
    pages = tables.pages
    rows = await connection.execute(
        select(pages).order_by(pages.c.opened_time, pages.c.topic, pages.c.partition, pages.c.page)
    )
    return [
        EpochNote(row.topic, row.partition, row.page, row.opened_time, row.reason) for row in rows
    ]


async def count_epochs(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    """How many pages were opened after the first, by topic and partition."""
    pages = tables.pages
    rows = await connection.execute(
        select(pages.c.topic, pages.c.partition, func.max(pages.c.page).label("page")).group_by(
            pages.c.topic, pages.c.partition
        )
    )
    return {(row.topic, row.partition): row.page for row in rows}


async def begin_reading_anew(connection: AsyncConnection, turn: Turn) -> bool:
    """Turn a page of a topic that is read from its beginning; False when it is turned already."""
    place = (await lock_places(connection, turn.topic, [turn.partition]))[turn.partition]
    if place.page != turn.page:
        return False
    new = Place(0, turn.page + 1, Marks())
    await save_places(connection, turn.topic, {turn.partition: new})
    return True


async def start_epoch(connection: AsyncConnection, turn: Turn) -> bool:
    """Turn a page of the events topic's account; False when it is turned already."""
    old = (await lock_ledgers(connection, turn.topic, [turn.partition]))[turn.partition]
    if old.page != turn.page:
        return False
    await _close(connection, tables.ledger, turn)
    new = PartitionLedger(base=turn.base, page=turn.page + 1, opened_time=turn.now)
    row = page_row(turn.topic, turn.partition, new)
    await connection.execute(insert(tables.ledger).values(row))
    return True


async def start_raw_epoch(connection: AsyncConnection, turn: Turn) -> bool:
    """Turn a page of the raw topic's account; False when it is turned already."""
    old = (await lock_raw_pages(connection, turn.topic, [turn.partition])).get(turn.partition)
    if old is None or old.page != turn.page:
        return False
    await _close(connection, tables.raw_ledger, turn)
    new = RawLedger.opened_at(turn.base)
    new.page, new.opened_time = turn.page + 1, turn.now
    row = raw_page_row(turn.topic, turn.partition, new)
    await connection.execute(insert(tables.raw_ledger).values(row))
    return True


async def _close(connection: AsyncConnection, table: Table, turn: Turn) -> None:
    await connection.execute(
        update(table)
        .where(
            table.c.topic == turn.topic,
            table.c.partition == turn.partition,
            table.c.page == turn.page,
        )
        .values(closed_time=turn.now)
    )


async def remember_ends(
    connection: AsyncConnection, table: Table, topic: str, ends: dict[int, tuple[int, int]]
) -> None:
    """Store (page, end) as the highest end seen of partitions, so that a page's end is known."""
    for partition, (page, end) in sorted(ends.items()):
        await connection.execute(
            update(table)
            .where(
                table.c.topic == topic,
                table.c.partition == partition,
                table.c.page == page,
                table.c.closed_time.is_(None),
                table.c.seen_end < end,
            )
            .values(seen_end=end)
        )
