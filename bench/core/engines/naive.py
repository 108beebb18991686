"""The naive checker of the tests: it walks the statements and tests each dimension."""

from typing import cast

from purposewatch_policy import PolicySet
from purposewatch_policy.vocabulary import FlowTerms
from tests.unit.policy import reference


class Naive:
    """Gives the same reasons as the core, but no sentence."""

    name = "naive checker"
    answers = "verdict, kind, statement, failed dimensions"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        compiled = policies.versions(controller)[-1]
        self._vocabularies = dict(policies.vocabularies)
        self._policies = [compiled.policy]
        self._at = compiled.begins

    def prepare(self, flow: FlowTerms) -> object:
        """The flow as it is."""
        return flow

    def permits(self, prepared: object) -> bool:
        """Check every statement."""
        flow = cast("FlowTerms", prepared)
        outcome, *_ = reference.check(flow, self._at, self._vocabularies, self._policies)
        return outcome == "permitted"
