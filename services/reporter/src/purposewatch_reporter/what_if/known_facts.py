"""Decides a flow by another policy, with the values of facts as far as they were recorded."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from purposewatch_policy import (
    CompiledPolicy,
    Decision,
    FlowTerms,
    LedgerValues,
    decide_under,
    relevant_facts,
)

MAX_TRIED = 4
"""Of more facts without a recorded value no combination is tried: any of them may matter."""

_VALUES = (True, False, None)


class KnownDecision(NamedTuple):
    """A decision, and the facts for want of which it is not known."""

    decision: Decision
    """With the missing facts taken as not stated."""
    missing: tuple[str, ...]
    """Empty if the decision is the same whatever they were."""


def decide_as_recorded(
    flow: FlowTerms, candidate: CompiledPolicy, ledger: LedgerValues
) -> KnownDecision:
    """Decide a flow by a policy that may depend on other facts than the one of its time.

    `ledger` has the values that were looked up then, `None` for a fact that was not stated; what
    it does not have at all is not known. A publisher's claims are part of the flow.
    """
    facts = relevant_facts(flow, candidate) if candidate.on_ledger else ()
    if not facts:
        claims = not candidate.ledger_facts.isdisjoint(flow.facts)
        return KnownDecision(decide_under(flow, candidate, {} if claims else None), ())
    missing = tuple([fact for fact in facts if fact not in ledger])
    if not missing and _is_claimed(flow, candidate, ledger, facts):
        return KnownDecision(decide_under(flow, candidate), ())
    decision = decide_under(flow, candidate, ledger)
    if missing and _matter(flow, candidate, ledger, missing):
        return KnownDecision(decision, missing)
    return KnownDecision(decision, ())


def _is_claimed(
    flow: FlowTerms, candidate: CompiledPolicy, ledger: LedgerValues, facts: Sequence[str]
) -> bool:
    """Whether the publisher claims exactly what the ledger says, so that it does not matter."""
    held = {fact: ledger[fact] for fact in facts if ledger[fact] is not None}
    of_ledger = candidate.ledger_facts
    return held == {fact: holds for fact, holds in flow.facts.items() if fact in of_ledger}


def _matter(
    flow: FlowTerms, candidate: CompiledPolicy, ledger: LedgerValues, missing: Sequence[str]
) -> bool:
    """Whether the outcome or the kind of any data category depends on their values."""
    if len(missing) > MAX_TRIED:
        return True
    found = {
        tuple((each.outcome, each.kind) for each in decision.categories)
        for values in product(_VALUES, repeat=len(missing))
        for decision in [
            decide_under(flow, candidate, {**ledger, **dict(zip(missing, values, strict=True))})
        ]
    }
    return len(found) > 1
