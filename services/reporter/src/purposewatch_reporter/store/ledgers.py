"""The stored accounts of the events topic's partitions."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.ledger.offsets import OffsetSet
from purposewatch_reporter.ledger.partition import PartitionLedger
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
    )


def _values(account: PartitionLedger) -> dict[str, Any]:
    return {
        "base": account.base,
        "accounted": account.accounted.to_json(),
        "verdicts": account.verdicts,
        "dead_letters": account.dead_letters,
        "duplicates": account.duplicates,
        "conflicts": account.conflicts,
    }


async def load_ledgers(connection: AsyncConnection, topic: str) -> dict[int, PartitionLedger]:
    """The account of every partition that has one."""
    rows = await connection.execute(
        select(ledger).where(ledger.c.topic == topic).order_by(ledger.c.partition)
    )
    return {row.partition: _from_row(row) for row in rows}


async def lock_ledgers(
    connection: AsyncConnection, topic: str, partitions: Sequence[int]
) -> dict[int, PartitionLedger]:
    """The accounts of these partitions; nobody else changes them before the transaction ends.

    INVARIANT: rows are locked in sorted order and after those of `positions`, so that two
    reporters can't wait for each other. A new account is opened for a partition without one.
    """
    wanted = sorted(partitions)
    locking = (
        select(ledger)
        .where(ledger.c.topic == topic, ledger.c.partition.in_(wanted))
        .order_by(ledger.c.partition)
        .with_for_update()
    )
    found = {row.partition: _from_row(row) for row in await connection.execute(locking)}
    if len(found) < len(wanted):
        missing = [
            {"topic": topic, "partition": partition, **_values(PartitionLedger())}
            for partition in wanted
            if partition not in found
        ]
        await connection.execute(insert_into(connection, ledger).on_conflict_do_nothing(), missing)
        found = {row.partition: _from_row(row) for row in await connection.execute(locking)}
    return found


async def save_ledgers(
    connection: AsyncConnection, topic: str, accounts: Mapping[int, PartitionLedger]
) -> None:
    """Store locked accounts."""
    if not accounts:
        return
    await connection.execute(
        update(ledger)
        .where(
            ledger.c.topic == bindparam("of_topic"),
            ledger.c.partition == bindparam("of_partition"),
        )
        .values({name: bindparam(f"new_{name}") for name in _values(PartitionLedger())}),
        [
            {
                "of_topic": topic,
                "of_partition": partition,
                **{f"new_{name}": value for name, value in _values(account).items()},
            }
            for partition, account in sorted(accounts.items())
        ],
    )
