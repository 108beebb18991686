"""Decides flows of personal data against declared policies.

Pure: the same flow, time and policies always give the same decision. There is no clock, no log
and no I/O. A valid flow never makes it raise: what cannot be judged is decided as unknown.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import (
    CategoryDecision,
    Decision,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.fact_ledger import LedgerValues, claimed_flow, held_flow
from purposewatch_policy.languages import english
from purposewatch_policy.lookup import Lookup
from purposewatch_policy.nearest import closest_named
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.prohibited import prohibited
from purposewatch_policy.statement_row import StatementRow
from purposewatch_policy.undeclared import contradicted, undeclared
from purposewatch_policy.vocabulary import (
    NOUNS,
    FlowTerms,
    UnknownTerm,
    Vocabulary,
    find_unknown_terms,
)

_KIND_ORDER = {kind: order for order, kind in enumerate(Kind)}

# Looking up a member of an enum costs as much as an intersection of sets.
_PERMITTED: Final = Outcome.PERMITTED
_VIOLATION: Final = Outcome.VIOLATION
_CLEAR: Final = Grade.CLEAR
_VAGUE: Final = Grade.VAGUE
_CONDITION: Final = Kind.CONDITION_NOT_MET


def decide(
    flow: FlowTerms, at: datetime, policies: PolicySet, ledger: LedgerValues | None = None
) -> Decision:
    """Decide a flow that happened at a time (with zone), by the version then in force.

    `ledger` has the values of the relevant facts at that time; without one, the flow's own facts
    count.
    """
    try:
        compiled = policies.in_force(flow.controller, at)
    except KeyError:
        sentence = english.unknown_controller(flow.controller)
        return _conclude([_unknown(each, sentence) for each in flow.data_categories], None)
    if compiled is not None:
        return decide_under(flow, compiled, ledger)
    vocabulary = policies.vocabularies[flow.controller]
    if not all(map(_is_category, find_unknown_terms(vocabulary, flow))):
        return _conclude(_all_unknown(flow, vocabulary), None)
    verdict = english.not_in_force(flow.controller, at)
    phrase = english.operation_phrase(flow.operation, vocabulary.operations)
    return _conclude(
        [
            CategoryDecision(
                data_category=category,
                outcome=Outcome.VIOLATION,
                kind=Kind.POLICY_NOT_IN_FORCE,
                grade=Grade.OMITTED,
                distance=None,
                statement=None,
                clause=None,
                failed=(),
                sentence=english.event(flow, category, phrase) + verdict,
            )
            if category in vocabulary.data_categories
            else _unknown_category(flow, category)
            for category in flow.data_categories
        ],
        None,
    )


def decide_under(
    flow: FlowTerms, compiled: CompiledPolicy, ledger: LedgerValues | None = None
) -> Decision:
    """Decide a flow of the version's controller by that version, in force or not."""
    if ledger is not None and compiled.ledger_facts:
        return _decide_by_ledger(flow, compiled, ledger)
    try:
        lookup = Lookup(flow, compiled)
    except KeyError:  # a term outside the vocabulary
        return _conclude(_all_unknown(flow, compiled.vocabulary), compiled)
    categories = lookup.index.category
    decisions = []
    for category in flow.data_categories:
        if category not in categories:
            decisions.append(_unknown_category(flow, category))
            continue
        deciding = lookup.deciding(category)
        if not deciding:
            decisions.append(undeclared(lookup, category))
        elif deciding[0].permits:
            decisions.append(_permitted(lookup, category, deciding))
        else:
            decisions.append(prohibited(lookup, category, deciding))
    return _conclude(decisions, compiled)


def _decide_by_ledger(flow: FlowTerms, compiled: CompiledPolicy, ledger: LedgerValues) -> Decision:
    """Decide a flow by what the ledger says, and tell which claims of it are contradicted."""
    held = held_flow(flow, compiled, ledger)
    decision = decide_under(held, compiled)
    claimed = claimed_flow(flow, held)
    if claimed.facts == held.facts or not any(
        each.kind is _CONDITION for each in decision.categories
    ):
        return decision
    believed = decide_under(claimed, compiled).categories
    return _conclude(
        [
            contradicted(held, compiled, claim)
            if each.kind is _CONDITION and claim.outcome is _PERMITTED
            else each
            for each, claim in zip(decision.categories, believed, strict=True)
        ],
        compiled,
    )


def _permitted(lookup: Lookup, category: str, permits: list[StatementRow]) -> CategoryDecision:
    """Decide a category that permits cover in every dimension, and that no prohibition overlaps."""
    row, distance = closest_named(permits, lookup.lineages(category))
    flow = lookup.flow
    return CategoryDecision(
        category,
        _PERMITTED,
        None,
        _VAGUE if distance else _CLEAR,
        distance,
        row.id,
        row.clause,
        (),
        english.event(flow, category, lookup.policy.phrases[flow.operation])
        + english.permission(row),
    )


def _all_unknown(flow: FlowTerms, vocabulary: Vocabulary) -> list[CategoryDecision]:
    """Decide all categories of a flow that has an unknown term in another dimension."""
    unknown = find_unknown_terms(vocabulary, flow)
    return [
        _unknown(
            category,
            english.unknown_terms(
                flow.controller,
                [each for each in unknown if not _is_category(each) or each.term == category],
            ),
        )
        for category in flow.data_categories
    ]


def _unknown_category(flow: FlowTerms, category: str) -> CategoryDecision:
    missing = UnknownTerm("data_categories", NOUNS["data_categories"], category)
    return _unknown(category, english.unknown_terms(flow.controller, [missing]))


def _unknown(category: str, sentence: str) -> CategoryDecision:
    return CategoryDecision(
        data_category=category,
        outcome=Outcome.UNKNOWN,
        kind=None,
        grade=None,
        distance=None,
        statement=None,
        clause=None,
        failed=(),
        sentence=sentence,
    )


def _is_category(unknown: UnknownTerm) -> bool:
    return unknown.field == "data_categories"


def _conclude(categories: Sequence[CategoryDecision], compiled: CompiledPolicy | None) -> Decision:
    """Combine the decisions about the categories: the worst is the event's."""
    outcome = _PERMITTED
    kind: Kind | None = None
    for each in categories:
        if each.outcome is _PERMITTED:
            continue
        if each.kind is None:
            outcome = Outcome.UNKNOWN if kind is None else outcome
        elif kind is None:
            outcome = _VIOLATION
            kind = each.kind
        elif _KIND_ORDER[each.kind] < _KIND_ORDER[kind]:
            kind = each.kind
    if compiled is None:
        return Decision(outcome, kind, None, None, tuple(categories))
    return Decision(outcome, kind, compiled.policy.version, compiled.digest, tuple(categories))
