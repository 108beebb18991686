"""Carries out what the life cycle of findings' and notices' episodes asks for."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.lifecycle import (
    AlertState,
    Effect,
    Episode,
    EpisodePolicy,
    advance,
    end,
)
from purposewatch_reporter.alerts.notices import ENDING_BY_THEMSELVES, NoticeKind, current_kind
from purposewatch_reporter.alerts.outbox import (
    Opened,
    Source,
    open_deliveries,
    resolve_deliveries,
)
from purposewatch_reporter.alerts.routing import Routing
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.silences import NewSilence, Silence, insert_silence
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import findings, notices

_ROUND_SIZE = 500
_TABLES = {Source.FINDING: findings, Source.NOTICE: notices}
_EXPLICITLY = EpisodePolicy(quiet=None)


class AlertLifecycle:
    """Advances every episode: routes those that began, ends those that have been quiet.

    INVARIANT: an episode and its rows in the outbox change in one transaction, so that any process
    may do it, once.
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
        self._policy = EpisodePolicy(quiet)
        self._clock = clock

    async def advance(self) -> None:
        """Advance every episode that is due."""
        now = self._clock()
        due = {source: self._due(table, now) for source, table in _TABLES.items()}
        looks = [select(_TABLES[source]).where(which).exists() for source, which in due.items()]
        async with self._database.reading() as connection:  # mostly there is nothing to do
            if not (await connection.execute(select(or_(*looks)))).scalar_one():
                return
        for source, which in due.items():
            after: str | None = ""
            while after is not None:
                after = await self._advance_some(source, which, after, now)

    def _due(self, table: Table, now: datetime) -> ColumnElement[bool]:
        """Episodes that `advance` may change: firing, and not routed yet or quiet for long."""
        assert self._policy.quiet is not None  # noqa: S101 - set in __init__
        quiet = table.c.active_time < now - self._policy.quiet
        if table is notices:
            quiet = and_(quiet, table.c.kind.in_(sorted(ENDING_BY_THEMSELVES)))
        unrouted = table.c.routed_episode < table.c.episode
        return and_(table.c.state == str(AlertState.FIRING), or_(unrouted, quiet))

    async def _advance_some(
        self, source: Source, which: ColumnElement[bool], after: str, now: datetime
    ) -> str | None:
        """Advance some episodes behind a fingerprint; the last one's when there may be more."""
        table = _TABLES[source]
        query = (
            select(table)
            .where(which, table.c.fingerprint > after)
            .order_by(table.c.fingerprint)
            .limit(_ROUND_SIZE)
        )
        async with self._database.writing() as connection:
            # a locked row is being recorded, or another process advances it
            rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
            moved = [
                (row, *advance(Episode.from_row(row), self._policy_of(source, row), now))
                for row in rows
            ]
            opened = [
                Opened(source, row.fingerprint, row.episode, self._channels(source, row))
                for row, _, effects in moved
                if Effect.ROUTE in effects
            ]
            await open_deliveries(connection, opened, now)
            await _store(connection, source, moved, now)
        return rows[-1].fingerprint if len(rows) == _ROUND_SIZE else None

    def _policy_of(self, source: Source, row: Any) -> EpisodePolicy:
        """Notices are ended by whoever raised them, with exceptions."""
        by_itself = source is Source.FINDING or row.kind in ENDING_BY_THEMSELVES
        return self._policy if by_itself else _EXPLICITLY

    def _channels(self, source: Source, row: Any) -> Sequence[str]:
        if source is Source.FINDING:
            return self._routing.channels(row.controller, row.kind, row.severity)
        channels = self._routing.channels(row.controller, current_kind(row.kind), row.severity)
        if row.kind == NoticeKind.CHANNEL:  # a failing channel can't report itself
            return [name for name in channels if name != row.key]
        return channels


async def silence_findings(
    connection: AsyncConnection, asked: NewSilence, now: datetime
) -> Silence:
    """Add a silence, and end the episodes that it covers. Raises `SilenceError`."""
    added = await insert_silence(connection, asked, now)
    query = select(findings).where(findings.c.state == str(AlertState.FIRING))
    for name, value in zip(Group._fields, asked.matchers.values(), strict=True):
        if value is not None:
            query = query.where(findings.c[name] == value)
    query = query.order_by(findings.c.fingerprint).with_for_update()
    rows = await connection.execute(query)
    moved = [(row, *end(Episode.from_row(row), now)) for row in rows]
    await _store(connection, Source.FINDING, moved, now)
    return added


async def _store(
    connection: AsyncConnection,
    source: Source,
    moved: Sequence[tuple[Any, Episode, Sequence[Effect]]],
    now: datetime,
) -> None:
    """Store episodes that have changed, and resolve the deliveries of those that are over."""
    changed = [(row, episode) for row, episode, effects in moved if effects]
    if not changed:
        return
    table = _TABLES[source]
    await connection.execute(
        update(table).where(table.c.fingerprint == bindparam("name")),
        [{"name": row.fingerprint, **episode.as_row()} for row, episode in changed],
    )
    over = {
        row.fingerprint: episode.count
        for row, episode, effects in moved
        if Effect.RESOLVE in effects
    }
    await resolve_deliveries(connection, source, over, now)
