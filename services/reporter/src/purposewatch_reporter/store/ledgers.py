"""The stored accounts of the events topic's partitions, page by page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.offsets import OffsetSet
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.store.fingerprints import mark_values, marks_of
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import ledger


def _from_row(row: Row[Any]) -> PartitionLedger:
    return PartitionLedger(
        base=row.base,
        accounted=OffsetSet.from_json(row.accounted),
        verdicts=row.verdicts,
        dead_letters=row.dead_letters,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
        page=row.page,
        opened_time=row.opened_time,
        marks=marks_of(row),
        seen_end=row.seen_end,
        closed_time=row.closed_time,
    )


def _booked(account: PartitionLedger) -> dict[str, Any]:
    """What booking changes; the rest of the page is the business of whoever turns it."""
    return {
        "base": account.base,
        "accounted": account.accounted.to_json(),
        "verdicts": account.verdicts,
        "dead_letters": account.dead_letters,
        "duplicates": account.duplicates,
        "conflicts": account.conflicts,
        **mark_values(account.marks),
    }


_LOCK = (
    select(ledger)
    .where(ledger.c.topic == bindparam("topic"))
    .order_by(ledger.c.partition)
    .with_for_update()
)
_LOCK_CURRENT = _LOCK.where(
    ledger.c.partition.in_(bindparam("partitions", expanding=True)), ledger.c.closed_time.is_(None)
)
_SAVE = (
    update(ledger)
    .where(
        ledger.c.topic == bindparam("of_topic"),
        ledger.c.partition == bindparam("of_partition"),
        ledger.c.page == bindparam("of_page"),
    )
    .values({name: bindparam(f"new_{name}") for name in _booked(PartitionLedger())})
)


async def load_pages(connection: AsyncConnection, topic: str) -> dict[int, list[PartitionLedger]]:
    """All pages of every partition that has one; the last is the current one."""
    rows = await connection.execute(
        select(ledger).where(ledger.c.topic == topic).order_by(ledger.c.partition, ledger.c.page)
    )
    found: dict[int, list[PartitionLedger]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(_from_row(row))
    return found


async def load_ledgers(connection: AsyncConnection, topic: str) -> dict[int, PartitionLedger]:
    """The current page of every partition that has one."""
    pages = await load_pages(connection, topic)
    return {partition: accounts[-1] for partition, accounts in pages.items()}


async def lock_ledgers(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, PartitionLedger]:
    """The current pages of these partitions; nobody else changes them in this transaction.

    INVARIANT: rows are locked in sorted order and after those of `positions`, so that two
    reporters can't wait for each other. A partition without a page gets page 0.
    """
    wanted = sorted(partitions)
    which = {"topic": topic, "partitions": wanted}
    found = await _locked(connection, _LOCK_CURRENT, which)
    if len(found) < len(wanted):
        rows = [page_row(topic, n, PartitionLedger()) for n in wanted if n not in found]
        await connection.execute(insert_into(connection, ledger).on_conflict_do_nothing(), rows)
        found = await _locked(connection, _LOCK_CURRENT, which)
    return found


async def lock_old_pages(
    connection: AsyncConnection, topic: str, pages: Iterable[tuple[int, int]]
) -> dict[int, PartitionLedger]:
    """These pages, given as (partition, page), of partitions whose current page is locked."""
    which = [
        and_(ledger.c.partition == partition, ledger.c.page == page) for partition, page in pages
    ]
    return await _locked(connection, _LOCK.where(or_(*which)), {"topic": topic}) if which else {}


async def _locked(
    connection: AsyncConnection, locking: Select[Any], which: Mapping[str, Any]
) -> dict[int, PartitionLedger]:
    return {row.partition: _from_row(row) for row in await connection.execute(locking, which)}


def page_row(topic: str, partition: int, account: PartitionLedger) -> dict[str, Any]:
    """The whole row of a page."""
    return {
        "topic": topic,
        "partition": partition,
        "page": account.page,
        "opened_time": account.opened_time,
        "closed_time": account.closed_time,
        "seen_end": account.seen_end,
        **_booked(account),
    }


async def save_ledgers(
    connection: AsyncConnection, topic: str, accounts: Iterable[tuple[int, PartitionLedger]]
) -> None:
    """Store locked accounts, given with their partitions."""
    rows = [
        {
            "of_topic": topic,
            "of_partition": partition,
            "of_page": account.page,
            **{f"new_{name}": value for name, value in _booked(account).items()},
        }
        for partition, account in accounts
    ]
    if rows:
        await connection.execute(_SAVE, rows)
