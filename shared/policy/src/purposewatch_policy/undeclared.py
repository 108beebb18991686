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
from purposewatch_policy.lookup import LACKING, Lookup
from purposewatch_policy.nearest import nearest_miss
from purposewatch_policy.statement_row import StatementRow
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
_LACKS_PURPOSE: Final = Dimension.PURPOSE
_CONTRADICTED: Final = Kind.CONTRADICTED_CLAIM


def undeclared(lookup: Lookup, category: str) -> CategoryDecision:
    """Decide a category that no statement covers in every dimension."""
    flow = lookup.flow
    kind, nearest, lacking = nearest_permit(lookup, category)
    happened = english.event(flow, category, lookup.policy.phrases[flow.operation])
    if nearest is None:
        return CategoryDecision(
            category,
            _VIOLATION,
            kind,
            _OMITTED,
            None,
            None,
            None,
            (),
            happened + english.omission(kind, None, (), flow),
        )
    statement = nearest.statement
    failed = tuple([failed_dimension(each, statement, flow, category) for each in lacking])
    return CategoryDecision(
        category,
        _VIOLATION,
        kind,
        _OMITTED,
        None,
        nearest.id,
        nearest.clause,
        failed,
        happened + english.omission(kind, nearest, failed, flow),
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


def nearest_permit(
    lookup: Lookup, category: str
) -> tuple[Kind, StatementRow | None, tuple[Dimension, ...]]:
    """Return what is undeclared, the permit that comes nearest, and what that lacks.

    There is none if the policy permits nothing at all.
    """
    kind, permits = _first_lack(lookup, category)
    if kind is None:
        nearest, lacks = lookup.nearest(permits)
        lacking = LACKING[lacks]
        return _KIND_OF_LACK[lacking[0]], nearest, lacking
    if permits:
        nearest, lacks = lookup.nearest(permits)
        return kind, nearest, (_LACKS_PURPOSE, *LACKING[lacks])
    return _nearest_of_many(lookup, category, kind)


def _first_lack(lookup: Lookup, category: str) -> tuple[Kind | None, int]:
    """Return what is undeclared, and the permits among which to look for the nearest miss.

    The kind is `None` when permits cover role, category, purpose and recipient: then it follows
    from what the nearest miss lacks. Where only the purpose is undeclared, the permits about a part
    of it come first: those that name something below the flow's purpose. Where more is, there are
    too many permits to compare them one by one, and none is returned.
    """
    index, flow = lookup.index, lookup.flow
    if not index.permits:
        return _ROLE, 0
    for_category = index.permits & index.category[category]
    if for_purpose := for_category & lookup.concerned:
        return None, for_purpose
    outside = flow.recipient in lookup.policy.outside
    if for_recipient := for_category & index.recipient[flow.recipient]:
        about_part = for_recipient & index.naming_below_purpose[flow.purpose]
        return _SHARING if outside else _PURPOSE, about_part or for_recipient
    if outside:
        return _SHARING, 0
    return _PURPOSE if for_category else _CATEGORY, 0


def _nearest_of_many(
    lookup: Lookup, category: str, kind: Kind
) -> tuple[Kind, StatementRow | None, tuple[Dimension, ...]]:
    """Return the nearest permit for the role, or of all if none is; see `nearest_permit`."""
    policy = lookup.policy
    candidates = policy.permits
    if kind is not _ROLE:
        candidates &= policy.role[lookup.flow.role]
    if kind is _PURPOSE:
        candidates &= policy.category[category]
    if not candidates:
        return kind, None, ()
    covering = lookup.covering(category)
    number = nearest_miss(candidates, covering, policy.paths(lookup.flow))
    lacking = [
        dimension
        for dimension, covered in zip(_DIMENSIONS, covering, strict=True)
        if not covered >> number & 1
    ]
    return kind, policy.rows[number], tuple(lacking)
