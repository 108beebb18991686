"""The stored ledgers of the raw topic's partitions, by log epoch, and their chunks of bits."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.raw import CHUNK, RawLedger
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.fingerprints import fingerprint_of, fingerprint_values
from purposewatch_reporter.store.tables import raw_chunks, raw_ledger

_BYTES = CHUNK // 8


def _from_row(row: Row[Any]) -> RawLedger:
    return RawLedger(
        base=row.base,
        settled=row.settled,
        recorded_end=row.recorded_end,
        accepted=row.accepted,
        dead_letters=row.dead_letters,
        repeats=row.repeats,
        log_epoch=row.log_epoch,
        started_time=row.started_time,
        fingerprint=fingerprint_of(row),
        seen_end=row.seen_end,
        ended_time=row.ended_time,
    )


def _recorded(ledger: RawLedger) -> dict[str, Any]:
    return {
        "base": ledger.base,
        "settled": ledger.settled,
        "recorded_end": ledger.recorded_end,
        "accepted": ledger.accepted,
        "dead_letters": ledger.dead_letters,
        "repeats": ledger.repeats,
        **fingerprint_values(ledger.fingerprint),
    }


def raw_epoch_row(topic: str, partition: int, ledger: RawLedger) -> dict[str, Any]:
    """The whole row of a log epoch."""
    return {
        "topic": topic,
        "partition": partition,
        "log_epoch": ledger.log_epoch,
        "started_time": ledger.started_time,
        "ended_time": ledger.ended_time,
        "seen_end": ledger.seen_end,
        **_recorded(ledger),
    }


async def load_raw_epochs(connection: AsyncConnection, topic: str) -> dict[int, list[RawLedger]]:
    """All log epochs of every partition, without chunks; the last is the current one."""
    rows = await connection.execute(
        select(raw_ledger)
        .where(raw_ledger.c.topic == topic)
        .order_by(raw_ledger.c.partition, raw_ledger.c.log_epoch)
    )
    found: dict[int, list[RawLedger]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(_from_row(row))
    return found


async def start_raw_ledgers(
    connection: AsyncConnection, topic: str, bases: Mapping[int, int]
) -> None:
    """Open log epoch 0 of partitions that have none."""
    rows = [
        raw_epoch_row(topic, n, RawLedger.starting_at(base)) for n, base in sorted(bases.items())
    ]
    if rows:
        statement = insert_into(connection, raw_ledger).on_conflict_do_nothing()
        await connection.execute(statement, rows)


async def lock_raw_ledgers(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, RawLedger]:
    """The current log epochs, without chunks. A partition that was never started has none.

    INVARIANT: locked in sorted order, and after the ledgers of the events topic.
    """
    locking = (
        select(raw_ledger)
        .where(
            raw_ledger.c.topic == topic,
            raw_ledger.c.partition.in_(sorted(partitions)),
            raw_ledger.c.ended_time.is_(None),
        )
        .order_by(raw_ledger.c.partition)
        .with_for_update()
    )
    return {row.partition: _from_row(row) for row in await connection.execute(locking)}


async def load_raw_epoch(
    connection: AsyncConnection, topic: str, partition: int, log_epoch: int
) -> RawLedger | None:
    """One log epoch, of a partition whose current log epoch is locked."""
    rows = await connection.execute(
        select(raw_ledger).where(
            raw_ledger.c.topic == topic,
            raw_ledger.c.partition == partition,
            raw_ledger.c.log_epoch == log_epoch,
        )
    )
    row = rows.one_or_none()
    return None if row is None else _from_row(row)


async def load_chunks(
    connection: AsyncConnection,
    topic: str,
    wanted: Iterable[tuple[int, RawLedger, Collection[int]]],
) -> None:
    """Fill in chunks of ledgers, given as (partition, ledger, numbers)."""
    ledgers = {}
    which = []
    for partition, ledger, numbers in wanted:
        ledgers[partition, ledger.log_epoch] = ledger
        ledger.chunks.update(dict.fromkeys(numbers, 0))
        which.append(
            and_(
                raw_chunks.c.partition == partition,
                raw_chunks.c.log_epoch == ledger.log_epoch,
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
        ledgers[row.partition, row.log_epoch].chunks[row.chunk] = bits


async def save_raw_ledgers(
    connection: AsyncConnection, topic: str, ledgers: Sequence[tuple[int, RawLedger]]
) -> None:
    """Store locked ledgers and those of their chunks that still say something."""
    if not ledgers:
        return
    position = {
        "topic": raw_ledger.c.topic,
        "partition": raw_ledger.c.partition,
        "log_epoch": raw_ledger.c.log_epoch,
    }
    await connection.execute(
        update(raw_ledger)
        .where(*(column == bindparam(f"of_{name}") for name, column in position.items()))
        .values({name: bindparam(f"new_{name}") for name in _recorded(RawLedger())}),
        [
            {
                "of_topic": topic,
                "of_partition": partition,
                "of_log_epoch": ledger.log_epoch,
                **{f"new_{name}": value for name, value in _recorded(ledger).items()},
            }
            for partition, ledger in ledgers
        ],
    )
    kept = [
        {
            "topic": topic,
            "partition": partition,
            "log_epoch": ledger.log_epoch,
            "chunk": number,
            "bits": bits.to_bytes(_BYTES, "little"),
        }
        for partition, ledger in ledgers
        for number, bits in sorted(ledger.chunks.items())
        if bits and number >= ledger.settled // CHUNK
    ]
    if kept:
        statement = insert_into(connection, raw_chunks)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["topic", "partition", "log_epoch", "chunk"],
                set_={"bits": statement.excluded.bits},
            ),
            kept,
        )
    for partition, ledger in ledgers:
        if any(number < ledger.settled // CHUNK for number in ledger.chunks):
            await connection.execute(
                delete(raw_chunks).where(
                    raw_chunks.c.topic == topic,
                    raw_chunks.c.partition == partition,
                    raw_chunks.c.log_epoch == ledger.log_epoch,
                    raw_chunks.c.chunk < ledger.settled // CHUNK,
                )
            )
