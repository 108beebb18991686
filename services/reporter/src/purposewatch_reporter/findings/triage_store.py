"""Triage in the database: the state of each target, and the append-only trail of what was done.

INVARIANT: the state of a target and the action that changed it are written in one transaction, and
the trail is append-only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.findings.triage import (
    Status,
    Target,
    TriageCommand,
    TriageState,
    transition,
)
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import triage, triage_acts

_SILENCE = "silence"
"""The kind of target of a silence's end; nothing else is done to a silence."""
_MAX_AUTHOR = 64


async def read_trail(
    connection: AsyncConnection, target: Target, name: str
) -> list[Mapping[str, Any]]:
    """Every action on a target, the latest first."""
    query = (
        select(triage_acts)
        .where(triage_acts.c.target_kind == str(target), triage_acts.c.target_id == name)
        .order_by(triage_acts.c.sequence.desc())
    )
    rows = await connection.execute(query)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name


async def apply(
    connection: AsyncConnection, command: TriageCommand, inherited: TriageState, now: datetime
) -> TriageState:
    """Change the state of a target and append the action to its trail.

    `inherited` is the state of a target that was never triaged itself. Raises `TriageError`.
    """
    before = await _lock(connection, command, inherited, now)
    after = transition(before, command)
    await connection.execute(
        triage.update()
        .where(triage.c.target_kind == str(command.target), triage.c.target_id == command.target_id)
        .values(status=str(after.status), assignee=after.assignee, updated_time=now)
    )
    await connection.execute(
        insert(triage_acts).values(
            target_kind=str(command.target),
            target_id=command.target_id,
            act=str(command.action),
            from_status=str(before.status),
            to_status=str(after.status),
            assignee=after.assignee,
            comment=command.stripped_comment,
            author=command.author,
            time=now,
        )
    )
    return after


async def append_silence_end(
    connection: AsyncConnection, name: str, *, author: str, reason: str | None, now: datetime
) -> None:
    """Append to the trail that somebody ended a silence."""
    await connection.execute(
        insert(triage_acts).values(
            target_kind=_SILENCE,
            target_id=name,
            act="end",
            from_status="active",
            to_status="ended",
            comment=reason,
            author=author[:_MAX_AUTHOR],  # the API takes more; the whole is in `ended_by`
            time=now,
        )
    )


async def read_silence_ends(
    connection: AsyncConnection, names: Sequence[str]
) -> Mapping[str, str | None]:
    """The reasons for which silences were ended, of those that somebody ended."""
    query = select(triage_acts.c.target_id, triage_acts.c.comment).where(
        triage_acts.c.target_kind == _SILENCE, triage_acts.c.target_id.in_(names)
    )
    return {row.target_id: row.comment for row in await connection.execute(query)}


async def _lock(
    connection: AsyncConnection, command: TriageCommand, inherited: TriageState, now: datetime
) -> TriageState:
    """Lock the target's row, adding it if need be, so that two commands at once are serialised."""
    of_target = {"target_kind": str(command.target), "target_id": command.target_id}
    await connection.execute(
        insert_into(connection, triage)
        .values(
            **of_target,
            status=str(inherited.status),
            assignee=inherited.assignee,
            updated_time=now,
        )
        .on_conflict_do_nothing()
    )
    row = (
        await connection.execute(
            select(triage.c.status, triage.c.assignee).filter_by(**of_target).with_for_update()
        )
    ).one()
    return TriageState(Status(row.status), row.assignee)
