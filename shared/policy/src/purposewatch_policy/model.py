"""What a controller declared: statements, and the policy version that they form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from purposewatch_policy.decision import DIMENSION_FIELDS, Dimension

_FACTS = Dimension.FACTS


class Effect(StrEnum):
    """Whether a statement permits or prohibits what it covers."""

    PERMIT = "permit"
    PROHIBIT = "prohibit"


class Mode(StrEnum):
    """Whether a version decides events or is only tried beside the one that does."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """A finding of `policy lint` that the author accepts for a statement, and why."""

    rule: str
    """Id of the rule, for example `public-disclosure`."""
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule of the policy, traceable to a clause of the source document.

    Where a dimension is `None`, the statement does not restrict it.
    """

    id: str
    clause: str
    effect: Effect
    data_categories: tuple[str, ...]
    """As in every dimension: those that it names itself, then those of its defined terms."""
    operations: tuple[str, ...]
    roles: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    """INVARIANT: not `None` on a permit."""
    recipients: tuple[str, ...] | None = None
    """INVARIANT: not `None` on a permit; one that names none is about the first party."""
    legal_bases: tuple[str, ...] | None = None
    """INVARIANT: `None` on a prohibition."""
    sources: tuple[str, ...] | None = None
    locations: tuple[str, ...] | None = None
    retention_days: int | None = None
    """At most this many days."""
    retention_at_least: int | None = None
    """At least this many days. INVARIANT: at least 1, and not more than `retention_days`."""
    exceptions: Mapping[Dimension, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """What it leaves out of what it names, by dimension of terms. INVARIANT: each term lies below
    a named one, where some are named, and none above a named one."""
    when: tuple[str, ...] = ()
    """Facts that must all hold."""
    unless: tuple[str, ...] = ()
    """Facts of which none may hold."""
    defined_terms: tuple[str, ...] = ()
    """The defined terms through which it names terms. Not part of what is declared: neither
    decisions nor the digest depend on how a statement names a term."""
    excepted_defined_terms: tuple[str, ...] = ()
    """The defined terms through which it leaves terms out. Not part of what is declared either."""
    note: str = ""
    accepted_findings: tuple[AcceptedFinding, ...] = ()
    """Not part of what is declared: neither decisions nor the digest depend on it."""

    def terms(self, dimension: Dimension) -> tuple[str, ...] | None:
        """Return what it names in a dimension, `None` for no restriction; of facts, all of them.

        The retention is not a dimension of terms: see `retention_days` and `retention_at_least`.
        """
        if dimension is _FACTS:
            return (*self.when, *self.unless)
        terms: tuple[str, ...] | None = _FIELDS[dimension](self)
        return terms

    def excepted(self, dimension: Dimension) -> tuple[str, ...]:
        """Return what it leaves out in a dimension of terms."""
        return self.exceptions.get(dimension, ())

    @property
    def limits_retention(self) -> bool:
        """Whether it covers only some lengths of retention, so only events that state one."""
        return self.retention_days is not None or self.retention_at_least is not None

    def retention_ends(self) -> list[int]:
        """Return the lengths, in days, after which it begins or ceases to cover."""
        begins = [] if self.retention_at_least is None else [self.retention_at_least - 1]
        return begins if self.retention_days is None else [*begins, self.retention_days]

    def conditions(self) -> list[tuple[str, bool]]:
        """Return the facts that it depends on, each with whether it has to hold."""
        return [(fact, True) for fact in self.when] + [(fact, False) for fact in self.unless]

    def unmet(self, facts: Mapping[str, bool]) -> list[tuple[str, bool]]:
        """Return the conditions that some facts do not meet; a fact not stated does not hold."""
        return [
            (fact, holds)
            for fact, holds in self.conditions()
            if facts.get(fact, False) is not holds
        ]


_FIELDS = {dimension: attrgetter(field) for dimension, field in DIMENSION_FIELDS.items()}


@dataclass(frozen=True, slots=True)
class DefinedTerm:
    """A group of terms of one dimension, which the policy names once."""

    name: str
    dimension: Dimension
    terms: tuple[str, ...]
    """All of them, including those of nested defined terms."""
    label: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one controller's declared policy."""

    controller: str
    version: str
    in_force_from: datetime
    """With zone; the first time at which it applies."""
    in_force_until: datetime | None
    """With zone; the first time at which it no longer applies."""
    statements: tuple[Statement, ...]
    """In the order of the file. INVARIANT: their ids are distinct."""
    title: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, str] = field(default_factory=dict)
    """The source text: its language, title and a note."""
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Labels of the sections that clauses refer to."""
    defined_terms: Mapping[str, DefinedTerm] = field(default_factory=dict)
    mode: Mode = Mode.LIVE
    """Not part of what is declared: the digest stays the same when a version goes live."""
    replaces: str | None = None
    """The version that ends when this one begins, once this one is live. Not part either: the
    replaced version's `in_force_until` is."""
    shadow_statements: Mapping[int, Statement] = field(default_factory=dict)
    """Those in shadow mode, by their position among all the statements of the file. They decide
    nothing and are not part of what is declared: see `shadow`."""
