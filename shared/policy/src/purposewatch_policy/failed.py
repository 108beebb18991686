"""Compares what a statement names in a dimension with what a flow states."""

from operator import attrgetter
from typing import Final

from purposewatch_policy.decision import DIMENSION_FIELDS, FLOW_FIELDS, Dimension, FailedDimension
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms, Vocabulary, stated_term

# Looking up a member of an enum costs as much as an intersection of sets.
_RETENTION: Final = Dimension.RETENTION
_FACTS: Final = Dimension.FACTS
_CATEGORY: Final = Dimension.DATA_CATEGORY

# As `Statement.terms` and `stated_term` read them: compiled code calls these for nearly every
# violation, and neither of the two is compiled.
_NAMED: Final = {each: attrgetter(DIMENSION_FIELDS[each]) for each in Dimension}
_STATED: Final = {each: attrgetter(FLOW_FIELDS[each]) for each in Dimension}


def failed_dimension(
    dimension: Dimension, statement: Statement, flow: FlowTerms, category: str
) -> FailedDimension:
    """Compare what a statement names in a dimension with what the flow states."""
    if dimension is _RETENTION:
        days = None if flow.retention_days is None else str(flow.retention_days)
        return FailedDimension(dimension, (retention_span(statement),), days)
    if dimension is _FACTS:
        expected = tuple(_fact(fact, holds=holds) for fact, holds in statement.conditions())
        stated = [fact for fact, _ in statement.unmet(flow.facts) if fact in flow.facts]
        said = ", ".join(_fact(fact, holds=flow.facts[fact]) for fact in stated) or None
        return FailedDimension(dimension, expected, said)
    actual = category if dimension is _CATEGORY else _STATED[dimension](flow)
    return FailedDimension(dimension, _NAMED[dimension](statement) or (), actual)


def left_out(
    prohibition: Statement, flow: FlowTerms, category: str, vocabulary: Vocabulary
) -> dict[Dimension, tuple[str, ...]]:
    """Return what a prohibition leaves out that lies below the terms of a flow that it covers."""
    found: dict[Dimension, tuple[str, ...]] = {}
    for dimension in prohibition.exceptions:
        stated = stated_term(flow, category, dimension)
        terms = prohibition.excepted(dimension)
        if stated is not None:
            taxonomy = vocabulary.taxonomy(dimension)
            terms = tuple([term for term in terms if taxonomy.covers(stated, term)])
        if terms:
            found[dimension] = terms
    return found


def retention_span(statement: Statement) -> str:
    """Write the lengths that a statement covers: `30` for at most 30, `180..365`, or `180..`."""
    longest = "" if statement.retention_days is None else str(statement.retention_days)
    shortest = statement.retention_at_least
    return longest if shortest is None else f"{shortest}..{longest}"


def _fact(fact: str, *, holds: bool) -> str:
    return f"{fact} is {'true' if holds else 'false'}"
