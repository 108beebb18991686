"""Suppressions: findings that somebody decided not to be alerted about, for a while.

What is suppressed stays in the record and is counted; it only raises no alert.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.outbox import Ended, Source, resolve
from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.store.tables import findings, suppressions

MAX_ACTIVE = 1_000
LONGEST = timedelta(days=366)
MAX_TEXT = 2_000


class SuppressionError(ValueError):
    """A suppression can't be added or ended; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Matchers:
    """Which findings; a field that is `None` matches every value."""

    controller: str | None = None
    role: str | None = None
    kind: str | None = None
    data_category: str | None = None
    purpose: str | None = None
    recipient: str | None = None
    publisher: str | None = None

    def matches(self, group: Group) -> bool:
        """Whether all the given fields are the group's."""
        return all(
            wanted is None or wanted == actual
            for wanted, actual in zip(self.values(), group, strict=True)
        )

    def values(self) -> tuple[str | None, ...]:
        """The fields, in a group's order."""
        return tuple(getattr(self, name) for name in Group._fields)


@dataclass(frozen=True, slots=True)
class Suppression:
    """A decision not to be alerted, by whom, why and for how long."""

    id: str
    matchers: Matchers
    reason: str
    author: str
    created_time: datetime
    expires_time: datetime
    ended_time: datetime | None = None
    ended_by: str | None = None

    def matches(self, group: Group) -> bool:
        """Whether findings of this group are suppressed, while it lasts."""
        return self.matchers.matches(group)

    def is_active(self, now: datetime) -> bool:
        """Whether it lasts."""
        return self.ended_time is None and self.expires_time > now


_LATEST = select(suppressions).order_by(suppressions.c.created_time.desc(), suppressions.c.id)
_ACTIVE = _LATEST.where(
    suppressions.c.ended_time.is_(None), suppressions.c.expires_time > bindparam("now")
)


async def active_suppressions(connection: AsyncConnection, now: datetime) -> Sequence[Suppression]:
    """Those that last now."""
    return [_suppression(row) for row in await connection.execute(_ACTIVE, {"now": now})]


async def list_suppressions(
    connection: AsyncConnection, now: datetime, *, active_only: bool = False, limit: int = 500
) -> Sequence[Suppression]:
    """Suppressions, the latest first; by default with those that are over."""
    if active_only:
        return (await active_suppressions(connection, now))[:limit]
    return await _read(connection, limit=limit)


async def find_suppression(connection: AsyncConnection, name: str) -> Suppression | None:
    """The suppression with that id."""
    found = await _read(connection, suppressions.c.id == name)
    return found[0] if found else None


async def add_suppression(  # noqa: PLR0913 - what a suppression consists of
    connection: AsyncConnection,
    matchers: Matchers,
    *,
    reason: str,
    author: str,
    expires_time: datetime,
    now: datetime,
) -> Suppression:
    """Add one, and end the alerts that it covers.

    Raises `SuppressionError` unless it says what, why, by whom, and until when within a year.
    """
    reason, author = reason.strip(), author.strip()
    if not any(matchers.values()):
        message = "give at least one field to match; without any, nothing would alert"
        raise SuppressionError(message)
    if not reason or not author:
        message = "`reason` and `author` must not be empty"
        raise SuppressionError(message)
    if max(map(len, (reason, author))) > MAX_TEXT:
        message = f"`reason` and `author` take {MAX_TEXT} characters at most"
        raise SuppressionError(message)
    if not now < expires_time <= now + LONGEST:
        message = f"`expires_time` must be in the future, {LONGEST.days} days at most"
        raise SuppressionError(message)
    if len(await active_suppressions(connection, now)) >= MAX_ACTIVE:
        message = f"there are {MAX_ACTIVE} active suppressions already; end some first"
        raise SuppressionError(message)
    added = Suppression(uuid.uuid4().hex, matchers, reason, author, now, expires_time)
    values = {"id": added.id, **dict(zip(Group._fields, matchers.values(), strict=True))}
    for field in fields(added):
        if field.name not in ("id", "matchers"):
            values[field.name] = getattr(added, field.name)
    await connection.execute(insert(suppressions).values(values))
    await _quieten(connection, matchers, now)
    return added


async def end_suppression(
    connection: AsyncConnection, name: str, *, by: str, now: datetime
) -> Suppression | None:
    """End one before its time; what it covers alerts again when it happens again.

    Returns `None` when there is none. Raises `SuppressionError` when it is over already.
    """
    found = await find_suppression(connection, name)
    if found is None:
        return None
    if not found.is_active(now):
        message = f"the suppression `{name}` is over already"
        raise SuppressionError(message)
    await connection.execute(
        update(suppressions)
        .where(suppressions.c.id == name, suppressions.c.ended_time.is_(None))
        .values(ended_time=now, ended_by=by)
    )
    return await find_suppression(connection, name)


async def _quieten(connection: AsyncConnection, matchers: Matchers, now: datetime) -> None:
    query = select(findings.c.fingerprint, findings.c.episode_count).where(
        findings.c.state == "firing"
    )
    for name, value in zip(Group._fields, matchers.values(), strict=True):
        if value is not None:
            query = query.where(findings.c[name] == value)
    query = query.order_by(findings.c.fingerprint).with_for_update()
    rows = (await connection.execute(query)).all()
    if not rows:
        return
    await connection.execute(
        update(findings)
        .where(findings.c.fingerprint.in_([row.fingerprint for row in rows]))
        .values(state="quiet", quiet_time=now, routed_episode=findings.c.episode)
    )
    ended = [Ended(row.fingerprint, row.episode_count) for row in rows]
    await resolve(connection, Source.FINDING, ended, now)


async def _read(
    connection: AsyncConnection, *conditions: Any, limit: int | None = None
) -> Sequence[Suppression]:
    query = _LATEST.where(*conditions).limit(limit)
    return [_suppression(row) for row in await connection.execute(query)]


def _suppression(row: Row[Any]) -> Suppression:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    matchers = Matchers(**{name: values.pop(name) for name in Group._fields})
    return Suppression(matchers=matchers, **values)
