"""Forget what has been quiet for very long."""

from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.tables import (
    findings,
    notices,
    outbox,
    suppressions,
    violation_categories,
)

_PRUNE_SIZE = 1_000


async def prune_findings(connection: AsyncConnection, before: datetime) -> int:
    """Forget some findings quiet since before that time; the number forgotten.

    INVARIANT: a finding stays while violations belong to it: lists find violations through it.
    """
    # a finding that came back would count its episodes anew, and must not meet the old ones' rows
    told = exists().where(outbox.c.fingerprint == findings.c.fingerprint)
    used = exists().where(violation_categories.c.fingerprint == findings.c.fingerprint)
    old = (
        select(findings.c.fingerprint)
        .where(findings.c.last_booked_time < before, findings.c.state == "quiet", ~told, ~used)
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(findings).where(findings.c.fingerprint.in_(old)))
    return int(result.rowcount)


async def prune_notices(connection: AsyncConnection, before: datetime) -> int:
    """Forget some notices quiet since before that time; the number forgotten."""
    told = exists().where(outbox.c.fingerprint == notices.c.fingerprint)
    old = (
        select(notices.c.fingerprint)
        .where(notices.c.active_time < before, notices.c.state == "quiet", ~told)
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(notices).where(notices.c.fingerprint.in_(old)))
    return int(result.rowcount)


async def prune_suppressions(connection: AsyncConnection, before: datetime) -> int:
    """Forget some suppressions over since before that time; the number forgotten."""
    old = select(suppressions.c.id).where(suppressions.c.expires_time < before).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(suppressions).where(suppressions.c.id.in_(old)))
    return int(result.rowcount)
