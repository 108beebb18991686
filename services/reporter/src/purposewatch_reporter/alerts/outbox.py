"""The outbox: what a channel has yet to be told of an episode, kept until its receiver knows.

A row is one episode on one channel. It is `firing` until the episode ends, then `resolved`; the
receiver is told of both, in this order. What is due when stands in the row, so that a restart
changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import UtcTime, findings, notices, outbox

_PRUNE_SIZE = 5_000

BLOCKING_FAILURES = 5
"""An episode that failed more often in a row no longer holds back the finding's later ones."""


class Source(StrEnum):
    """What an alert is about."""

    FINDING = "finding"
    NOTICE = "notice"


class State(StrEnum):
    """Where an episode stands."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Opened:
    """An episode that has begun."""

    source: Source
    fingerprint: str
    episode: int
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode that is over."""

    fingerprint: str
    count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row that is due, with what it is about."""

    sequence: int
    source: Source
    fingerprint: str
    episode: int
    telling: State
    """What the receiver is to be told now: a beginning it doesn't know of comes before its end."""
    told: int
    """How often the receiver has taken something of this episode."""
    failures: int
    """Failed attempts in a row."""
    created_time: datetime
    resolved_time: datetime | None
    resolved_count: int | None
    finding: Row[Any] | None
    notice: Row[Any] | None

    @property
    def is_superseded(self) -> bool:
        """Whether a later episode of the same has begun."""
        about = self.finding if self.finding is not None else self.notice
        return about is not None and about.episode > self.episode


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits on a channel."""

    waiting: int
    oldest_waiting: datetime | None


async def open_rows(connection: AsyncConnection, opened: Iterable[Opened], now: datetime) -> None:
    """Write the alerts of episodes that have begun; those that are there already stay."""
    rows = [
        {
            "channel": channel,
            "source": str(item.source),
            "fingerprint": item.fingerprint,
            "episode": item.episode,
            "state": str(State.FIRING),
            "created_time": now,
            "due_time": now,
            "waiting_since": now,
            "attempts": 0,
            "failures": 0,
            "told": 0,
        }
        for item in opened
        for channel in item.channels
    ]
    if rows:
        await connection.execute(insert_into(connection, outbox).on_conflict_do_nothing(), rows)


async def resolve(
    connection: AsyncConnection, source: Source, ended: Sequence[Ended], now: datetime
) -> None:
    """Let the receivers know that episodes are over."""
    if not ended:
        return
    due = case((outbox.c.resolve_after > now, outbox.c.resolve_after), else_=as_time(now))
    told = outbox.c.resolve_after.is_not(None)
    await connection.execute(
        update(outbox)
        .where(
            outbox.c.fingerprint == bindparam("ended"),
            outbox.c.source == str(source),
            outbox.c.state == str(State.FIRING),
            outbox.c.done_time.is_(None),
        )
        .values(
            state=str(State.RESOLVED),
            resolved_time=now,
            resolved_count=bindparam("counted"),
            due_time=case((told, due), else_=outbox.c.due_time),
            waiting_since=case((told, due), else_=outbox.c.waiting_since),
        ),
        [{"ended": item.fingerprint, "counted": item.count} for item in ended],
    )


async def due_alerts(
    connection: AsyncConnection, channel: str, now: datetime, limit: int
) -> Sequence[Waiting]:
    """What the channel's receiver is to be told now, in the order in which it came up.

    Of one finding, a later episode waits until the earlier one is done with.
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
        Waiting(
            sequence=row.sequence,
            source=Source(row.source),
            fingerprint=row.fingerprint,
            episode=row.episode,
            telling=State.FIRING if row.resolve_after is None else State(row.state),
            told=row.told,
            failures=row.failures,
            created_time=row.created_time,
            resolved_time=row.resolved_time,
            resolved_count=row.resolved_count,
            finding=about[Source.FINDING].get(row.fingerprint),
            notice=about[Source.NOTICE].get(row.fingerprint),
        )
        for row in due
    ]


async def depth(connection: AsyncConnection, channel: str, now: datetime) -> Depth:
    """How much a channel's receiver has yet to be told, and since when."""
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
    """Forget some of the episodes that were done with before that time; the number forgotten."""
    return await _prune(connection, outbox.c.done_time < before)


async def prune_orphaned(
    connection: AsyncConnection, before: datetime, channels: Sequence[str]
) -> int:
    """Forget some of what has waited since before that time for a channel that is gone."""
    return await _prune(
        connection, outbox.c.channel.not_in(channels), outbox.c.created_time < before
    )


def as_time(value: datetime | None) -> ColumnElement[Any]:
    """A time as a value within an expression, stored as the columns of tables store it."""
    return literal(value, UtcTime)


async def _prune(connection: AsyncConnection, *conditions: Any) -> int:
    old = select(outbox.c.sequence).where(*conditions).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(outbox).where(outbox.c.sequence.in_(old)))
    return int(result.rowcount)
