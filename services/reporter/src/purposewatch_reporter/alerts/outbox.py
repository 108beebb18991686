"""The outbox: one row for each episode and channel, until the receiver knows of its end.

`delivery_state.py` says what becomes of a row; here its state is loaded, locked and stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.delivery_state import (
    AlertStatus,
    Delivery,
    Input,
    ResendPolicy,
    Resolved,
    advance,
    new_delivery,
)
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import findings, notices, outbox

_PRUNE_SIZE = 5_000
_COLUMNS = tuple(field.name for field in fields(Delivery))

BLOCKING_FAILURES = 5
"""An episode that failed more often in a row no longer holds back the finding's later ones."""


class Source(StrEnum):
    """What an alert is about."""

    FINDING = "finding"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Opened:
    """An episode that has begun."""

    source: Source
    fingerprint: str
    episode: int
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class PendingDelivery:
    """A row that is due, with what it is about."""

    sequence: int
    source: Source
    fingerprint: str
    episode: int
    created_time: datetime
    delivery: Delivery
    finding: Row[Any] | None
    notice: Row[Any] | None

    @property
    def is_superseded(self) -> bool:
        """Whether a later episode of the same finding or notice has begun."""
        about = self.finding if self.finding is not None else self.notice
        return about is not None and about.episode > self.episode


@dataclass(frozen=True, slots=True)
class Depth:
    """How many deliveries a channel is behind, and since when."""

    waiting: int
    oldest_waiting: datetime | None


async def open_deliveries(
    connection: AsyncConnection, opened: Iterable[Opened], now: datetime
) -> None:
    """Add a row for each channel of episodes that have begun; existing rows stay as they are."""
    state = _values(new_delivery(now))
    rows = [
        {
            "channel": channel,
            "source": str(item.source),
            "fingerprint": item.fingerprint,
            "episode": item.episode,
            "created_time": now,
            **state,
        }
        for item in opened
        for channel in item.channels
    ]
    if rows:
        await connection.execute(insert_into(connection, outbox).on_conflict_do_nothing(), rows)


async def resolve_deliveries(
    connection: AsyncConnection, source: Source, counts: Mapping[str, int], now: datetime
) -> None:
    """Resolve every open row of episodes that are over; `counts` are their sizes by fingerprint."""
    if not counts:
        return
    rows = await connection.execute(
        _locked(
            outbox.c.fingerprint.in_(counts),
            outbox.c.source == str(source),
            outbox.c.state == str(AlertStatus.FIRING),
            outbox.c.done_time.is_(None),
        )
    )
    policy = ResendPolicy()  # a resolution depends on no channel
    await _store(
        connection,
        {
            row.sequence: advance(_delivery(row), Resolved(counts[row.fingerprint]), policy, now)
            for row in rows
        },
    )


async def apply_inputs(
    connection: AsyncConnection, inputs: Mapping[int, Input], policy: ResendPolicy, now: datetime
) -> None:
    """Store what happened to rows of one channel, given by their sequence numbers.

    The rows are read again under a lock: an episode may have ended while it was being sent.
    """
    if not inputs:
        return
    rows = await connection.execute(_locked(outbox.c.sequence.in_(inputs)))
    await _store(
        connection,
        {row.sequence: advance(_delivery(row), inputs[row.sequence], policy, now) for row in rows},
    )


def _locked(*conditions: Any) -> Select[Any]:
    """Rows locked in the order of their numbers, so that two transactions can't deadlock."""
    return select(outbox).where(*conditions).order_by(outbox.c.sequence).with_for_update()


def _delivery(row: Row[Any]) -> Delivery:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Delivery(**{**values, "state": AlertStatus(row.state)})


def _values(delivery: Delivery) -> dict[str, Any]:
    return {**asdict(delivery), "state": str(delivery.state)}


async def _store(connection: AsyncConnection, deliveries: Mapping[int, Delivery]) -> None:
    if deliveries:
        await connection.execute(
            update(outbox).where(outbox.c.sequence == bindparam("row")),
            [{"row": sequence, **_values(each)} for sequence, each in deliveries.items()],
        )


async def due_deliveries(
    connection: AsyncConnection, channel: str, now: datetime, limit: int
) -> Sequence[PendingDelivery]:
    """What is to be sent on the channel now, oldest first.

    Of one finding, a later episode waits until the earlier one is done.
    """
    earlier = outbox.alias("earlier")
    blocked = exists().where(
        earlier.c.channel == outbox.c.channel,
        earlier.c.fingerprint == outbox.c.fingerprint,
        earlier.c.episode < outbox.c.episode,
        earlier.c.done_time.is_(None),
        earlier.c.failures < BLOCKING_FAILURES,
    )
    rows = await connection.execute(
        select(outbox)
        .where(
            outbox.c.channel == channel,
            outbox.c.done_time.is_(None),
            outbox.c.due_time <= now,
            ~blocked,
        )
        .order_by(outbox.c.sequence)
        .limit(limit)
    )
    due = list(rows)
    about: dict[Source, dict[str, Row[Any]]] = {}
    for source, table in ((Source.FINDING, findings), (Source.NOTICE, notices)):
        names = [row.fingerprint for row in due if row.source == source]
        found = await connection.execute(select(table).where(table.c.fingerprint.in_(names)))
        about[source] = {row.fingerprint: row for row in found} if names else {}
    return [
        PendingDelivery(
            sequence=row.sequence,
            source=Source(row.source),
            fingerprint=row.fingerprint,
            episode=row.episode,
            created_time=row.created_time,
            delivery=_delivery(row),
            finding=about[Source.FINDING].get(row.fingerprint),
            notice=about[Source.NOTICE].get(row.fingerprint),
        )
        for row in due
    ]


async def depth(connection: AsyncConnection, channel: str, now: datetime) -> Depth:
    """How many notifications a channel is behind, and since when."""
    waits = and_(outbox.c.channel == channel, outbox.c.waiting_since <= now)
    row = (
        await connection.execute(
            select(
                func.count().label("waiting"), func.min(outbox.c.waiting_since).label("oldest")
            ).where(waits, outbox.c.done_time.is_(None))
        )
    ).one()
    return Depth(row.waiting, row.oldest)


async def prune_done(connection: AsyncConnection, before: datetime) -> int:
    """Delete some deliveries that were done before that time; the number deleted."""
    return await _prune(connection, outbox.c.done_time < before)


async def prune_orphaned(
    connection: AsyncConnection, before: datetime, channels: Sequence[str]
) -> int:
    """Delete some deliveries older than that for channels that are no longer configured."""
    return await _prune(
        connection, outbox.c.channel.not_in(channels), outbox.c.created_time < before
    )


async def _prune(connection: AsyncConnection, *conditions: Any) -> int:
    old = select(outbox.c.sequence).where(*conditions).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(outbox).where(outbox.c.sequence.in_(old)))
    return int(result.rowcount)
