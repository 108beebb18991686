"""The compiled core of Purposewatch."""

from datetime import datetime
from typing import cast

from purposewatch_policy import CachedDecider, Outcome, PolicySet, decide
from purposewatch_policy.vocabulary import FlowTerms

_PERMITTED = Outcome.PERMITTED
_NO_SENTENCE = "the core gives no reason in words: what it takes can't be compared"


class Core:
    """Decides every event without a cache, by the version in force, with every reason in words."""

    name = "Purposewatch core"
    answers = "verdict, kind, grade, statement, clause, failed dimensions, sentence, digest"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        self._policies = policies
        self._at = moment_of(policies, controller)

    def prepare(self, flow: FlowTerms) -> object:
        """The flow as it is."""
        return flow

    def permits(self, prepared: object) -> bool:
        """Decide, and read the reason of each category."""
        decision = decide(cast("FlowTerms", prepared), self._at, self._policies)
        for each in decision.categories:
            if not each.sentence:
                raise ValueError(_NO_SENTENCE)
        return decision.outcome is _PERMITTED


class CoreThatRemembers:
    """Decides as the auditor does, which remembers the decisions about flows that it has met.

    Every flow is met before the clock starts: events differ in subject and time, seldom in flow.
    """

    name = "Purposewatch core, flows met before"
    answers = Core.answers

    def __init__(self, policies: PolicySet, controller: str) -> None:
        self._decider = CachedDecider(policies)
        self._at = moment_of(policies, controller)

    def prepare(self, flow: FlowTerms) -> object:
        """The flow as it is."""
        return flow

    def permits(self, prepared: object) -> bool:
        """Decide."""
        return self._decider.decide(cast("FlowTerms", prepared), self._at).outcome is _PERMITTED


def moment_of(policies: PolicySet, controller: str) -> datetime:
    """Return when the last version begins, as the auditor's codec reads the time of events."""
    return datetime.fromisoformat(policies.versions(controller)[-1].begins.isoformat())
