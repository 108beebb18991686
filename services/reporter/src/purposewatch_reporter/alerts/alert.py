"""The content of a notification: one alert in words, labels and numbers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from purposewatch_reporter.alerts.delivery_state import AlertStatus
from purposewatch_reporter.alerts.notices import FOR_COMPLIANCE, current_kind
from purposewatch_reporter.alerts.outbox import PendingDelivery, Source
from purposewatch_reporter.findings.group import Group

FINDING_NAME = "PurposewatchViolation"
NOTICE_NAME = "PurposewatchNotice"

_SHORTEST = timedelta(minutes=1)
_NOTICE_PATHS = {
    "channel": "api/v1/outbox",
    "conflict": "api/v1/conflicts",
    "exception": "api/v1/silences?exceptions=true",
    "counting_rule": "discovery#counting-rules",
    "new_third_party": "discovery#recipients",
    "new_recipient": "discovery#recipients",
    "new_flow": "discovery#flows",
    "publisher_silent": "discovery#publishers",
    "publisher_surge": "discovery#publishers",
}
_OTHER_NOTICES = "api/v1/ledger"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. It contains no personal data: a finding has no subject."""

    key: str
    """The same for every attempt to send the same notification, and for no other."""
    source: Source
    fingerprint: str
    episode: int
    state: AlertStatus
    title: str
    summary: str
    labels: Mapping[str, str]
    facts: Mapping[str, str]
    """Further details, by name."""
    count: int
    """Occurrences in this episode."""
    per_minute: float
    started: datetime
    ended: datetime | None
    first_seen: datetime
    last_seen: datetime
    url: str

    @property
    def severity(self) -> str:
        """Its severity."""
        return self.labels["severity"]


def alert_of(pending: PendingDelivery, public_url: str) -> Alert | None:
    """The alert for a row of the outbox; `None` when its finding was pruned."""
    if pending.source is Source.FINDING:
        finding = pending.finding
        return None if finding is None else _of_finding(pending, finding, public_url)
    return None if pending.notice is None else _of_notice(pending, pending.notice, public_url)


def _of_finding(pending: PendingDelivery, finding: Row[Any], public_url: str) -> Alert:
    group = Group(*(getattr(finding, name) for name in Group._fields))
    is_running = pending.delivery.resolved_count is None
    counted = is_running and finding.episode_accesses != finding.episode_count
    facts = {
        "accesses": str(finding.episode_accesses) if counted else None,
        "clause": finding.clause,
        "statement": finding.statement,
        "policy_version": finding.policy_version,
        "latest_violation": f"{public_url}/api/v1/violations/{finding.last_violation_id}",
    }
    title = f"{group.kind}: {group.data_category} for {group.purpose}, to {group.recipient}"
    return _alert(
        pending,
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
        url=f"{public_url}/findings/{pending.fingerprint}",
    )


def _of_notice(pending: PendingDelivery, notice: Row[Any], public_url: str) -> Alert:
    kind = current_kind(notice.kind)
    path = _NOTICE_PATHS.get(kind, _OTHER_NOTICES)
    controller = {} if notice.controller is None else {"controller": notice.controller}
    return _alert(
        pending,
        notice,
        title=f"{kind}: {notice.key}",
        labels={
            "alertname": NOTICE_NAME,
            "audience": "compliance" if kind in FOR_COMPLIANCE else "oncall",
            "kind": kind,
            "key": notice.key,
            **controller,
        },
        facts={},
        seen=(notice.first_time, notice.active_time),
        active=notice.active_time,
        url=f"{public_url}/{path}",
    )


def _alert(  # noqa: PLR0913 - what findings and notices differ in
    pending: PendingDelivery,
    about: Row[Any],
    *,
    title: str,
    labels: Mapping[str, str],
    facts: Mapping[str, str],
    seen: tuple[datetime, datetime],
    active: datetime | None,
    url: str,
) -> Alert:
    delivery = pending.delivery
    status = delivery.next_status
    resolved = status is AlertStatus.RESOLVED
    count = about.episode_count if delivery.resolved_count is None else delivery.resolved_count
    length = max(_SHORTEST, (active or pending.created_time) - pending.created_time)
    repeat = f"-{delivery.delivered}" if delivery.delivered and not resolved else ""
    prefix = "resolved: " if resolved else ""
    return Alert(
        key=f"{pending.fingerprint}-{pending.episode}-{status}{repeat}",
        source=pending.source,
        fingerprint=pending.fingerprint,
        episode=pending.episode,
        state=status,
        title=f"{prefix}[{about.severity}] {title}",
        summary=about.summary,
        labels={**labels, "severity": about.severity, "fingerprint": pending.fingerprint},
        facts=facts,
        count=count,
        per_minute=round(count / (length / _SHORTEST), 2),
        started=pending.created_time,
        ended=(delivery.resolved_time or pending.created_time) if resolved else None,
        first_seen=seen[0],
        last_seen=seen[1],
        url=url,
    )
