"""Decides flows of personal data against declared policies.

Pure: the same flow, time and policies always give the same decision. There is no clock, no log
and no I/O. A valid flow never makes it raise: what cannot be judged is decided as unknown.
"""

from collections.abc import Sequence
from datetime import datetime

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import (
    CategoryDecision,
    Decision,
    Dimension,
    FailedDimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.languages import english
from purposewatch_policy.model import Statement
from purposewatch_policy.nearest import closest_named, nearest_miss
from purposewatch_policy.policy_set import PolicySet
from purposewatch_policy.statement_sets import StatementSets
from purposewatch_policy.vocabulary import (
    NOUNS,
    FlowTerms,
    UnknownTerm,
    Vocabulary,
    find_unknown_terms,
    stated_term,
)

_DIMENSIONS = tuple(Dimension)
_KIND_ORDER = {kind: order for order, kind in enumerate(Kind)}

_KIND_OF_LACK = {
    Dimension.OPERATION: Kind.UNDECLARED_OPERATION,
    Dimension.SOURCE: Kind.UNDECLARED_SOURCE,
    Dimension.LOCATION: Kind.UNDECLARED_LOCATION,
    Dimension.RETENTION: Kind.EXCESSIVE_RETENTION,
    Dimension.LEGAL_BASIS: Kind.LEGAL_BASIS_MISMATCH,
    Dimension.FACTS: Kind.CONDITION_NOT_MET,
}
"""The kind by the first dimension that fails, once the four above it are covered."""

# Looking up a member of an enum costs as much as an intersection of sets.
_PERMITTED = Outcome.PERMITTED
_VIOLATION = Outcome.VIOLATION
_CLEAR = Grade.CLEAR
_VAGUE = Grade.VAGUE
_OMITTED = Grade.OMITTED
_ROLE = Kind.UNDECLARED_ROLE
_SHARING = Kind.UNDECLARED_THIRD_PARTY_SHARING
_CATEGORY = Kind.UNDECLARED_CATEGORY
_PURPOSE = Kind.UNDECLARED_PURPOSE


def decide(flow: FlowTerms, at: datetime, policies: PolicySet) -> Decision:
    """Decide a flow that happened at a time (with zone), by the version then in force."""
    try:
        compiled = policies.in_force(flow.controller, at)
    except KeyError:
        sentence = english.unknown_controller(flow.controller)
        return _conclude([_unknown(each, sentence) for each in flow.data_categories], None)
    if compiled is not None:
        return decide_under(flow, compiled)
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


def decide_under(flow: FlowTerms, compiled: CompiledPolicy) -> Decision:
    """Decide a flow of the version's controller by that version, in force or not."""
    try:
        sets = compiled.for_role[flow.role]
        covering = _covering(flow, sets)
    except KeyError:  # a term outside the vocabulary
        return _conclude(_all_unknown(flow, compiled.vocabulary), compiled)
    purpose, recipient, operation, source, location, retention, legal_basis, facts = covering
    anywhere = purpose & recipient & operation & source & location & retention & legal_basis & facts
    decisions = []
    for category in flow.data_categories:
        named = sets.category.get(category)
        if named is None:
            decisions.append(_unknown_category(flow, category))
        elif declared := anywhere & named:
            decisions.append(_declared(flow, compiled, sets, category, declared))
        else:
            decisions.append(_undeclared(flow, compiled, sets, category, covering))
    return _conclude(decisions, compiled)


def _covering(flow: FlowTerms, sets: StatementSets) -> tuple[int, ...]:
    """Return which statements cover the flow in each dimension after role and data category.

    Raises `KeyError` for a term outside the vocabulary.
    """
    return (
        sets.purpose[flow.purpose],
        sets.recipient[flow.recipient],
        sets.operation[flow.operation],
        sets.source[flow.source],
        sets.location[flow.location],
        sets.retention(flow.retention_days),
        sets.legal_basis[flow.legal_basis],
        sets.facts(flow.facts),
    )


def _declared(
    flow: FlowTerms, compiled: CompiledPolicy, sets: StatementSets, category: str, covering: int
) -> CategoryDecision:
    """Decide a category that statements cover in every dimension."""
    prohibiting = covering & sets.prohibits
    levels = (
        sets.category_levels[category],
        sets.purpose_levels[flow.purpose],
        sets.recipient_levels[flow.recipient],
    )
    index, distance = closest_named(prohibiting or covering, levels)
    statement = sets.statements[index]
    happened = english.event(flow, category, compiled.phrases[flow.operation])
    if not prohibiting:
        return CategoryDecision(
            category,
            _PERMITTED,
            None,
            _VAGUE if distance else _CLEAR,
            distance,
            statement.id,
            statement.clause,
            (),
            happened + sets.permissions[index],
        )
    permitting = covering & sets.permits
    permit = None
    if permitting:
        permit = sets.statements[closest_named(permitting, levels)[0]]
    return CategoryDecision(
        data_category=category,
        outcome=Outcome.VIOLATION,
        kind=Kind.PROHIBITED,
        grade=Grade.AMBIGUOUS if permit else Grade.INCORRECT,
        distance=distance,
        statement=statement.id,
        clause=statement.clause,
        failed=(),
        sentence=happened + english.prohibition(statement, permit),
    )


def _undeclared(
    flow: FlowTerms,
    compiled: CompiledPolicy,
    sets: StatementSets,
    category: str,
    rest: tuple[int, ...],
) -> CategoryDecision:
    """Decide a category that no statement covers in every dimension.

    `rest` has for each dimension after the data category the statements that cover the flow in it.
    """
    if sets.permits:
        covering = (sets.everything, sets.category[category], *rest)
    else:  # nothing is permitted for the role, so what others may do comes nearest
        sets = compiled
        covering = (0, sets.category[category], *_covering(flow, sets))
    kind, candidates = _first_lack(sets, covering, outside=flow.recipient in compiled.outside)
    happened = english.event(flow, category, compiled.phrases[flow.operation])
    nearest = None
    failed = []
    if candidates:
        index = nearest_miss(candidates, covering)
        nearest = sets.statements[index]
        bit = 1 << index
        failed = [
            _failed(dimension, nearest, flow, category)
            for dimension, covered in zip(_DIMENSIONS, covering, strict=True)
            if not covered & bit
        ]
    kind = kind or _KIND_OF_LACK[failed[0].dimension]
    return CategoryDecision(
        category,
        _VIOLATION,
        kind,
        _OMITTED,
        None,
        nearest.id if nearest else None,
        nearest.clause if nearest else None,
        tuple(failed),
        happened + english.omission(kind, nearest, failed, flow),
    )


def _failed(
    dimension: Dimension, statement: Statement, flow: FlowTerms, category: str
) -> FailedDimension:
    """Compare what a statement names in a dimension with what the flow states."""
    if dimension is Dimension.RETENTION:
        days = None if flow.retention_days is None else str(flow.retention_days)
        return FailedDimension(dimension, (str(statement.retention_days),), days)
    if dimension is Dimension.FACTS:
        expected = tuple(_fact(fact, holds=holds) for fact, holds in statement.conditions())
        stated = [fact for fact, _ in statement.unmet(flow.facts) if fact in flow.facts]
        actual = ", ".join(_fact(fact, holds=flow.facts[fact]) for fact in stated) or None
        return FailedDimension(dimension, expected, actual)
    return FailedDimension(
        dimension, statement.terms(dimension) or (), stated_term(flow, category, dimension)
    )


def _fact(fact: str, *, holds: bool) -> str:
    return f"{fact} is {'true' if holds else 'false'}"


def _first_lack(
    sets: StatementSets, covering: Sequence[int], *, outside: bool
) -> tuple[Kind | None, int]:
    """Return what is undeclared and the permits among which to look for the nearest miss.

    The kind is `None` when permits cover role, category, purpose and recipient: then it follows
    from what the nearest miss lacks.
    """
    role, category, purpose, recipient = covering[:4]
    for_role = sets.permits & role
    if not for_role:
        return _ROLE, sets.permits
    for_category = for_role & category
    for_recipient = for_category & recipient
    if outside and not for_recipient:
        return _SHARING, for_role
    if not for_category:
        return _CATEGORY, for_role
    for_purpose = for_recipient & purpose
    if not for_purpose:
        return _PURPOSE, for_recipient or for_category
    return None, for_purpose


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
