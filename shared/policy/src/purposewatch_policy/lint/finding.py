"""A finding: its rule, its severity, its location, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from purposewatch_policy.model import Statement
from purposewatch_policy.yaml_reader import Location

MAX_LISTED = 4
"""Terms that a message lists before it gives the number of the others."""


class Severity(StrEnum):
    """How severe a finding is, the most severe first.

    `error`: the policy does not say what it seems to say. `warning`: it most likely says more or
    less than was meant, or something risky. `note`: worth knowing.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    def reaches(self, threshold: "Severity") -> bool:
        """Whether it is at least as severe."""
        order = list(Severity)
        return order.index(self) <= order.index(threshold)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of `policy lint`."""

    id: str
    """INVARIANT: stable across releases; policies accept findings by it."""
    title: str
    advice: str
    """Why it matters and what to do, in a few sentences."""
    severity: Severity
    """The highest severity of its findings."""
    high_risk: bool = False
    """Whether what it finds is a high risk to people even where it is declared."""


@dataclass(frozen=True, slots=True)
class Related:
    """Another location that a finding is about."""

    at: Location
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found."""

    rule: Rule
    severity: Severity
    at: Location
    message: str
    """In one line: what is wrong, and after a semicolon what to do."""
    controller: str | None = None
    version: str | None = None
    statements: tuple[str, ...] = ()
    """Ids of the statements that it is about; each of them may accept it."""
    details: tuple[str, ...] = ()
    """Further lines for a reader."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """The content of the details, as JSON values."""
    related: tuple[Related, ...] = ()
    accepted: str | None = None
    """The reason for which the policy accepts it, if it does."""

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """Sorts findings by location."""
        return (self.at.path, self.at.line, self.at.column, self.rule.id, self.message)


def cited(statement: Statement) -> str:
    """Name a statement and its clause."""
    return f"`{statement.id}` ({statement.clause})"


def listed(terms: tuple[str, ...]) -> str:
    """List terms, only the first few of them if there are many."""
    shown = [f"`{term}`" for term in terms[:MAX_LISTED]]
    if len(terms) > MAX_LISTED:
        shown.append(f"{len(terms) - MAX_LISTED} more")
    return joined(shown)


def joined(parts: list[str]) -> str:
    """Join words with commas and `and`."""
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
