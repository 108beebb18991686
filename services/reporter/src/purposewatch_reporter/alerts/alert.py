"""What a receiver is told: one alert in words, labels and numbers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from purposewatch_reporter.alerts.outbox import Source, State, Waiting
from purposewatch_reporter.findings.group import Group

FINDING_NAME = "PurposewatchViolation"
NOTICE_NAME = "PurposewatchNotice"

_SHORTEST = timedelta(minutes=1)
_NOTICE_PLACES = {"books": "books", "channel": "outbox", "conflict": "conflicts"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. It says nothing of persons: a finding has no subject."""

    key: str
    """The same for every attempt to say the same thing, and for nothing else."""
    source: Source
    fingerprint: str
    episode: int
    state: State
    title: str
    summary: str
    labels: Mapping[str, str]
    facts: Mapping[str, str]
    """What else there is to read, by its name."""
    count: int
    """How often in this episode."""
    per_minute: float
    started: datetime
    ended: datetime | None
    first_seen: datetime
    last_seen: datetime
    url: str

    @property
    def severity(self) -> str:
        """How grave it is."""
        return self.labels["severity"]


def alert_of(waiting: Waiting, public_url: str) -> Alert | None:
    """The alert for a row of the outbox; `None` when its finding has been forgotten."""
    if waiting.source is Source.FINDING:
        finding = waiting.finding
        return None if finding is None else _of_finding(waiting, finding, public_url)
    return None if waiting.notice is None else _of_notice(waiting, waiting.notice, public_url)


def _of_finding(waiting: Waiting, finding: Row[Any], public_url: str) -> Alert:
    group = Group(*(getattr(finding, name) for name in Group._fields))
    facts = {
        "clause": finding.clause,
        "statement": finding.statement,
        "policy_version": finding.policy_version,
        "latest_violation": f"{public_url}/api/v1/violations/{finding.last_violation_id}",
    }
    title = f"{group.kind}: {group.data_category} for {group.purpose}, to {group.recipient}"
    return _alert(
        waiting,
        finding,
        title=f"{title} ({group.controller}, {group.role}, {group.publisher})",
        labels={
            "alertname": FINDING_NAME,
            "audience": "compliance",
            **group._asdict(),
            "outcome": finding.outcome,
        },
        facts={name: value for name, value in facts.items() if value},
        seen=(finding.first_event_time, finding.last_event_time),
        active=finding.active_time,
        url=f"{public_url}/findings/{waiting.fingerprint}",
    )


def _of_notice(waiting: Waiting, notice: Row[Any], public_url: str) -> Alert:
    place = _NOTICE_PLACES.get(notice.kind, "books")
    return _alert(
        waiting,
        notice,
        title=f"{notice.kind}: {notice.key}",
        labels={
            "alertname": NOTICE_NAME,
            "audience": "oncall",
            "kind": notice.kind,
            "key": notice.key,
        },
        facts={},
        seen=(notice.first_time, notice.active_time),
        active=notice.active_time,
        url=f"{public_url}/api/v1/{place}",
    )


def _alert(  # noqa: PLR0913 - what findings and notices differ in
    waiting: Waiting,
    about: Row[Any],
    *,
    title: str,
    labels: Mapping[str, str],
    facts: Mapping[str, str],
    seen: tuple[datetime, datetime],
    active: datetime | None,
    url: str,
) -> Alert:
    resolved = waiting.telling is State.RESOLVED
    count = about.episode_count if waiting.resolved_count is None else waiting.resolved_count
    length = max(_SHORTEST, (active or waiting.created_time) - waiting.created_time)
    repeat = f"-{waiting.told}" if waiting.told and not resolved else ""
    prefix = "resolved: " if resolved else ""
    return Alert(
        key=f"{waiting.fingerprint}-{waiting.episode}-{waiting.telling}{repeat}",
        source=waiting.source,
        fingerprint=waiting.fingerprint,
        episode=waiting.episode,
        state=waiting.telling,
        title=f"{prefix}[{about.severity}] {title}",
        summary=about.summary,
        labels={**labels, "severity": about.severity, "fingerprint": waiting.fingerprint},
        facts=facts,
        count=count,
        per_minute=round(count / (length / _SHORTEST), 2),
        started=waiting.created_time,
        ended=(waiting.resolved_time or waiting.created_time) if resolved else None,
        first_seen=seen[0],
        last_seen=seen[1],
        url=url,
    )
