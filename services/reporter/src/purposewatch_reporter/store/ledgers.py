"""The stored ledgers of the events topic's partitions, by log epoch."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.offsets import OffsetSet
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.fingerprints import fingerprint_of, fingerprint_values
from purposewatch_reporter.store.tables import ledger


def _from_row(row: Row[Any]) -> PartitionLedger:
    return PartitionLedger(
        base=row.base,
        accounted=OffsetSet.from_json(row.accounted),
        verdicts=row.verdicts,
        dead_letters=row.dead_letters,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
        log_epoch=row.log_epoch,
        started_time=row.started_time,
        fingerprint=fingerprint_of(row),
        seen_end=row.seen_end,
        ended_time=row.ended_time,
    )


def _recorded(ledger: PartitionLedger) -> dict[str, Any]:
    """The columns that recording changes; the others change when an epoch starts or ends."""
    return {
        "base": ledger.base,
        "accounted": ledger.accounted.to_json(),
        "verdicts": ledger.verdicts,
        "dead_letters": ledger.dead_letters,
        "duplicates": ledger.duplicates,
        "conflicts": ledger.conflicts,
        **fingerprint_values(ledger.fingerprint),
    }


_LOCK = (
    select(ledger)
    .where(ledger.c.topic == bindparam("topic"))
    .order_by(ledger.c.partition)
    .with_for_update()
)
_LOCK_CURRENT = _LOCK.where(
    ledger.c.partition.in_(bindparam("partitions", expanding=True)), ledger.c.ended_time.is_(None)
)
_SAVE = (
    update(ledger)
    .where(
        ledger.c.topic == bindparam("of_topic"),
        ledger.c.partition == bindparam("of_partition"),
        ledger.c.log_epoch == bindparam("of_log_epoch"),
    )
    .values({name: bindparam(f"new_{name}") for name in _recorded(PartitionLedger())})
)


async def load_epochs(connection: AsyncConnection, topic: str) -> dict[int, list[PartitionLedger]]:
    """All log epochs of every partition that has one; the last is the current one."""
    rows = await connection.execute(
        select(ledger)
        .where(ledger.c.topic == topic)
        .order_by(ledger.c.partition, ledger.c.log_epoch)
    )
    found: dict[int, list[PartitionLedger]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(_from_row(row))
    return found


async def load_ledgers(connection: AsyncConnection, topic: str) -> dict[int, PartitionLedger]:
    """The current log epoch of every partition that has one."""
    epochs = await load_epochs(connection, topic)
    return {partition: ledgers[-1] for partition, ledgers in epochs.items()}


async def lock_ledgers(
    connection: AsyncConnection, topic: str, partitions: Collection[int]
) -> dict[int, PartitionLedger]:
    """The current log epochs of these partitions; nobody else changes them in this transaction.

    INVARIANT: rows are locked in sorted order and after those of `positions`, so that two
    reporters can't wait for each other. A partition without a log epoch gets log epoch 0.
    """
    wanted = sorted(partitions)
    which = {"topic": topic, "partitions": wanted}
    found = await _locked(connection, _LOCK_CURRENT, which)
    if len(found) < len(wanted):
        rows = [epoch_row(topic, n, PartitionLedger()) for n in wanted if n not in found]
        await connection.execute(insert_into(connection, ledger).on_conflict_do_nothing(), rows)
        found = await _locked(connection, _LOCK_CURRENT, which)
    return found


async def lock_previous_epochs(
    connection: AsyncConnection, topic: str, epochs: Iterable[tuple[int, int]]
) -> dict[int, PartitionLedger]:
    """These epochs, given as (partition, log epoch), of partitions that are locked already."""
    which = [
        and_(ledger.c.partition == partition, ledger.c.log_epoch == log_epoch)
        for partition, log_epoch in epochs
    ]
    return await _locked(connection, _LOCK.where(or_(*which)), {"topic": topic}) if which else {}


async def _locked(
    connection: AsyncConnection, locking: Select[Any], which: Mapping[str, Any]
) -> dict[int, PartitionLedger]:
    return {row.partition: _from_row(row) for row in await connection.execute(locking, which)}


def epoch_row(topic: str, partition: int, ledger: PartitionLedger) -> dict[str, Any]:
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


async def save_ledgers(
    connection: AsyncConnection, topic: str, ledgers: Iterable[tuple[int, PartitionLedger]]
) -> None:
    """Store locked ledgers, given with their partitions."""
    rows = [
        {
            "of_topic": topic,
            "of_partition": partition,
            "of_log_epoch": ledger.log_epoch,
            **{f"new_{name}": value for name, value in _recorded(ledger).items()},
        }
        for partition, ledger in ledgers
    ]
    if rows:
        await connection.execute(_SAVE, rows)
