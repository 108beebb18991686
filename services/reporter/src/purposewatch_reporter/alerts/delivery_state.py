"""The delivery of one episode on one channel: a pure state machine.

The receiver first gets the firing notification, then the resolved one. What is due when is part of
the state, which the outbox stores, so that a restart changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias


class AlertStatus(StrEnum):
    """What a notification says of an episode."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """What a channel's receiver needs beyond one notification of each status."""

    resend: timedelta | None = None
    """Firing notifications are repeated this often."""
    hold: timedelta = timedelta(0)
    """The resolved notification is not sent earlier than this after the firing one."""
    linger: timedelta = timedelta(0)
    """The resolved notification is repeated for this long."""
    by_state: bool = False
    """The receiver keeps one state per fingerprint: only the latest episode matters."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the delivery of one episode on one channel stands."""

    state: AlertStatus
    """Of the episode, whatever the receiver knows."""
    due_time: datetime | None
    waiting_since: datetime | None
    """When the receiver should have had the next notification; `None` when it is up to date."""
    attempts: int = 0
    failures: int = 0
    """Failed attempts in a row."""
    delivered: int = 0
    """Notifications that the receiver has accepted."""
    resolve_after: datetime | None = None
    """Set once the receiver knows that the episode fires."""
    resolved_time: datetime | None = None
    resolved_count: int | None = None
    last_error: str | None = None
    done_time: datetime | None = None

    @property
    def next_status(self) -> AlertStatus:
        """What is sent next: an episode is announced before it is resolved."""
        return AlertStatus.FIRING if self.resolve_after is None else self.state


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver accepted a notification."""

    status: AlertStatus


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed; the next one is due after the pause."""

    error: str
    pause: timedelta


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later episode has taken its place, or its finding was pruned."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The episode is over."""

    count: int


Input: TypeAlias = Accepted | Failed | Superseded | Resolved


def new_delivery(now: datetime) -> Delivery:
    """The delivery of an episode that has just begun."""
    return Delivery(AlertStatus.FIRING, due_time=now, waiting_since=now)


def advance(delivery: Delivery, event: Input, policy: ResendPolicy, now: datetime) -> Delivery:
    """The state after something happened."""
    match event:
        case Accepted(AlertStatus.FIRING):
            return _announced(delivery, policy, now)
        case Accepted():
            return _resolution_accepted(delivery, policy, now)
        case Failed(error, pause):
            return replace(
                delivery,
                attempts=delivery.attempts + 1,
                failures=delivery.failures + 1,
                last_error=error,
                due_time=now + pause,
            )
        case Superseded():
            return replace(delivery, done_time=now, due_time=None, waiting_since=None)
        case Resolved(count):
            return _resolved(delivery, count, now)


def _resolved(delivery: Delivery, count: int, now: datetime) -> Delivery:
    resolved = replace(
        delivery, state=AlertStatus.RESOLVED, resolved_time=now, resolved_count=count
    )
    if delivery.resolve_after is None:  # the firing notification is still to be sent
        return resolved
    due = max(delivery.resolve_after, now)
    return replace(resolved, due_time=due, waiting_since=due)


def _accepted(delivery: Delivery) -> Delivery:
    return replace(
        delivery,
        delivered=delivery.delivered + 1,
        attempts=delivery.attempts + 1,
        failures=0,
        last_error=None,
    )


def _announced(delivery: Delivery, policy: ResendPolicy, now: datetime) -> Delivery:
    resolve_after = delivery.resolve_after or now + policy.hold
    announced = replace(_accepted(delivery), resolve_after=resolve_after)
    if delivery.state is AlertStatus.RESOLVED:  # the episode ended while this was being sent
        return replace(announced, due_time=resolve_after, waiting_since=resolve_after)
    again = None if policy.resend is None else now + policy.resend
    return replace(announced, due_time=again, waiting_since=None)


def _resolution_accepted(delivery: Delivery, policy: ResendPolicy, now: datetime) -> Delivery:
    accepted = replace(_accepted(delivery), waiting_since=None)
    lingers = delivery.resolved_time is not None and now < delivery.resolved_time + policy.linger
    if policy.resend is not None and lingers:
        return replace(accepted, due_time=now + policy.resend)
    return replace(accepted, due_time=None, done_time=now)
