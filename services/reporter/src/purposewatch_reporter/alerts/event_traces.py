"""The traces of the events that findings are about."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.tables import findings, violations


class _Traced(msgspec.Struct):
    traceparent: str | None = None


async def traceparents_of(
    connection: AsyncConnection, fingerprints: Sequence[str]
) -> Sequence[str | None]:
    """The `traceparent` of the last event of each finding; `None` for what has none."""
    rows = await connection.execute(
        select(findings.c.fingerprint, violations.c.verdict)
        .join(violations, violations.c.id == findings.c.last_violation_id)
        .where(findings.c.fingerprint.in_(fingerprints))
    )
    found = {
        fingerprint: msgspec.json.decode(verdict, type=_Traced).traceparent
        for fingerprint, verdict in rows
    }
    return [found.get(each) for each in fingerprints]
