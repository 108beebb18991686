"""The states of triage and what leads from one to another. Pure."""

from collections.abc import Iterable
from enum import StrEnum


class Target(StrEnum):
    """What is triaged: one violation, or a finding and with it all of its violations."""

    VIOLATION = "violation"
    FINDING = "finding"


class Status(StrEnum):
    """Where triage stands, the least done first."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false_positive"
    RESOLVED = "resolved"


class Act(StrEnum):
    """What somebody does."""

    ACKNOWLEDGE = "acknowledge"
    FALSE_POSITIVE = "false_positive"
    ACCEPT = "accept"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ASSIGN = "assign"
    COMMENT = "comment"


LEADS_TO = {
    Act.ACKNOWLEDGE: Status.ACKNOWLEDGED,
    Act.FALSE_POSITIVE: Status.FALSE_POSITIVE,
    Act.ACCEPT: Status.ACCEPTED,
    Act.RESOLVE: Status.RESOLVED,
    Act.REOPEN: Status.OPEN,
}

NEEDS_COMMENT = frozenset({Act.FALSE_POSITIVE, Act.ACCEPT, Act.COMMENT})
"""Acts that say nothing without a reason."""

_CLOSED = frozenset({Status.ACCEPTED, Status.FALSE_POSITIVE, Status.RESOLVED})


def possible(status: Status) -> tuple[Act, ...]:
    """The acts that change this status."""
    if status in _CLOSED:
        return (Act.REOPEN,)
    acts = (Act.ACKNOWLEDGE, Act.FALSE_POSITIVE, Act.ACCEPT, Act.RESOLVE)
    return acts if status is Status.OPEN else (*acts[1:], Act.REOPEN)


def effective(own: Status | None, of_findings: Iterable[Status]) -> Status:
    """A violation's status: its own, else the least done of its findings'."""
    if own is not None:
        return own
    order = list(Status)
    return min(of_findings, key=order.index, default=Status.OPEN)
