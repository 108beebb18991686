"""Everything that a sentence about a decision needs, in no language."""

from dataclasses import dataclass
from datetime import datetime

from purposewatch_policy.decision import CategoryDecision
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms, UnknownTerm, Vocabulary


@dataclass(frozen=True, slots=True)
class Account:
    """One decision about one data category, with what it was decided about and by."""

    decided: CategoryDecision
    flow: FlowTerms
    at: datetime
    vocabulary: Vocabulary | None
    """`None` when there is no such controller."""
    statement: Statement | None
    """The deciding statement, or the nearest miss."""
    permit: Statement | None
    """The statement that permits what `statement` prohibits, if any."""
    unknown: tuple[UnknownTerm, ...]
    """The terms on account of which the category can't be judged."""
