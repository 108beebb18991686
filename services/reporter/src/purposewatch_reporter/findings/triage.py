"""Triage of violations and findings: a pure state machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_COMMENT = 4_000


class Target(StrEnum):
    """What is triaged: one violation, or a finding and with it all of its violations."""

    VIOLATION = "violation"
    FINDING = "finding"


class Status(StrEnum):
    """Where triage stands, the least advanced first."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false_positive"
    RESOLVED = "resolved"


class Action(StrEnum):
    """What somebody does."""

    ACKNOWLEDGE = "acknowledge"
    FALSE_POSITIVE = "false_positive"
    ACCEPT = "accept"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ASSIGN = "assign"
    COMMENT = "comment"


RESULTING_STATUS = {
    Action.ACKNOWLEDGE: Status.ACKNOWLEDGED,
    Action.FALSE_POSITIVE: Status.FALSE_POSITIVE,
    Action.ACCEPT: Status.ACCEPTED,
    Action.RESOLVE: Status.RESOLVED,
    Action.REOPEN: Status.OPEN,
}

NEEDS_COMMENT = frozenset({Action.FALSE_POSITIVE, Action.ACCEPT, Action.COMMENT})
"""Actions that mean nothing without a reason."""

_CLOSED = frozenset({Status.ACCEPTED, Status.FALSE_POSITIVE, Status.RESOLVED})


class Refusal(StrEnum):
    """Why a command is refused; each has a text."""

    COMMENT_MISSING = "comment_missing"
    COMMENT_LONG = "comment_long"
    NOT_POSSIBLE = "not_possible"
    NO_USER = "no_user"


class TriageError(ValueError):
    """The command is refused."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TriageState:
    """Where triage stands for one target."""

    status: Status = Status.OPEN
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class TriageCommand:
    """What somebody does to a target."""

    target: Target
    target_id: str
    action: Action
    author: str
    comment: str | None = None
    assignee: str | None = None

    @property
    def stripped_comment(self) -> str | None:
        """The comment without surrounding white space; `None` if nothing is left."""
        return (self.comment or "").strip() or None


def possible(status: Status) -> tuple[Action, ...]:
    """The actions that change this status."""
    if status in _CLOSED:
        return (Action.REOPEN,)
    actions = (Action.ACKNOWLEDGE, Action.FALSE_POSITIVE, Action.ACCEPT, Action.RESOLVE)
    return actions if status is Status.OPEN else (*actions[1:], Action.REOPEN)


def transition(before: TriageState, command: TriageCommand) -> TriageState:
    """The state after a command. Raises `TriageError` when it is refused."""
    comment = command.stripped_comment
    if command.action in NEEDS_COMMENT and comment is None:
        raise TriageError(Refusal.COMMENT_MISSING)
    if comment is not None and len(comment) > MAX_COMMENT:
        raise TriageError(Refusal.COMMENT_LONG)
    if command.action in RESULTING_STATUS and command.action not in possible(before.status):
        raise TriageError(Refusal.NOT_POSSIBLE)
    return TriageState(
        RESULTING_STATUS.get(command.action, before.status),
        command.assignee if command.action is Action.ASSIGN else before.assignee,
    )


def effective(own: Status | None, of_findings: Iterable[Status]) -> Status:
    """A violation's status: its own, else the least advanced of its findings'."""
    if own is not None:
        return own
    order = list(Status)
    return min(of_findings, key=order.index, default=Status.OPEN)
