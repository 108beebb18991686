"""What the demonstration knows about what it sent, and what the ledger must therefore show."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from purposewatch_contract import ErrorClass
from purposewatch_policy import Kind, Outcome


@dataclass(frozen=True, slots=True)
class Recorded:
    """The event must be recorded once, with this outcome."""

    outcome: Outcome
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """The event was sent before: it must be recognised by its id."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Ingest must answer with this status."""

    status: int


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The record must be dead-lettered for this reason."""

    error_class: ErrorClass


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """Somebody else's event: nothing is known of what it should become."""


Expected: TypeAlias = Recorded | Repeated | Rejected | DeadLettered | Unforeseen


@dataclass(slots=True)
class Tally:
    """Counts what was delivered, by what must become of it."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    repeats: int = 0
    rejected: Counter[int] = field(default_factory=Counter)
    dead_letters: Counter[ErrorClass] = field(default_factory=Counter)
    unforeseen: int = 0
    facts: int = 0
    """Statements of facts that were acknowledged before the events that need them."""

    def add(self, expected: Iterable[Expected]) -> None:
        """Take in what was delivered."""
        for each in expected:
            match each:
                case Recorded(outcome, kind):
                    self.outcomes[outcome] += 1
                    if kind is not None:
                        self.kinds[kind] += 1
                case Repeated():
                    self.repeats += 1
                case Rejected(status):
                    self.rejected[status] += 1
                case DeadLettered(error_class):
                    self.dead_letters[error_class] += 1
                case Unforeseen():
                    self.unforeseen += 1

    @property
    def distinct(self) -> int:
        """Events that must be in the counts: each once."""
        return self.outcomes.total()

    @property
    def accepted(self) -> int:
        """Events that must be in the events topic."""
        return self.distinct + self.repeats + self.unforeseen

    @property
    def sent(self) -> int:
        """Everything that was delivered, good or bad."""
        return self.accepted + self.rejected.total() + self.dead_letters.total()
