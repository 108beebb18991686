"""The interface of an engine: decide whether every category of a flow is permitted."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from purposewatch_policy import PolicySet, Statement
from purposewatch_policy.vocabulary import FlowTerms, Taxonomy, Vocabulary

UNSTATED = ""
"""Stands for a dimension that a flow leaves out, where an engine can't hold nothing."""

NO_LIMIT = 1_000_000
"""Days; longer than anything is kept. Also the retention of a flow that states none."""


class Engine(Protocol):
    """An engine, loaded with the last version of one controller's policy."""

    name: str
    answers: str
    """What one answer consists of."""

    def __init__(self, policies: PolicySet, controller: str) -> None:
        """Translate the policy into the engine's own language."""

    def prepare(self, flow: FlowTerms) -> object:
        """Return the flow in the form that the engine takes."""

    def permits(self, prepared: object) -> bool:
        """Whether the flow is permitted in every category."""


def check_translatable(statements: Iterable[Statement]) -> None:
    """Raise `ValueError` for a statement that is not translated into the other languages.

    The translations know neither exceptions nor a least retention: no policy or synthetic policy
    that is measured has any.
    """
    for statement in statements:
        if statement.exceptions or statement.retention_at_least is not None:
            message = (
                f"`{statement.id}` has exceptions or a least retention, which the translations "
                "for the other engines do not know; extend them first"
            )
            raise ValueError(message)


def covered_terms(
    taxonomy: Taxonomy, named: Sequence[str] | None, *, optional: bool = False
) -> tuple[str, ...]:
    """Return the terms of flows that a statement covers by what it names."""
    if named is None:
        return (*taxonomy, UNSTATED) if optional else tuple(taxonomy)
    return tuple(
        term for term in taxonomy if any(taxonomy.covers(general, term) for general in named)
    )


def legal_bases_covered(statement: Statement, taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return the legal bases that agree with a statement; none stated agrees with any."""
    return (*covered_terms(taxonomy, statement.legal_bases), UNSTATED)


def statement_document(statement: Statement, vocabulary: Vocabulary) -> dict[str, object]:
    """Return a statement as plain values, with every term that it covers as a key."""
    optional = {"sources": statement.sources, "locations": statement.locations}
    document: dict[str, object] = {
        name: dict.fromkeys(covered_terms(taxonomy, optional[name], optional=True), True)
        for name, taxonomy in vocabulary.taxonomies().items()
        if name in optional
    }
    for name, taxonomy, named in (
        ("purposes", vocabulary.purposes, statement.purposes),
        ("recipients", vocabulary.recipients, statement.recipients),
        ("operations", vocabulary.operations, statement.operations),
    ):
        document[name] = dict.fromkeys(covered_terms(taxonomy, named), True)
    bases = legal_bases_covered(statement, vocabulary.legal_bases)
    limit = statement.retention_days
    return {
        **document,
        "legal_bases": dict.fromkeys(bases, True),
        "retention_days": NO_LIMIT if limit is None else limit,
        "when": list(statement.when),
        "unless": list(statement.unless),
    }


def as_document(flow: FlowTerms) -> dict[str, object]:
    """Return a flow as plain values, with stand-ins for what it leaves out."""
    return {
        "role": flow.role,
        "operation": flow.operation,
        "purpose": flow.purpose,
        "recipient": flow.recipient,
        "data_categories": list(flow.data_categories),
        "source": flow.source or UNSTATED,
        "location": flow.location or UNSTATED,
        "retention_days": NO_LIMIT if flow.retention_days is None else flow.retention_days,
        "legal_basis": flow.legal_basis or UNSTATED,
        "facts": dict(flow.facts),
    }
