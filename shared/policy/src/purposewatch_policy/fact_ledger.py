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
    try:
        lookup = Lookup(flow, compiled, unconditional=True)
    except KeyError:  # a term outside the vocabulary
        return ()
    testing = 0
    for category in flow.data_categories:
        if category in lookup.index.category:
            testing |= _testing(lookup, category)
    named = {
        fact
        for index in positions(testing & compiled.on_ledger)
        for fact, _ in compiled.statements[index].conditions()
    }
    return tuple(sorted(named & compiled.ledger_facts))


def _testing(lookup: Lookup, category: str) -> int:
    """Return the statements whose facts matter to one data category."""
    testing = 0
    permitted = False
    for row in lookup.deciding(category):
        testing |= 1 << row.number
        permitted = permitted or row.permits
    if not permitted and lookup.index.permits:
        _, nearest, _ = nearest_permit(lookup, category)
        testing |= 0 if nearest is None else 1 << nearest.number
    return testing


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
