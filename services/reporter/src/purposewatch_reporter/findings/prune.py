"""Deletes findings, notices and silences that have been inactive for very long."""

from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.tables import (
    findings,
    notices,
    outbox,
    silences,
    violation_categories,
)

_PRUNE_SIZE = 1_000


async def prune_findings(connection: AsyncConnection, before: datetime) -> int:
    """Delete some findings quiet since before that time; the number deleted.

    INVARIANT: a finding stays while violations belong to it: lists find violations through it.
    """
    # a finding that recurred would restart its episodes at 1 and collide with the rows of old ones
    has_delivery = exists().where(outbox.c.fingerprint == findings.c.fingerprint)
    used = exists().where(violation_categories.c.fingerprint == findings.c.fingerprint)
    old = (
        select(findings.c.fingerprint)
        .where(
            findings.c.last_recorded_time < before,
            findings.c.state == "quiet",
            ~has_delivery,
            ~used,
        )
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(findings).where(findings.c.fingerprint.in_(old)))
    return int(result.rowcount)


async def prune_notices(connection: AsyncConnection, before: datetime) -> int:
    """Delete some notices quiet since before that time; the number deleted."""
    has_delivery = exists().where(outbox.c.fingerprint == notices.c.fingerprint)
    old = (
        select(notices.c.fingerprint)
        .where(notices.c.active_time < before, notices.c.state == "quiet", ~has_delivery)
        .limit(_PRUNE_SIZE)
    )
    result = await connection.execute(delete(notices).where(notices.c.fingerprint.in_(old)))
    return int(result.rowcount)


async def prune_silences(connection: AsyncConnection, before: datetime) -> int:
    """Delete some silences that ended before that time; the number deleted."""
    old = select(silences.c.id).where(silences.c.expires_time < before).limit(_PRUNE_SIZE)
    result = await connection.execute(delete(silences).where(silences.c.id.in_(old)))
    return int(result.rowcount)
