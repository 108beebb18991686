"""Small changes of an event or of a policy, as data, and functions that apply them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension
from purposewatch_policy.model import Policy, Statement
from purposewatch_policy.vocabulary import FlowTerms


@dataclass(frozen=True, slots=True)
class EventChange:
    """A new value in one dimension of an event; for facts, of one fact."""

    dimension: Dimension
    value: str | int
    """The term, the number of days, or the fact."""
    before: str | int | None
    """What the event states; `None` if nothing. Of a fact, `true` or `false`."""
    holds: bool | None = None
    """Whether the fact has to hold; `None` for everything else."""
    span: tuple[int, int | None] = (0, None)
    """Of the retention, the shortest and the longest time that would do; `None` means open. `value`
    is the nearest of them to what is stated."""


@dataclass(frozen=True, slots=True)
class ChangedFlow:
    """A flow after a change."""

    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    data_categories: tuple[str, ...]
    source: str | None = None
    location: str | None = None
    retention_days: int | None = None
    legal_basis: str | None = None
    facts: Mapping[str, bool] = field(default_factory=dict)


class Action(StrEnum):
    """An edit of a statement: the first six widen a permit, the others narrow a prohibition."""

    ADD = "add"
    """Add the flow's term."""
    LIFT = "lift"
    """Remove the restriction, since the flow states nothing in the dimension."""
    RAISE = "raise"
    """Permit as many days as the flow states."""
    LOWER = "lower"
    """Permit as few days as the flow states."""
    INCLUDE = "include"
    """Remove the exceptions that overlap the flow's term: equal, above or below."""
    DROP = "drop"
    """Remove a condition that the flow does not meet."""
    REMOVE = "remove"
    """Remove the terms that overlap the flow's: equal, above or below. Others remain."""
    WITHDRAW = "withdraw"
    """Remove the whole statement, since nothing would be left of it."""


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One edit of one statement."""

    action: Action
    statement: str
    clause: str
    dimension: Dimension | None = None
    """`None` when the statement is withdrawn."""
    terms: tuple[str, ...] = ()
    """The terms that are added or removed, or the fact whose condition is removed."""
    days: int | None = None
    holds: bool | None = None
    """Whether the dropped condition asked for the fact to hold."""
    defined_terms: tuple[str, ...] = ()
    """The defined terms by which the statement names the removed categories."""


def change_flow(flow: FlowTerms, category: str, changes: Iterable[EventChange]) -> ChangedFlow:
    """Return the part of a flow that is about one data category, with changes made."""
    stated: dict[str, object] = {}
    facts = dict(flow.facts)
    for change in changes:
        if change.dimension is Dimension.FACTS:
            facts[str(change.value)] = bool(change.holds)
        elif change.dimension is Dimension.DATA_CATEGORY:
            category = str(change.value)
        elif change.dimension is Dimension.RETENTION:
            stated["retention_days"] = change.value
        else:
            stated[change.dimension] = change.value
    changed = replace(flow_with_facts(flow, facts), data_categories=(category,))
    return replace(changed, **stated)  # type: ignore[arg-type]  # the names are those of its fields


def flow_with_facts(flow: FlowTerms, facts: Mapping[str, bool]) -> ChangedFlow:
    """Return a flow with other facts."""
    return ChangedFlow(
        controller=flow.controller,
        role=flow.role,
        operation=flow.operation,
        purpose=flow.purpose,
        recipient=flow.recipient,
        data_categories=tuple(flow.data_categories),
        source=flow.source,
        location=flow.location,
        retention_days=flow.retention_days,
        legal_basis=flow.legal_basis,
        facts=facts,
    )


def change_policy(policy: Policy, changes: Iterable[PolicyChange]) -> Policy:
    """Return a policy with changes made. Raises `KeyError` for a statement it does not have.

    Changes for several categories of one event can be made together: no change undoes another,
    equal changes are made once, and a statement that one of them withdraws is gone.
    """
    statements = {each.id: each for each in policy.statements}
    withdrawn = set()
    for change in dict.fromkeys(changes):
        statement = statements[change.statement]
        if change.action is Action.WITHDRAW:
            withdrawn.add(statement.id)
        else:
            statements[statement.id] = _changed(statement, change)
    return replace(
        policy, statements=tuple(each for each in statements.values() if each.id not in withdrawn)
    )


def _changed(statement: Statement, change: PolicyChange) -> Statement:
    if change.action is Action.DROP:
        return replace(
            statement,
            when=tuple(fact for fact in statement.when if fact not in change.terms),
            unless=tuple(fact for fact in statement.unless if fact not in change.terms),
        )
    if change.dimension is None or change.dimension is Dimension.FACTS:
        message = f"cannot {change.action} `{change.dimension}`"
        raise ValueError(message)
    if change.dimension is Dimension.RETENTION:
        return _with_retention(statement, change)
    if change.action in {Action.INCLUDE, Action.LIFT}:
        statement = _without_exceptions(statement, change)
    if change.action is Action.INCLUDE:
        return statement
    name = DIMENSION_FIELDS[change.dimension]
    named = getattr(statement, name)
    value: object = None
    if change.action is Action.ADD:
        value = None if named is None else tuple(dict.fromkeys((*named, *change.terms)))
    elif change.action is Action.REMOVE:
        value = tuple(term for term in named if term not in change.terms)
    return replace(statement, **{name: value})  # type: ignore[arg-type]  # a field of its own


def _with_retention(statement: Statement, change: PolicyChange) -> Statement:
    longest, shortest = statement.retention_days, statement.retention_at_least
    if change.action is Action.LIFT:
        longest = shortest = None
    elif change.days is not None:
        if longest is not None:
            longest = max(longest, change.days)
        if shortest is not None:
            shortest = min(shortest, change.days) or None
    return replace(statement, retention_days=longest, retention_at_least=shortest)


def _without_exceptions(statement: Statement, change: PolicyChange) -> Statement:
    """Return a statement without the exceptions that a change names, or if none, without any."""
    exceptions = {
        dimension: tuple(
            term
            for term in terms
            if dimension is not change.dimension or (change.terms and term not in change.terms)
        )
        for dimension, terms in statement.exceptions.items()
    }
    left = {dimension: terms for dimension, terms in exceptions.items() if terms}
    return replace(statement, exceptions=left)
