"""Puts a decision into a sentence afterwards, in any language."""

from datetime import datetime

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import CategoryDecision, Grade, Outcome
from purposewatch_policy.fact_ledger import LedgerValues, held_flow
from purposewatch_policy.languages import LANGUAGES, DecisionContext
from purposewatch_policy.lookup import Lookup
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import closest_named
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import FlowTerms, find_unknown_terms


def sentence(  # noqa: PLR0913, PLR0917 - what `decide` takes, and what it is put into
    language: str,
    decided: CategoryDecision,
    flow: FlowTerms,
    at: datetime,
    policies: PolicySet,
    ledger: LedgerValues | None = None,
) -> str:
    """Put a decision that `decide` made of the same arguments into a sentence. Raises `KeyError`.

    INVARIANT: the English sentence is the one that the decision carries.
    """
    return LANGUAGES[language].sentence(_context_of(decided, flow, at, policies, ledger))


def _context_of(
    decided: CategoryDecision,
    flow: FlowTerms,
    at: datetime,
    policies: PolicySet,
    ledger: LedgerValues | None,
) -> DecisionContext:
    vocabulary = policies.vocabularies.get(flow.controller)
    if vocabulary is None:
        return DecisionContext(decided, flow, at)
    if decided.outcome is Outcome.UNKNOWN:
        unknown = tuple(
            each
            for each in find_unknown_terms(vocabulary, flow)
            if each.field != "data_categories" or each.term == decided.data_category
        )
        return DecisionContext(decided, flow, at, vocabulary, unknown=unknown)
    compiled = policies.in_force(flow.controller, at)
    if compiled is None or decided.statement is None:
        return DecisionContext(decided, flow, at, vocabulary)
    if ledger is not None and compiled.ledger_facts:
        flow = held_flow(flow, compiled, ledger)
    permit = None
    if decided.grade is Grade.AMBIGUOUS:
        permit = _closest_permit(compiled, flow, decided.data_category)
    statement = compiled.statement(decided.statement)
    return DecisionContext(decided, flow, at, vocabulary, statement, permit)


def _closest_permit(compiled: CompiledPolicy, flow: FlowTerms, category: str) -> Statement:
    lookup = Lookup(flow, compiled)
    permitting = [each for each in lookup.deciding(category) if each.permits]
    closest, _ = closest_named(permitting, lookup.lineages(category))
    return closest.statement
