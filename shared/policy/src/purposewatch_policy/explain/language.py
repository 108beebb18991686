"""The languages that decisions and changes can be put into, and the way to do it on demand."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from purposewatch_policy.change import EventChange, PolicyChange
from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.covering import covering_sets
from purposewatch_policy.decision import CategoryDecision, Dimension, Grade, Kind, Outcome
from purposewatch_policy.explain import chinese, english
from purposewatch_policy.explain.account import Account
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import closest_named
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary, find_unknown_terms


class Language(Protocol):
    """What a module has to offer to be a language."""

    OUTCOMES: Mapping[Outcome, str]
    KINDS: Mapping[Kind, str]
    GRADES: Mapping[Grade, str]
    DIMENSIONS: Mapping[Dimension, str]

    def sentence(self, account: Account) -> str:
        """Say what happened to a data category, and what the policy says about it."""

    def event_change(self, change: EventChange, vocabulary: Vocabulary) -> str:
        """Say what would have to be done or stated instead."""

    def policy_change(self, change: PolicyChange, vocabulary: Vocabulary) -> str:
        """Say how a statement would have to read."""


LANGUAGES: Mapping[str, Language] = MappingProxyType({"en": english, "zh": chinese})
"""By language tag, as in labels."""


def sentence(
    language: str, decided: CategoryDecision, flow: FlowTerms, at: datetime, policies: PolicySet
) -> str:
    """Put what `decide` made of the same arguments into a sentence. Raises `KeyError`.

    INVARIANT: the English sentence is the one that the decision carries.
    """
    return LANGUAGES[language].sentence(account_of(decided, flow, at, policies))


def account_of(
    decided: CategoryDecision, flow: FlowTerms, at: datetime, policies: PolicySet
) -> Account:
    """Gather what there is to say about a decision that `decide` made of the same arguments."""
    vocabulary = policies.vocabularies.get(flow.controller)
    if vocabulary is None:
        return Account(decided, flow, at, None, None, None, ())
    if decided.outcome is Outcome.UNKNOWN:
        unknown = tuple(
            each
            for each in find_unknown_terms(vocabulary, flow)
            if each.field != "data_categories" or each.term == decided.data_category
        )
        return Account(decided, flow, at, vocabulary, None, None, unknown)
    compiled = policies.in_force(flow.controller, at)
    if compiled is None or decided.statement is None:
        return Account(decided, flow, at, vocabulary, None, None, ())
    permit = None
    if decided.grade is Grade.AMBIGUOUS:
        permit = _closest_permit(compiled, flow, decided.data_category)
    return Account(decided, flow, at, vocabulary, compiled.statement(decided.statement), permit, ())


def _closest_permit(compiled: CompiledPolicy, flow: FlowTerms, category: str) -> Statement:
    permitting = compiled.permits
    for covered in covering_sets(compiled, flow, category):
        permitting &= covered
    levels = (
        compiled.category_levels[category],
        compiled.purpose_levels[flow.purpose],
        compiled.recipient_levels[flow.recipient],
    )
    return compiled.statements[closest_named(permitting, levels)[0]]
