"""The compiled core of Purposewatch."""

from datetime import UTC, datetime
from typing import cast

from pydantic import AwareDatetime, TypeAdapter

from purposewatch_policy import CachedDecider, Flow, Outcome, PolicySet, decide

_PERMITTED = Outcome.PERMITTED


class Core:
    """Decides every event without a cache, by the version in force, with every reason in words."""

    name = "Purposewatch core"
    answers = "verdict, kind, grade, statement, clause, failed dimensions, sentence, digest"

    def __init__(self, policies: PolicySet, controller: str) -> None:
        self._policies = policies
        self._at = moment_of(policies, controller)

    def prepare(self, flow: Flow) -> object:
        """The flow as it is."""
        return flow

    def permits(self, prepared: object) -> bool:
        """Decide."""
        decision = decide(cast("Flow", prepared), self._at, self._policies)
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

    def prepare(self, flow: Flow) -> object:
        """The flow as it is."""
        return flow

    def permits(self, prepared: object) -> bool:
        """Decide."""
        return self._decider.decide(cast("Flow", prepared), self._at).outcome is _PERMITTED


def moment_of(policies: PolicySet, controller: str) -> datetime:
    """Return when the last version begins, as events state their time after validation.

    Such a moment has a zone of its own type, and compares more slowly than one of the standard
    library's.
    """
    begins = policies.versions(controller)[-1].begins.astimezone(UTC)
    moment: datetime = TypeAdapter(AwareDatetime).validate_json(f'"{begins.isoformat()}"')
    return moment
