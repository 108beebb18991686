"""Decides what no statement declares: by what is missing, and what comes nearest."""

from typing import Final

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import (
    CategoryDecision,
    Dimension,
    Grade,
    Kind,
    Outcome,
)
from purposewatch_policy.failed import failed_dimension
from purposewatch_policy.languages import english
from purposewatch_policy.nearest import nearest_miss
from purposewatch_policy.statement_sets import Beyond, StatementSets
from purposewatch_policy.vocabulary import FlowTerms

_DIMENSIONS: Final = tuple(Dimension)

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
_VIOLATION: Final = Outcome.VIOLATION
_OMITTED: Final = Grade.OMITTED
_ROLE: Final = Kind.UNDECLARED_ROLE
_SHARING: Final = Kind.UNDECLARED_THIRD_PARTY_SHARING
_CATEGORY: Final = Kind.UNDECLARED_CATEGORY
_PURPOSE: Final = Kind.UNDECLARED_PURPOSE
_CONTRADICTED: Final = Kind.CONTRADICTED_CLAIM


def undeclared(
    flow: FlowTerms,
    compiled: CompiledPolicy,
    sets: StatementSets,
    category: str,
    rest: Beyond,
) -> CategoryDecision:
    """Decide a category that no statement covers in every dimension.

    `rest` has for each dimension after the data category the statements that cover the flow in it.
    """
    if sets.permits:
        covering = (sets.everything, sets.category[category], *rest)
    else:  # nothing is permitted for the role, so what others may do comes nearest
        sets = compiled
        covering = (0, sets.category[category], *sets.beyond_category(flow))
    kind, candidates = _first_lack(
        sets, covering, flow.purpose, outside=flow.recipient in compiled.outside
    )
    happened = english.event(flow, category, compiled.phrases[flow.operation])
    if not candidates:  # then the role is what lacks
        return CategoryDecision(
            category,
            _VIOLATION,
            _ROLE,
            _OMITTED,
            None,
            None,
            None,
            (),
            happened + english.omission(_ROLE, None, (), flow),
        )
    index = nearest_miss(candidates, covering, sets.paths(flow))
    nearest = sets.statements[index]
    bit = 1 << index
    lacking = []
    for number, covered in enumerate(covering):
        if not covered & bit:
            lacking.append(failed_dimension(_DIMENSIONS[number], nearest, flow, category))
    failed = tuple(lacking)
    if kind is None:
        kind = _KIND_OF_LACK[failed[0].dimension]
    return CategoryDecision(
        category,
        _VIOLATION,
        kind,
        _OMITTED,
        None,
        nearest.id,
        nearest.clause,
        failed,
        happened + english.omission(kind, sets.words[index], failed, flow),
    )


def contradicted(
    held: FlowTerms, compiled: CompiledPolicy, claim: CategoryDecision
) -> CategoryDecision:
    """Decide a category that a permit would cover if what the event claims were true.

    `held` is the flow with the facts that count, `claim` the decision with those that it claims.
    """
    category = claim.data_category
    statement = compiled.statement(claim.statement or "")
    return CategoryDecision(
        category,
        _VIOLATION,
        _CONTRADICTED,
        _OMITTED,
        None,
        statement.id,
        statement.clause,
        (failed_dimension(Dimension.FACTS, statement, held, category),),
        english.event(held, category, compiled.phrases[held.operation])
        + english.contradiction(english.StatementWords(statement), held),
    )


def _first_lack(
    sets: StatementSets, covering: tuple[int, ...], term: str, *, outside: bool
) -> tuple[Kind | None, int]:
    """Return what is undeclared and the permits among which to look for the nearest miss.

    The kind is `None` when permits cover role, category, purpose and recipient: then it follows
    from what the nearest miss lacks. Where only the purpose is undeclared, the permits about a part
    of it come first: those that name something below `term`, the flow's purpose.
    """
    role, category, purpose, recipient = covering[0], covering[1], covering[2], covering[3]
    for_role = sets.permits & role
    if not for_role:
        return _ROLE, sets.permits
    for_category = for_role & category
    for_recipient = for_category & recipient
    for_purpose = for_recipient & purpose
    if for_purpose:
        return None, for_purpose
    if outside:
        return _SHARING, for_recipient & sets.purpose_paths[term][0] or for_recipient or for_role
    if not for_category:
        return _CATEGORY, for_role
    return _PURPOSE, for_recipient & sets.purpose_paths[term][0] or for_recipient or for_category
