"""Beginning and end of episodes: who is told of one that began, and when one is over."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind
from purposewatch_reporter.alerts.outbox import Ended, Opened, Source, open_rows, resolve
from purposewatch_reporter.alerts.routing import Routing
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import findings, notices

_ROUND_SIZE = 500

_TABLES = {Source.FINDING: findings, Source.NOTICE: notices}


class AlertLifecycle:
    """Turns what is in the books into rows of the outbox.

    INVARIANT: an episode ends only after it was routed, so that none is passed over; and it is
    routed in the transaction that writes its rows, so that any process may do it, once.
    """

    def __init__(
        self,
        database: Database,
        routing: Routing,
        *,
        quiet: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._routing = routing
        self._quiet = quiet
        self._clock = clock

    async def turn(self) -> None:
        """Route what has begun, then end what has been quiet."""
        now = self._clock()
        work = [
            (source, table, condition, act)
            for source, table in _TABLES.items()
            for condition, act in (
                (_unrouted(table), self._route),
                (_over(table, now - self._quiet), self._end),
            )
        ]
        looks = [select(table).where(condition).exists() for _, table, condition, _ in work]
        async with self._database.reading() as connection:  # mostly there is nothing to do
            if not (await connection.execute(select(or_(*looks)))).scalar_one():
                return
        for source, table, condition, act in work:
            while await self._some(source, table, condition, act, now) == _ROUND_SIZE:
                pass

    async def _some(
        self,
        source: Source,
        table: Table,
        condition: ColumnElement[bool],
        act: Callable[..., Any],
        now: datetime,
    ) -> int:
        query = select(table).where(condition).order_by(table.c.fingerprint).limit(_ROUND_SIZE)
        async with self._database.writing() as connection:
            # what is locked is being booked, or another process is at it: the next turn will do
            rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
            if rows:
                await act(connection, source, rows, now)
        return len(rows)

    async def _route(
        self, connection: AsyncConnection, source: Source, rows: Sequence[Any], now: datetime
    ) -> None:
        opened = [
            Opened(source, row.fingerprint, row.episode, self._channels(source, row))
            for row in rows
        ]
        await open_rows(connection, opened, now)
        table = _TABLES[source]
        await connection.execute(
            update(table)
            .where(table.c.fingerprint.in_([row.fingerprint for row in rows]))
            .values(routed_episode=table.c.episode)
        )

    def _channels(self, source: Source, row: Any) -> Sequence[str]:
        if source is Source.FINDING:
            return self._routing.channels(row.controller, row.kind, row.severity)
        channels = self._routing.channels(None, row.kind, row.severity)
        if row.kind == NoticeKind.CHANNEL:  # a dead channel can't tell of itself
            return [name for name in channels if name != row.key]
        return channels

    async def _end(
        self, connection: AsyncConnection, source: Source, rows: Sequence[Any], now: datetime
    ) -> None:
        table = _TABLES[source]
        await connection.execute(
            update(table)
            .where(table.c.fingerprint.in_([row.fingerprint for row in rows]))
            .values(state="quiet", quiet_time=now)
        )
        ended = [Ended(row.fingerprint, row.episode_count) for row in rows]
        await resolve(connection, source, ended, now)


def _unrouted(table: Table) -> ColumnElement[bool]:
    return and_(table.c.state == "firing", table.c.routed_episode < table.c.episode)


def _over(table: Table, before: datetime) -> ColumnElement[bool]:
    over = and_(
        table.c.state == "firing",
        table.c.active_time < before,
        table.c.routed_episode == table.c.episode,
    )
    if table is notices:  # the others are ended by whoever raised them
        return and_(over, table.c.kind == str(NoticeKind.CONFLICT))
    return over
