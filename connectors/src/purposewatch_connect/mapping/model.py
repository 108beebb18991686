"""What a mapping file says: immutable, as read."""

from collections.abc import Mapping as ReadOnlyMapping
from dataclasses import dataclass, field, fields

from purposewatch_connect.mapping.patterns import PatternTable
from purposewatch_policy.yaml_reader import Location


@dataclass(frozen=True, slots=True)
class Terms:
    """What an access states beside its data categories; `None` where nothing is said."""

    controller: str | None = None
    role: str | None = None
    purpose: str | None = None
    recipient: str | None = None
    operation: str | None = None
    source: str | None = None
    location: str | None = None
    retention_days: int | None = None
    legal_basis: str | None = None
    facts: ReadOnlyMapping[str, bool] | None = None


DIMENSIONS: ReadOnlyMapping[str, str] = {
    "role": "roles",
    "purpose": "purposes",
    "recipient": "recipients",
    "source": "sources",
    "location": "locations",
    "legal_basis": "legal_bases",
}
"""As vocabulary files name the dimension of each term that a rule states for all actions."""
NO_TERMS = Terms()
TERM_FIELDS = tuple(each.name for each in fields(Terms))


@dataclass(frozen=True, slots=True)
class SubjectRule:
    """Where the data subject's identifier is found, tried in this order."""

    attribute: str | None = None
    """The attribute that holds it."""
    column: str | None = None
    """The column that the statement compares with it."""
    group: str | None = None
    """What stands for the subjects of an access that concerns no particular one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one service, dataset, host or attribute means."""

    terms: Terms = NO_TERMS
    subject: SubjectRule | None = None
    operations: ReadOnlyMapping[str, str] = field(default_factory=dict)
    """The operation of each action."""
    categories: tuple[str, ...] = ()
    """Of the whole; with `columns`, of every column that is not named there."""
    columns: PatternTable[tuple[str, ...]] | None = None
    """Categories by column; none for a column without personal data."""
    personal: bool = True
    """Whether there are personal data at all."""
    sheds: tuple[str, ...] | None = None
    """Derivations by which a written column sheds its categories; `None` where nothing is said."""
    at: Location = field(default_factory=lambda: Location(""))


@dataclass(frozen=True, slots=True)
class TermUse:
    """A vocabulary term in a mapping file."""

    dimension: str
    """As vocabulary files name it, for example `purposes`."""
    term: str
    controller: str | None
    """The controller of the rule that it is part of, if the rule states one."""
    at: Location


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file."""

    publisher: str
    """The registered publisher whose key the connector uses."""
    defaults: Rule = Rule()
    services: PatternTable[Rule] = field(default_factory=PatternTable)
    datasets: PatternTable[Rule] = field(default_factory=PatternTable)
    hosts: PatternTable[Rule] = field(default_factory=PatternTable)
    attributes: ReadOnlyMapping[str, PatternTable[Rule]] = field(default_factory=dict)
    """Rules by the value of an attribute, by its name."""
    term_uses: tuple[TermUse, ...] = ()
    """Every term in it, in reading order."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule but the defaults, in reading order of their sections."""
        tables = (self.services, self.datasets, self.hosts, *self.attributes.values())
        return tuple(rule for table in tables for _, rule in table)
