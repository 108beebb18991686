"""What a language provides, and what its sentences are made from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from purposewatch_policy.change import EventChange, PolicyChange
from purposewatch_policy.decision import CategoryDecision
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms, UnknownTerm, Vocabulary


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """The decision about one data category, with what it was decided about and by."""

    decided: CategoryDecision
    flow: FlowTerms
    """With the facts that counted: the ledger's, if there was one."""
    at: datetime
    vocabulary: Vocabulary | None = None
    """`None` for an unknown controller."""
    statement: Statement | None = None
    """The deciding statement, or the nearest miss."""
    permit: Statement | None = None
    """The statement that permits what `statement` prohibits, if any."""
    unknown: tuple[UnknownTerm, ...] = ()
    """The unknown terms because of which the category cannot be judged."""


class Language(Protocol):
    """What a module provides to be a language."""

    def sentence(self, context: DecisionContext) -> str:
        """Say what happened to a data category, and what the policy says about it."""

    def event_change(self, change: EventChange, vocabulary: Vocabulary) -> str:
        """Say what would have to be done or stated instead."""

    def policy_change(self, change: PolicyChange, vocabulary: Vocabulary) -> str:
        """Say how a statement would have to read."""
