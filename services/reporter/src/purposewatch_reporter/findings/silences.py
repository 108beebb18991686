"""Silences: decisions not to alert about some findings for a while.

Silenced violations are recorded and counted as usual; they only raise no alert.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.group import Group
from purposewatch_reporter.findings.triage_store import append_silence_end, read_silence_ends
from purposewatch_reporter.store.tables import silences

MAX_ACTIVE = 1_000
LONGEST = timedelta(days=366)
MAX_TEXT = 2_000


class SilenceError(ValueError):
    """A silence can't be added or ended; the message says why and what to do."""


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
class Silence:
    """A decision not to be alerted, by whom, why and for how long.

    With a policy version it is an exception: see `exceptions`.
    """

    id: str
    matchers: Matchers
    reason: str
    author: str
    created_time: datetime
    expires_time: datetime
    ended_time: datetime | None = None
    ended_by: str | None = None
    policy_version: str | None = None
    owner: str | None = None
    ended_reason: str | None = None
    """Why it was ended early, from the trail; `active_silences` does not read it."""

    def matches(self, group: Group) -> bool:
        """Whether findings of this group are silenced, while it is active."""
        return self.matchers.matches(group)

    def is_active(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.ended_time is None and self.expires_time > now


_LATEST = select(silences).order_by(silences.c.created_time.desc(), silences.c.id)
_ACTIVE = _LATEST.where(silences.c.ended_time.is_(None), silences.c.expires_time > bindparam("now"))


async def active_silences(connection: AsyncConnection, now: datetime) -> Sequence[Silence]:
    """The silences in force now."""
    return [_silence(row) for row in await connection.execute(_ACTIVE, {"now": now})]


async def list_silences(
    connection: AsyncConnection,
    now: datetime,
    *,
    active_only: bool = False,
    exceptions_only: bool = False,
    limit: int = 500,
) -> Sequence[Silence]:
    """Silences, the latest first; by default including those that are over."""
    if active_only:
        active = await active_silences(connection, now)
        wanted = [each for each in active if each.policy_version or not exceptions_only]
        return wanted[:limit]
    only = [silences.c.policy_version.is_not(None)] if exceptions_only else []
    return await _with_reasons(connection, await _read(connection, *only, limit=limit))


async def exceptions_ending_after(connection: AsyncConnection, time: datetime) -> Sequence[Silence]:
    """The exceptions that expire, or have expired, after a time and were not ended before."""
    return await _read(
        connection,
        silences.c.policy_version.is_not(None),
        silences.c.ended_time.is_(None),
        silences.c.expires_time > time,
    )


async def find_silence(connection: AsyncConnection, name: str) -> Silence | None:
    """The silence with that id."""
    found = await _with_reasons(connection, await _read(connection, silences.c.id == name))
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class NewSilence:
    """A silence to add."""

    matchers: Matchers
    reason: str
    author: str
    expires_time: datetime
    policy_version: str | None = None
    """The version that it is an exception to; then `owner` says who answers for it."""
    owner: str | None = None


async def insert_silence(connection: AsyncConnection, asked: NewSilence, now: datetime) -> Silence:
    """Store a silence; `alerts.episodes.silence_findings` also ends the alerts that it covers.

    Raises `SilenceError` unless it says what, why, by whom, and until when within a year. An
    exception also has to name a controller and an owner.
    """
    matchers, reason, author = asked.matchers, asked.reason.strip(), asked.author.strip()
    if not any(matchers.values()):
        message = "give at least one field to match; without any, nothing would alert"
        raise SilenceError(message)
    if not reason or not author:
        message = "`reason` and `author` must not be empty"
        raise SilenceError(message)
    if max(map(len, (reason, author))) > MAX_TEXT:
        message = f"`reason` and `author` must not exceed {MAX_TEXT} characters"
        raise SilenceError(message)
    if asked.policy_version is not None and not (asked.owner and matchers.controller):
        message = "an exception to a policy version needs `owner` and the controller to match"
        raise SilenceError(message)
    if not now < asked.expires_time <= now + LONGEST:
        message = f"`expires_time` must be in the future, at most {LONGEST.days} days ahead"
        raise SilenceError(message)
    if len(await active_silences(connection, now)) >= MAX_ACTIVE:
        message = f"there are {MAX_ACTIVE} active silences already; end some first"
        raise SilenceError(message)
    added = Silence(
        uuid.uuid4().hex,
        matchers,
        reason,
        author,
        now,
        asked.expires_time,
        policy_version=asked.policy_version,
        owner=asked.owner,
    )
    values = {"id": added.id, **dict(zip(Group._fields, matchers.values(), strict=True))}
    for field in fields(added):
        if field.name not in ("id", "matchers", "ended_reason"):
            values[field.name] = getattr(added, field.name)
    await connection.execute(insert(silences).values(values))
    return added


async def end_silence(
    connection: AsyncConnection, name: str, *, by: str, now: datetime, reason: str | None = None
) -> Silence | None:
    """End a silence early and append that to the trail of triage.

    What it covered alerts again at the next violation. Returns `None` when there is none. Raises
    `SilenceError` when it is over already.
    """
    found = await find_silence(connection, name)
    if found is None:
        return None
    ended = await connection.execute(
        update(silences)
        .where(
            silences.c.id == name, silences.c.ended_time.is_(None), silences.c.expires_time > now
        )
        .values(ended_time=now, ended_by=by)
    )
    if not ended.rowcount:
        message = f"the silence `{name}` has ended already"
        raise SilenceError(message)
    await append_silence_end(connection, name, author=by, reason=reason, now=now)
    return await find_silence(connection, name)


async def _with_reasons(connection: AsyncConnection, found: Sequence[Silence]) -> Sequence[Silence]:
    reasons = await read_silence_ends(connection, [each.id for each in found if each.ended_time])
    return [replace(each, ended_reason=reasons.get(each.id)) for each in found]


async def _read(
    connection: AsyncConnection, *conditions: Any, limit: int | None = None
) -> Sequence[Silence]:
    query = _LATEST.where(*conditions).limit(limit)
    return [_silence(row) for row in await connection.execute(query)]


def _silence(row: Row[Any]) -> Silence:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    matchers = Matchers(**{name: values.pop(name) for name in Group._fields})
    return Silence(matchers=matchers, **values)
