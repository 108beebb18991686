"""Notices: what alerts apart from findings. Deduplicated by kind and key, ended by whoever raised.

A notice is raised again as often as it is seen; only the first time of an episode alerts.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.outbox import Ended, Source, resolve
from purposewatch_reporter.findings.group import digest
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.store.insert import insert_into
from purposewatch_reporter.store.tables import notices

MAX_SUMMARY = 2_000


class NoticeKind(StrEnum):
    """What notices are about."""

    BOOKS = "books"
    """The books don't balance, or a topic lost or changed what was booked."""
    CHANNEL = "channel"
    """Alerts don't get through on a channel."""
    CONFLICT = "conflict"
    """An event id came with two contents. Ends by itself when it has been quiet for a while."""


def notice_fingerprint(kind: str, key: str) -> str:
    """What the alerts of a notice are recognised by."""
    return digest("notice", kind, key)


async def raise_notice(  # noqa: PLR0913 - what a notice consists of
    connection: AsyncConnection,
    *,
    kind: str,
    key: str,
    summary: str,
    severity: str,
    now: datetime,
    count: int = 1,
) -> None:
    """Raise a notice, or say that it still holds. `kind` is one of `NoticeKind`.

    Alerts once per episode, however often it is called. The key has to come from a bounded set.
    """
    statement = insert_into(connection, notices)
    new = statement.excluded
    begins = notices.c.state == "quiet"
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={
                "summary": new.summary,
                "severity": new.severity,
                "state": "firing",
                "episode": notices.c.episode + case((begins, 1), else_=0),
                "episode_started_time": case(
                    (begins, new.episode_started_time), else_=notices.c.episode_started_time
                ),
                "episode_count": new.episode_count
                + case((begins, 0), else_=notices.c.episode_count),
                "active_time": new.active_time,
                "quiet_time": None,
            },
        ),
        {
            "fingerprint": notice_fingerprint(NoticeKind(kind), key),
            "kind": str(NoticeKind(kind)),
            "key": key,
            "summary": summary[:MAX_SUMMARY],
            "severity": str(Severity(severity)),
            "state": "firing",
            "episode": 1,
            "episode_started_time": now,
            "episode_count": count,
            "first_time": now,
            "active_time": now,
            "quiet_time": None,
            "routed_episode": 0,
        },
    )


async def end_notice(connection: AsyncConnection, *, kind: str, key: str, now: datetime) -> bool:
    """End a notice; False when it is not raised."""
    name = notice_fingerprint(NoticeKind(kind), key)
    row = (
        await connection.execute(
            select(notices.c.episode, notices.c.episode_count, notices.c.routed_episode)
            .where(notices.c.fingerprint == name, notices.c.state == "firing")
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        return False
    values = {"state": "quiet", "quiet_time": now, "routed_episode": row.episode}
    await connection.execute(update(notices).where(notices.c.fingerprint == name).values(**values))
    await resolve(connection, Source.NOTICE, [Ended(name, row.episode_count)], now)
    return True
