"""What the cases of a policy cover, and what they leave out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from purposewatch_policy.compile import CompiledPolicy
from purposewatch_policy.decision import DIMENSION_FIELDS, Decision, Dimension, Kind, Outcome
from purposewatch_policy.flow import Flow
from purposewatch_policy.model import Statement


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the cases of one version cover."""

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
        """Whether both shares are at least this large."""
        return min(self.statements_percent, self.values_percent) >= percent


def measure(compiled: CompiledPolicy, decided: Sequence[tuple[Flow, Decision]]) -> Coverage:
    """Measure the cases that happened while one version was in force."""
    deciding = {
        category.statement
        for _, decision in decided
        for category in decision.categories
        if category.outcome is Outcome.PERMITTED or category.kind is Kind.PROHIBITED
    }
    flows = [flow for flow, _ in decided]
    terms = [each for each in Dimension if each is not Dimension.RETENTION]
    named = {DIMENSION_FIELDS[each]: _named(compiled, each) for each in terms}
    touched = {DIMENSION_FIELDS[each]: _touched(compiled, flows, each) for each in terms}
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


def _named(compiled: CompiledPolicy, dimension: Dimension) -> tuple[str, ...]:
    """Return the terms that statements name in a dimension, in the order of the file."""
    return tuple(
        dict.fromkeys(term for each in compiled.statements for term in each.terms(dimension) or ())
    )


def _touched(compiled: CompiledPolicy, flows: Iterable[Flow], dimension: Dimension) -> set[str]:
    """Return the terms that flows state in a dimension, with everything above them."""
    taxonomy = compiled.vocabulary.taxonomy(dimension)
    return {
        above
        for flow in flows
        for term in _stated(flow, dimension)
        if term in taxonomy
        for above in taxonomy.lineage(term)
    }


def _stated(flow: Flow, dimension: Dimension) -> Iterable[str]:
    if dimension is Dimension.FACTS:
        return (fact for fact, holds in flow.facts.items() if holds)
    if dimension is Dimension.DATA_CATEGORY:
        return flow.data_categories
    term: str | None = getattr(flow, dimension)
    return () if term is None else (term,)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0
