"""What a flow lacks to be covered by a statement, in no language."""

from collections.abc import Callable

from purposewatch_policy.decision import Dimension, FailedDimension
from purposewatch_policy.model import Statement
from purposewatch_policy.vocabulary import FlowTerms

_TERMS: dict[
    Dimension,
    tuple[Callable[[Statement], tuple[str, ...] | None], Callable[[FlowTerms], str | None]],
] = {
    Dimension.ROLE: (lambda statement: statement.roles, lambda flow: flow.role),
    Dimension.PURPOSE: (lambda statement: statement.purposes, lambda flow: flow.purpose),
    Dimension.RECIPIENT: (lambda statement: statement.recipients, lambda flow: flow.recipient),
    Dimension.OPERATION: (lambda statement: statement.operations, lambda flow: flow.operation),
    Dimension.SOURCE: (lambda statement: statement.sources, lambda flow: flow.source),
    Dimension.LOCATION: (lambda statement: statement.locations, lambda flow: flow.location),
    Dimension.LEGAL_BASIS: (
        lambda statement: statement.legal_bases,
        lambda flow: flow.legal_basis,
    ),
}
"""What a statement names and what a flow states, where both are terms."""


def failed_dimension(
    dimension: Dimension, statement: Statement, flow: FlowTerms, category: str
) -> FailedDimension:
    """Set what the statement names in a dimension against what the flow states."""
    actual: str | None
    if dimension is Dimension.DATA_CATEGORY:
        return FailedDimension(dimension, statement.data_categories, category)
    if dimension is Dimension.RETENTION:
        actual = None if flow.retention_days is None else str(flow.retention_days)
        return FailedDimension(dimension, (str(statement.retention_days),), actual)
    if dimension is Dimension.FACTS:
        expected = tuple(_fact(fact, holds=holds) for fact, holds in conditions(statement))
        stated = [fact for fact, _ in unmet(statement, flow) if fact in flow.facts]
        actual = ", ".join(_fact(fact, holds=flow.facts[fact]) for fact in stated) or None
        return FailedDimension(dimension, expected, actual)
    names, states = _TERMS[dimension]
    return FailedDimension(dimension, names(statement) or (), states(flow))


def conditions(statement: Statement) -> list[tuple[str, bool]]:
    """Return the facts that a statement depends on, each with whether it has to hold."""
    return [(fact, True) for fact in statement.when] + [(fact, False) for fact in statement.unless]


def unmet(statement: Statement, flow: FlowTerms) -> list[tuple[str, bool]]:
    """Return the conditions of a statement that the flow's facts don't meet."""
    return [
        (fact, holds)
        for fact, holds in conditions(statement)
        if flow.facts.get(fact, False) is not holds
    ]


def _fact(fact: str, *, holds: bool) -> str:
    return f"{fact} is {'true' if holds else 'false'}"
