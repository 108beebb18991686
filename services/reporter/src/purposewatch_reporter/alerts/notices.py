"""Notices: alerts that are not about findings. One per kind and key, ended by its raiser.

A notice is raised whenever its cause is seen; only the first time of an episode alerts.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.lifecycle import Episode, activity, end
from purposewatch_reporter.alerts.outbox import Source, resolve_deliveries
from purposewatch_reporter.findings.group import digest
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import notices

MAX_SUMMARY = 2_000
FORMER_KINDS: Mapping[str, str] = {"books": "ledger"}
"""Kinds by their names of 0.1, in stored rows and, until the next release, in alerting files."""


class NoticeKind(StrEnum):
    """What notices are about."""

    LEDGER = "ledger"
    """The ledger does not match Kafka, or a topic lost or changed what was recorded."""
    CHANNEL = "channel"
    """A channel delivers no alerts."""
    CONFLICT = "conflict"
    """An event id was used for two contents. Ends by itself after the quiet time."""
    SUSPECT = "suspect"
    """No service can have written a record. Ends by itself after the quiet time."""
    EXCEPTION = "exception"
    """Exceptions to a policy expire soon, or have expired."""
    COUNTING_RULE = "counting_rule"
    """More matched than a counting rule allows. Ends by itself after the quiet time."""
    NEW_THIRD_PARTY = "new_third_party"
    """A third party was never seen before. Ends by itself, like the next two."""
    NEW_RECIPIENT = "new_recipient"
    NEW_FLOW = "new_flow"
    PUBLISHER_SILENT = "publisher_silent"
    """A publisher usually publishes at this time of the week, and does not."""
    PUBLISHER_SURGE = "publisher_surge"
    """A publisher publishes many times the usual. Ends by itself after the quiet time."""


_DISCOVERIES = frozenset(
    {
        NoticeKind.COUNTING_RULE,
        NoticeKind.NEW_THIRD_PARTY,
        NoticeKind.NEW_RECIPIENT,
        NoticeKind.NEW_FLOW,
    }
)
FOR_COMPLIANCE = _DISCOVERIES | {NoticeKind.EXCEPTION}
"""Notices of these kinds are for the people who answer for policies, not for on-call."""

ENDING_BY_THEMSELVES = _DISCOVERIES | {
    NoticeKind.CONFLICT,
    NoticeKind.SUSPECT,
    NoticeKind.PUBLISHER_SURGE,
}
"""Notices of these kinds are about something that happened, not about a state."""


def current_kind(kind: str) -> str:
    """A notice's kind by its present name; any other is returned as it is."""
    return FORMER_KINDS.get(kind, kind)


def notice_fingerprint(kind: str, key: str) -> str:
    """What identifies the alerts of a notice.

    INVARIANT: the same as in 0.1, so that a notice that it raised can be ended.
    """
    former = {new: old for old, new in FORMER_KINDS.items()}
    return digest("notice", former.get(kind, kind), key)


async def raise_notice(  # noqa: PLR0913 - what a notice consists of
    connection: AsyncConnection,
    *,
    kind: str,
    key: str,
    summary: str,
    severity: str,
    now: datetime,
    count: int = 1,
    controller: str | None = None,
) -> Episode:
    """Raise a notice, or keep it firing; return its episode. `kind` is one of `NoticeKind`.

    Alerts once per episode, however often it is called. The key has to come from a bounded set.
    A notice about the data of one controller names it, so that routes can.
    """
    name = notice_fingerprint(NoticeKind(kind), key)
    shown = {
        "kind": str(NoticeKind(kind)),
        "summary": summary[:MAX_SUMMARY],
        "severity": str(Severity(severity)),
    }
    begun = activity(Episode(), count, now)
    added = await connection.execute(
        insert_into(connection, notices).on_conflict_do_nothing().returning(notices.c.fingerprint),
        {
            "fingerprint": name,
            "key": key,
            "controller": controller,
            "first_time": now,
            **shown,
            **begun.as_row(),
        },
    )
    if added.one_or_none() is not None:
        return begun
    of_notice = notices.c.fingerprint == name
    row = (await connection.execute(select(notices).where(of_notice).with_for_update())).one()
    episode = activity(Episode.from_row(row), count, now)
    await connection.execute(update(notices).where(of_notice).values(**shown, **episode.as_row()))
    return episode


async def end_notice(connection: AsyncConnection, *, kind: str, key: str, now: datetime) -> bool:
    """End a notice; False when it is not firing."""
    name = notice_fingerprint(NoticeKind(kind), key)
    of_notice = notices.c.fingerprint == name
    query = select(notices).where(of_notice, notices.c.state == "firing").with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return False
    episode, _ = end(Episode.from_row(row), now)
    await connection.execute(update(notices).where(of_notice).values(**episode.as_row()))
    await resolve_deliveries(connection, Source.NOTICE, {name: episode.count}, now)
    return True


async def raise_conflict_notices(
    connection: AsyncConnection, conflicts: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Raise one notice for each publisher of these rows of `id_conflicts`, in order of names."""
    by_publisher: dict[str, list[Mapping[str, Any]]] = {}
    for row in conflicts:
        by_publisher.setdefault(row["publisher"], []).append(row)
    for publisher, rows in sorted(by_publisher.items()):
        await raise_notice(
            connection,
            kind=NoticeKind.CONFLICT,
            key=publisher,
            summary=rows[-1]["summary"],
            severity=Severity.MEDIUM,
            now=now,
            count=len(rows),
        )


async def raise_suspect_notices(
    connection: AsyncConnection, suspects: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Raise one notice for each topic of these rows of `dead_letters`, in order of names."""
    by_topic: dict[str, list[Mapping[str, Any]]] = {}
    for row in suspects:
        by_topic.setdefault(row["origin_topic"], []).append(row)
    for topic, rows in sorted(by_topic.items()):
        last = rows[-1]
        await raise_notice(
            connection,
            kind=NoticeKind.SUSPECT,
            key=topic,
            summary=(
                f"No service can have written the record at partition {last['origin_partition']}, "
                f"offset {last['origin_offset']} of `{topic}`: {last['reason']}. Find out who "
                "writes to that topic; /api/v1/dead-letters?error_class=suspect lists all such "
                "records."
            ),
            severity=Severity.CRITICAL,
            now=now,
            count=len(rows),
        )
