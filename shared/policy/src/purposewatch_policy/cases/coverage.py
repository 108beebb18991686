"""What the cases of a policy touch, and what they leave out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import Decision, Kind, Outcome
from purposewatch_policy.flow import Flow
from purposewatch_policy.model import Statement


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the cases of one version touch."""

    version: str
    statements: int
    undecided: tuple[Statement, ...]
    """Statements by which no case is decided: permits that permit, prohibitions that prohibit."""
    values: int
    """How many terms the statements name, over all dimensions."""
    untouched: Mapping[str, tuple[str, ...]]
    """The terms of them that no case states, nor anything below; facts that none states as true."""

    @property
    def statements_percent(self) -> float:
        """Share of the statements that decide a case."""
        return _percent(self.statements - len(self.undecided), self.statements)

    @property
    def values_touched(self) -> int:
        """How many of the named terms a case touches."""
        return self.values - sum(len(terms) for terms in self.untouched.values())

    @property
    def values_percent(self) -> float:
        """Share of the named terms that a case touches."""
        return _percent(self.values_touched, self.values)

    def reaches(self, percent: float) -> bool:
        """Whether both shares are at least so large."""
        return min(self.statements_percent, self.values_percent) >= percent


def measure(compiled: CompiledPolicy, decided: Sequence[tuple[Flow, Decision]]) -> Coverage:
    """Measure the cases that fall into the time of one version."""
    deciding = {
        category.statement
        for _, decision in decided
        for category in decision.categories
        if category.outcome is Outcome.PERMITTED or category.kind is Kind.PROHIBITED
    }
    named = _named(compiled.statements)
    touched = _touched(compiled, [flow for flow, _ in decided])
    left = {
        name: tuple(term for term in terms if term not in touched[name])
        for name, terms in named.items()
    }
    return Coverage(
        version=compiled.policy.version,
        statements=len(compiled.statements),
        undecided=tuple(each for each in compiled.statements if each.id not in deciding),
        values=sum(len(terms) for terms in named.values()),
        untouched={name: terms for name, terms in left.items() if terms},
    )


def _named(statements: Iterable[Statement]) -> dict[str, tuple[str, ...]]:
    """Return the terms that statements name, by dimension, in the order of the file."""
    named: dict[str, dict[str, None]] = {}
    for statement in statements:
        terms = {
            "roles": statement.roles,
            "data_categories": statement.data_categories,
            "operations": statement.operations,
            "purposes": statement.purposes,
            "recipients": statement.recipients,
            "sources": statement.sources,
            "locations": statement.locations,
            "legal_bases": statement.legal_bases,
            "facts": (*statement.when, *statement.unless),
        }
        for name, each in terms.items():
            named.setdefault(name, {}).update(dict.fromkeys(each or ()))
    return {name: tuple(terms) for name, terms in named.items()}


def _touched(compiled: CompiledPolicy, flows: Iterable[Flow]) -> dict[str, set[str]]:
    """Return the terms that flows state, with everything above them, by dimension."""
    taxonomies = compiled.vocabulary.taxonomies()
    touched: dict[str, set[str]] = {name: set() for name in taxonomies}
    for flow in flows:
        stated: dict[str, Iterable[str | None]] = {
            "roles": [flow.role],
            "data_categories": flow.data_categories,
            "operations": [flow.operation],
            "purposes": [flow.purpose],
            "recipients": [flow.recipient],
            "sources": [flow.source],
            "locations": [flow.location],
            "legal_bases": [flow.legal_basis],
            "facts": [fact for fact, holds in flow.facts.items() if holds],
        }
        for name, terms in stated.items():
            for term in terms:
                if term is not None and term in taxonomies[name]:
                    touched[name].update(taxonomies[name].lineage(term))
    return touched


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0
