"""What the declared policies say about an event before, and as soon as, it is published.

No clock, no I/O, and no rule of its own: the policy engine decides and explains.
"""

from datetime import datetime
from typing import NamedTuple, TypeAlias

import msgspec

from purposewatch_contract.codec import DecodedFlow, TextCache
from purposewatch_policy import (
    Decision,
    DecisionCache,
    Dimension,
    FailedDimension,
    Flow,
    FlowTerms,
    Outcome,
    PolicySet,
    explain,
    explanation_as_json,
    pointer_to,
)

OFTEN_UNSTATED = (Dimension.SOURCE, Dimension.LOCATION, Dimension.RETENTION)
"""What an event can leave out, although a statement may require it."""


class Answer(NamedTuple):
    """A decision with its reasons."""

    outcome: Outcome
    content: bytes
    """`purposewatch_policy.explanation_as_json` of it, encoded."""


Hints: TypeAlias = tuple[tuple[str, str], ...]
"""JSON pointers to the fields to add, each with a sentence that says why."""


class Decisions:
    """Decides flows by one set of policies, and caches what it said about each."""

    def __init__(self, policies: PolicySet) -> None:
        self.policies = policies
        self.hints: DecisionCache[Hints] = DecisionCache(policies, hints_of)
        """What an event lacks to be permitted: see `hints_of`."""
        self._answers: TextCache[Answer] = TextCache()

    def cached_answer(self, flow: DecodedFlow, at: datetime, language: str) -> Answer | None:
        """Return what `answer` returns, if that is cached."""
        return self._answers.get(self._key(flow, at, language))

    def answer(self, flow: DecodedFlow, at: datetime, language: str) -> Answer:
        """Return the decision about a flow and its reasons as a JSON object.

        The flow's controller must be among the policies'. It takes milliseconds for each data
        category, and may be called in any thread.
        """
        explained = explain(
            Flow.model_construct(**msgspec.structs.asdict(flow.terms)), at, self.policies, language
        )
        content = msgspec.json.encode(explanation_as_json(explained))
        answer = Answer(explained.decision.outcome, content)
        if explained.decision.policy_version is not None:
            self._answers.put(self._key(flow, at, language), answer, cost=len(content))
        return answer

    def _key(self, flow: DecodedFlow, at: datetime, language: str) -> str:
        compiled = self.policies.in_force(flow.terms.controller, at)
        version = "" if compiled is None else compiled.policy.version
        return f"{language}\n{version}\n{flow.text}"


def hints_of(_: FlowTerms, decision: Decision) -> Hints:
    """Return what an event has to state, if it is a violation only because it does not state it.

    That is so if, in each data category that is not permitted, the event fails in nothing but
    dimensions in which it states nothing. Empty for every other event.
    """
    if decision.outcome is not Outcome.VIOLATION:
        return ()
    hints: dict[str, str] = {}
    for category in decision.categories:
        if category.outcome is Outcome.PERMITTED:
            continue
        if not category.failed or not all(map(_is_unstated, category.failed)):
            return ()
        for failed in category.failed:
            hints.setdefault(pointer_to(failed.dimension), category.sentence)
    return tuple(hints.items())


def _is_unstated(failed: FailedDimension) -> bool:
    return failed.actual is None and failed.dimension in OFTEN_UNSTATED
