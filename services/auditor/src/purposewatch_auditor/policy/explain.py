"""Puts decisions into words that a compliance officer understands.

Every sentence first says what happened, then what the policy says about it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from purposewatch_auditor.policy.model import Statement
from purposewatch_shared.decision import Dimension, FailedDimension, Kind
from purposewatch_shared.vocabulary import FlowTerms, Taxonomy, UnknownTerm

_PHRASES = {
    "collect": ("was collected", "by"),
    "use": ("was used", "by"),
    "store": ("was stored", "by"),
    "share": ("was shared", "with"),
    "erase": ("was erased", "by"),
}

_LACKS = {
    Kind.UNDECLARED_ROLE: "no statement permits anything for this role",
    Kind.UNDECLARED_THIRD_PARTY_SHARING: (
        "no statement for this role lets that category go to that recipient"
    ),
    Kind.UNDECLARED_CATEGORY: "no statement for this role covers that category",
    Kind.UNDECLARED_PURPOSE: (
        "no statement for this role, category and recipient covers that purpose"
    ),
}

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

_MAX_LISTED = 3


def operation_phrase(operation: str, operations: Taxonomy) -> str:
    """Return an operation as a verb that a recipient can follow, such as `was shared with`."""
    for above in operations.lineage(operation):
        if above in _PHRASES:
            verb, preposition = _PHRASES[above]
            detail = "" if above == operation else f" (`{operation}`)"
            return f"{verb}{detail} {preposition}"
    return f"underwent `{operation}` by"


def event(flow: FlowTerms, category: str, phrase: str) -> str:
    """Say what happened to one data category."""
    return f"`{flow.role}` data in `{category}` {phrase} `{flow.recipient}` for `{flow.purpose}`"


def permission(statement: Statement) -> str:
    """Say that a statement permits the flow; follows what happened."""
    return f"; {_cited(statement)} permits it."


def prohibition(statement: Statement, permit: Statement | None) -> str:
    """Say that a statement prohibits the flow, even if another one permits it."""
    although = f", although {_cited(permit)} permits it" if permit else ""
    return f"; {_cited(statement)} prohibits it{although}."


def not_in_force(controller: str, at: datetime) -> str:
    """Say that there was no policy that could have declared the flow."""
    return f"; no version of the policy of `{controller}` was in force at {at.isoformat()}."


def unknown_controller(controller: str) -> str:
    """Say that there is nothing to judge the flow by."""
    return f"there is no policy for the controller `{controller}`, so this can't be judged."


def unknown_terms(controller: str, terms: Iterable[UnknownTerm]) -> str:
    """Say which words of the flow mean nothing."""
    listed = _joined([f"`{each.term}` is no {each.noun}" for each in terms], "and")
    return f"{listed} in the vocabulary of `{controller}`, so this can't be judged."


def omission(
    kind: Kind, nearest: Statement | None, failed: Sequence[FailedDimension], flow: FlowTerms
) -> str:
    """Say what the policy does not declare, and what the nearest statement lacks."""
    if nearest is None:
        return f"; {_LACKS[kind]}."
    terms = _terms_of(nearest, failed, flow)
    if kind not in _LACKS:
        return f"; {_cited(nearest)} comes nearest, but it {terms}."
    lack = _LACKS[kind]
    if kind is Kind.UNDECLARED_PURPOSE and _fails(failed, Dimension.RECIPIENT):
        lack = "no statement for this role lets the controller itself process that category"
    return f"; {lack}. Nearest: {_cited(nearest)}, which {terms}."


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
        expected = tuple(_fact(fact, holds=holds) for fact, holds in _conditions(statement))
        stated = [fact for fact, _ in _unmet(statement, flow) if fact in flow.facts]
        actual = ", ".join(_fact(fact, holds=flow.facts[fact]) for fact in stated) or None
        return FailedDimension(dimension, expected, actual)
    names, states = _TERMS[dimension]
    return FailedDimension(dimension, names(statement) or (), states(flow))


def _conditions(statement: Statement) -> list[tuple[str, bool]]:
    return [(fact, True) for fact in statement.when] + [(fact, False) for fact in statement.unless]


def _unmet(statement: Statement, flow: FlowTerms) -> list[tuple[str, bool]]:
    return [
        (fact, holds)
        for fact, holds in _conditions(statement)
        if flow.facts.get(fact, False) is not holds
    ]


def _fact(fact: str, *, holds: bool) -> str:
    return f"{fact} is {'true' if holds else 'false'}"


def _terms_of(statement: Statement, failed: Sequence[FailedDimension], flow: FlowTerms) -> str:
    """Say what a statement names in the dimensions that the flow fails."""
    named = []
    others = []
    for each in failed:
        if each.dimension is Dimension.RETENTION:
            stated = each.actual or "none"
            others.append(f"allows at most {each.expected[0]} days (the event states {stated})")
        elif each.dimension is Dimension.FACTS:
            conditions = [
                f"`{fact}` {'holds' if holds else 'does not hold'}"
                for fact, holds in _unmet(statement, flow)
            ]
            others.append(f"requires that {_joined(conditions, 'and')}")
        else:
            noun = each.dimension.replace("_", " ")
            stated = "" if each.actual else " (the event states none)"
            named.append(f"{_alternatives(each.expected)} as {noun}{stated}")
    return _joined(([f"names {_joined(named, 'and')}"] if named else []) + others, "and")


def _fails(failed: Iterable[FailedDimension], dimension: Dimension) -> bool:
    return any(each.dimension is dimension for each in failed)


def _cited(statement: Statement) -> str:
    return f"`{statement.id}` ({statement.clause})"


def _alternatives(terms: Sequence[str]) -> str:
    listed = [f"`{term}`" for term in terms[:_MAX_LISTED]]
    if len(terms) > _MAX_LISTED:
        listed.append(f"{len(terms) - _MAX_LISTED} more")
    return _joined(listed, "or")


def _joined(parts: Sequence[str], word: str) -> str:
    *others, last = parts
    return f"{', '.join(others)} {word} {last}" if others else last
