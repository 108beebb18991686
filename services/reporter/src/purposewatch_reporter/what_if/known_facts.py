"""Decides a flow by another policy, with the values of facts as far as they were recorded."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from purposewatch_policy import (
    CompiledPolicy,
    Decision,
    Dimension,
    FlowTerms,
    Kind,
    LedgerValues,
    Outcome,
    decide_under,
    relevant_facts,
)

MAX_TRIED = 4
"""Of more facts without a recorded value no combination is tried: any of them may matter."""

_VALUES = (True, False, None)
_PERMITTED = Outcome.PERMITTED
_OF_TERMS = frozenset(
    {
        Kind.UNDECLARED_ROLE,
        Kind.UNDECLARED_THIRD_PARTY_SHARING,
        Kind.UNDECLARED_CATEGORY,
        Kind.UNDECLARED_PURPOSE,
    }
)
"""Kinds that role, category, purpose and recipient lead to, whatever facts hold."""


class KnownDecision(NamedTuple):
    """A decision, and the facts for want of which it is not known."""

    decision: Decision
    """With the missing facts taken as not stated."""
    missing: tuple[str, ...]
    """Empty if the decision is the same whatever they were."""


class FactIndependence:
    """Decides flows by one policy where the outcome and the kinds depend on no ledger's fact."""

    def __init__(self, candidate: CompiledPolicy) -> None:
        self._candidate = candidate
        self._purposes, self._recipients, self._operations = (
            {
                term: (candidate.sets(dimension).get(term, 0) | overlapping) & candidate.on_ledger
                for term, overlapping in candidate.overlaps.terms(dimension).items()
            }
            for dimension in (Dimension.PURPOSE, Dimension.RECIPIENT, Dimension.OPERATION)
        )
        """By term, the statements that depend on a ledger's fact and may be about it."""

    def decide(self, flow: FlowTerms) -> Decision | None:
        """Decide a flow; `None` if facts may matter. The nearest miss may be another statement.

        INVARIANT: where no statement that depends on the ledger is about the flow, no value of a
        fact changes what decides it; and of what is undeclared, these kinds follow from the terms.
        """
        try:
            about = (
                self._purposes[flow.purpose]
                & self._recipients[flow.recipient]
                & self._operations[flow.operation]
            )
        except KeyError:  # a term outside the vocabulary
            return None
        if about:
            return None
        decision = decide_under(flow, self._candidate)
        for each in decision.categories:
            if each.outcome is not _PERMITTED and each.kind not in _OF_TERMS:
                return None
        return decision


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
