"""What a ledger of facts changes about a flow.

For a fact with `authority: ledger` in the vocabulary, what the systems that know stated counts, and
what an event claims does not. Only the facts that a decision may depend on are looked up; any other
fact of the ledger counts as not stated.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from purposewatch_policy.change import ChangedFlow, flow_with_facts
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Dimension
from purposewatch_policy.lookup import Lookup
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.undeclared import nearest_permit
from purposewatch_policy.vocabulary import FlowTerms

_ROLE: Final = Dimension.ROLE

LedgerValues: TypeAlias = Mapping[str, bool | None]
"""What the statements in force say about facts; `None`, or nothing, for one that is not stated."""


def relevant_facts(flow: FlowTerms, compiled: CompiledPolicy) -> tuple[str, ...]:
    """Return the ledger's facts that a decision may depend on, in alphabetical order.

    They are those of the permits that cover the flow in every other dimension, for one of its data
    categories, and of the prohibitions that cover or overlap it in every other dimension. Where no
    permit does, the outcome does not depend on facts; then those of the permit that comes nearest
    are told for the explanation.
    """
    try:
        role = compiled.sets(_ROLE)[flow.role] | compiled.overlaps.terms(_ROLE)[flow.role]
    except KeyError:  # a term outside the vocabulary
        return ()
    if not compiled.on_ledger & role:
        return ()
    testing = 0
    for category in flow.data_categories:
        try:
            testing |= _testing(flow, compiled, category)
        except KeyError:  # a term outside the vocabulary
            continue
    named = {
        fact for index in positions(testing) for fact, _ in compiled.statements[index].conditions()
    }
    return tuple(sorted(named & compiled.ledger_facts))


def _testing(flow: FlowTerms, compiled: CompiledPolicy, category: str) -> int:
    """Return the statements whose facts matter to one data category. Raises `KeyError`."""
    permits = compiled.permits
    for covers in compiled.covering_by_dimension(flow, category)[:-1]:  # all but the facts
        permits &= covers
    prohibits = compiled.prohibits & compiled.on_ledger
    if prohibits:
        for overlaps in compiled.overlaps.by_dimension(flow, category)[:-1]:
            prohibits &= overlaps
    if not permits and compiled.for_role[flow.role].permits:
        _, nearest, _ = nearest_permit(Lookup(flow, compiled, unconditional=True), category)
        permits = 0 if nearest is None else 1 << nearest.number
    return permits | prohibits


def held_flow(flow: FlowTerms, compiled: CompiledPolicy, ledger: LedgerValues) -> ChangedFlow:
    """Return the flow with the facts that count: the ledger's in place of what the event claims."""
    facts = {fact: holds for fact, holds in flow.facts.items() if fact not in compiled.ledger_facts}
    for fact in relevant_facts(flow, compiled):
        value = ledger.get(fact)
        if value is not None:
            facts[fact] = value
    return flow_with_facts(flow, facts)


def claimed_flow(flow: FlowTerms, held: FlowTerms) -> ChangedFlow:
    """Return the flow with the event's claims, where it has any, in place of what counts."""
    return flow_with_facts(flow, {**held.facts, **flow.facts})
