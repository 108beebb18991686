"""The stored accounts of the raw topic's partitions, page by page, and their chunks of bits."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.raw import CHUNK, RawLedger
from purposewatch_reporter.store.fingerprints import mark_values, marks_of
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import raw_chunks, raw_ledger

_BYTES = CHUNK // 8


def _from_row(row: Row[Any]) -> RawLedger:
    return RawLedger(
        base=row.base,
        settled=row.settled,
        booked_end=row.booked_end,
        accepted=row.accepted,
        dead_letters=row.dead_letters,
        repeats=row.repeats,
        page=row.page,
        opened_time=row.opened_time,
        marks=marks_of(row),
        seen_end=row.seen_end,
        closed_time=row.closed_time,
    )


def _booked(account: RawLedger) -> dict[str, Any]:
    return {
        "base": account.base,
        "settled": account.settled,
        "booked_end": account.booked_end,
        "accepted": account.accepted,
        "dead_letters": account.dead_letters,
        "repeats": account.repeats,
        **mark_values(account.marks),
    }


def raw_page_row(topic: str, partition: int, account: RawLedger) -> dict[str, Any]:
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


async def load_raw_pages(connection: AsyncConnection, topic: str) -> dict[int, list[RawLedger]]:
    """All pages of every partition, without chunks; the last is the current one."""
    rows = await connection.execute(
        select(raw_ledger)
        .where(raw_ledger.c.topic == topic)
        .order_by(raw_ledger.c.partition, raw_ledger.c.page)
    )
    found: dict[int, list[RawLedger]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(_from_row(row))
    return found


async def open_raw_pages(connection: AsyncConnection, topic: str, bases: Mapping[int, int]) -> None:
    """Open page 0 of partitions that have none."""
    rows = [raw_page_row(topic, n, RawLedger.opened_at(base)) for n, base in sorted(bases.items())]
    if rows:
        statement = insert_into(connection, raw_ledger).on_conflict_do_nothing()
        await connection.execute(statement, rows)


async def lock_raw_pages(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, RawLedger]:
    """The current pages, without chunks. A partition that was never opened has none.

    INVARIANT: locked in sorted order, and after the accounts of the events topic.
    """
    locking = (
        select(raw_ledger)
        .where(
            raw_ledger.c.topic == topic,
            raw_ledger.c.partition.in_(sorted(partitions)),
            raw_ledger.c.closed_time.is_(None),
        )
        .order_by(raw_ledger.c.partition)
        .with_for_update()
    )
    return {row.partition: _from_row(row) for row in await connection.execute(locking)}


async def load_raw_page(
    connection: AsyncConnection, topic: str, partition: int, page: int
) -> RawLedger | None:
    """One page, of a partition whose current page is locked."""
    rows = await connection.execute(
        select(raw_ledger).where(
            raw_ledger.c.topic == topic,
            raw_ledger.c.partition == partition,
            raw_ledger.c.page == page,
        )
    )
    row = rows.one_or_none()
    return None if row is None else _from_row(row)


async def load_chunks(
    connection: AsyncConnection,
    topic: str,
    wanted: Iterable[tuple[int, RawLedger, Collection[int]]],
) -> None:
    """Fill in chunks of accounts, given as (partition, account, numbers)."""
    accounts = {}
    which = []
    for partition, account, numbers in wanted:
        accounts[partition, account.page] = account
        account.chunks.update(dict.fromkeys(numbers, 0))
        which.append(
            and_(
                raw_chunks.c.partition == partition,
                raw_chunks.c.page == account.page,
                raw_chunks.c.chunk.in_(sorted(numbers)),
            )
        )
    if not which:
        return
    rows = await connection.execute(
        select(raw_chunks).where(raw_chunks.c.topic == topic, or_(*which))
    )
    for row in rows:
        bits = int.from_bytes(row.bits, "little")
        accounts[row.partition, row.page].chunks[row.chunk] = bits


async def save_raw_pages(
    connection: AsyncConnection, topic: str, accounts: Sequence[tuple[int, RawLedger]]
) -> None:
    """Store locked accounts and those of their chunks that still say something."""
    if not accounts:
        return
    place = {
        "topic": raw_ledger.c.topic,
        "partition": raw_ledger.c.partition,
        "page": raw_ledger.c.page,
    }
    await connection.execute(
        update(raw_ledger)
        .where(*(column == bindparam(f"of_{name}") for name, column in place.items()))
        .values({name: bindparam(f"new_{name}") for name in _booked(RawLedger())}),
        [
            {
                "of_topic": topic,
                "of_partition": partition,
                "of_page": account.page,
                **{f"new_{name}": value for name, value in _booked(account).items()},
            }
            for partition, account in accounts
        ],
    )
    kept = [
        {
            "topic": topic,
            "partition": partition,
            "page": account.page,
            "chunk": number,
            "bits": bits.to_bytes(_BYTES, "little"),
        }
        for partition, account in accounts
        for number, bits in sorted(account.chunks.items())
        if bits and number >= account.settled // CHUNK
    ]
    if kept:
        statement = insert_into(connection, raw_chunks)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["topic", "partition", "page", "chunk"],
                set_={"bits": statement.excluded.bits},
            ),
            kept,
        )
    for partition, account in accounts:
        if any(number < account.settled // CHUNK for number in account.chunks):
            await connection.execute(
                delete(raw_chunks).where(
                    raw_chunks.c.topic == topic,
                    raw_chunks.c.partition == partition,
                    raw_chunks.c.page == account.page,
                    raw_chunks.c.chunk < account.settled // CHUNK,
                )
            )
