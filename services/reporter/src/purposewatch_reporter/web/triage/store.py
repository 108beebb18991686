"""Triage in the database: where it stands, and the trail of how it got there.

INVARIANT: the state of a target and the act that changed it are written in one transaction, and
what stands in the trail is never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import triage, triage_acts
from purposewatch_reporter.web.triage.status import (
    LEADS_TO,
    NEEDS_COMMENT,
    Act,
    Status,
    Target,
    possible,
)

MAX_COMMENT = 4_000


class Refusal(StrEnum):
    """Why an act isn't possible; each has a text."""

    COMMENT_MISSING = "comment_missing"
    COMMENT_LONG = "comment_long"
    NOT_POSSIBLE = "not_possible"
    NO_ACCOUNT = "no_account"


class TriageError(ValueError):
    """The act isn't possible."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Standing:
    """Where triage stands for one target."""

    status: Status = Status.OPEN
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class Doing:
    """What somebody does to a target."""

    target: Target
    target_id: str
    act: Act
    author: str
    comment: str | None = None
    assignee: str | None = None


async def read_standing(
    connection: AsyncConnection, target: Target, name: str, *, lock: bool = False
) -> Standing | None:
    """Where triage stands; `None` when nobody has done anything yet."""
    query = select(triage.c.status, triage.c.assignee).where(
        triage.c.target_kind == str(target), triage.c.target_id == name
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else Standing(Status(row.status), row.assignee)


async def read_trail(
    connection: AsyncConnection, target: Target, name: str
) -> list[Mapping[str, Any]]:
    """Every act on a target, the latest first."""
    query = (
        select(triage_acts)
        .where(triage_acts.c.target_kind == str(target), triage_acts.c.target_id == name)
        .order_by(triage_acts.c.sequence.desc())
    )
    rows = await connection.execute(query)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name


async def do(
    connection: AsyncConnection, doing: Doing, inherited: Standing, now: datetime
) -> Standing:
    """Change where triage stands and write it into the trail.

    `inherited` counts while nobody has done anything to the target itself. Raises `TriageError`.
    """
    comment = (doing.comment or "").strip() or None
    if doing.act in NEEDS_COMMENT and comment is None:
        raise TriageError(Refusal.COMMENT_MISSING)
    if comment is not None and len(comment) > MAX_COMMENT:
        raise TriageError(Refusal.COMMENT_LONG)
    await _lay_down(connection, doing, inherited, now)
    before = await read_standing(connection, doing.target, doing.target_id, lock=True)
    before = before or inherited
    if doing.act in LEADS_TO and doing.act not in possible(before.status):
        raise TriageError(Refusal.NOT_POSSIBLE)
    after = Standing(
        LEADS_TO.get(doing.act, before.status),
        doing.assignee if doing.act is Act.ASSIGN else before.assignee,
    )
    where = (triage.c.target_kind == str(doing.target), triage.c.target_id == doing.target_id)
    await connection.execute(
        triage.update()
        .where(*where)
        .values(status=str(after.status), assignee=after.assignee, updated_time=now)
    )
    await connection.execute(
        insert(triage_acts).values(
            target_kind=str(doing.target),
            target_id=doing.target_id,
            act=str(doing.act),
            from_status=str(before.status),
            to_status=str(after.status),
            assignee=after.assignee,
            comment=comment,
            author=doing.author,
            time=now,
        )
    )
    return after


async def _lay_down(
    connection: AsyncConnection, doing: Doing, inherited: Standing, now: datetime
) -> None:
    """Make sure that there is a row to lock, so that two acts at once follow each other."""
    await connection.execute(
        insert_into(connection, triage)
        .values(
            target_kind=str(doing.target),
            target_id=doing.target_id,
            status=str(inherited.status),
            assignee=inherited.assignee,
            updated_time=now,
        )
        .on_conflict_do_nothing()
    )
