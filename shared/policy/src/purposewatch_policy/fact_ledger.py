"""What a ledger of facts changes about a flow.

For a fact with `authority: ledger` in the vocabulary, what the systems that know stated counts, and
what an event claims does not. Only facts that can matter to a flow's outcome are looked up. Any
other fact of the ledger counts as not stated; which statement comes nearest may depend on that.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from purposewatch_policy.change import ChangedFlow, flow_with_facts
from purposewatch_policy.statement_sets import positions
from purposewatch_policy.vocabulary import FlowTerms

if TYPE_CHECKING:
    from purposewatch_policy.compile import CompiledPolicy

LedgerValues: TypeAlias = Mapping[str, bool | None]
"""What the statements in force say about facts; `None`, or nothing, for one that is not stated."""


def relevant_facts(flow: FlowTerms, compiled: "CompiledPolicy") -> tuple[str, ...]:
    """Return the ledger's facts that can matter to a flow's outcome, in alphabetical order.

    They are those on which a permit depends that covers the flow in every other dimension, for one
    of its data categories, or a prohibition that covers or overlaps it in every other dimension.
    """
    if not compiled.on_ledger:
        return ()
    testing = 0
    for category in flow.data_categories:
        try:
            covering = compiled.covering_by_dimension(flow, category)
            overlapping = compiled.overlaps.by_dimension(flow, category)
        except KeyError:  # a term outside the vocabulary
            continue
        permits = compiled.permits & compiled.on_ledger
        prohibits = compiled.prohibits & compiled.on_ledger
        for covers, overlaps in zip(covering[:-1], overlapping[:-1], strict=True):  # not the facts
            permits &= covers
            prohibits &= overlaps
        testing |= permits | prohibits
    named = {
        fact for index in positions(testing) for fact, _ in compiled.statements[index].conditions()
    }
    return tuple(sorted(named & compiled.ledger_facts))


def held_flow(flow: FlowTerms, compiled: "CompiledPolicy", ledger: LedgerValues) -> ChangedFlow:
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
