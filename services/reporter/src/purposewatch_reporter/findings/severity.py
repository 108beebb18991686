"""The severity of a finding: from its kind, its data category and its recipient. Pure.

The table is explained to its readers in docs/alerts.md; a test holds the two equal.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from purposewatch_policy import Kind
from purposewatch_policy.vocabulary import PUBLIC, Vocabulary
from purposewatch_reporter.findings.group import UNKNOWN, Group


class Severity(StrEnum):
    """How soon somebody should look, in ascending order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """A number that grows with the severity."""
        return _RANKS[self]

    def raised(self, steps: int) -> "Severity":
        """So many steps higher, `critical` at most."""
        return _ORDER[min(self.rank + steps, len(_ORDER) - 1)]


_ORDER = tuple(Severity)
_RANKS: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(_ORDER)}

SeverityOf: TypeAlias = Callable[[Group], Severity]

OF_KIND: Mapping[str, Severity] = MappingProxyType(
    {
        str(Kind.POLICY_NOT_IN_FORCE): Severity.MEDIUM,
        str(Kind.PROHIBITED): Severity.HIGH,
        str(Kind.PROHIBITED_IN_PART): Severity.HIGH,
        str(Kind.UNDECLARED_ROLE): Severity.MEDIUM,
        str(Kind.UNDECLARED_THIRD_PARTY_SHARING): Severity.MEDIUM,
        str(Kind.UNDECLARED_CATEGORY): Severity.MEDIUM,
        str(Kind.UNDECLARED_PURPOSE): Severity.MEDIUM,
        str(Kind.UNDECLARED_OPERATION): Severity.LOW,
        str(Kind.UNDECLARED_SOURCE): Severity.LOW,
        str(Kind.UNDECLARED_LOCATION): Severity.LOW,
        str(Kind.EXCESSIVE_RETENTION): Severity.LOW,
        str(Kind.LEGAL_BASIS_MISMATCH): Severity.LOW,
        str(Kind.CONTRADICTED_CLAIM): Severity.HIGH,
        str(Kind.CONDITION_NOT_MET): Severity.MEDIUM,
        UNKNOWN: Severity.MEDIUM,
    }
)
"""The initial severity of every kind."""

SENSITIVE_STEPS = 1
THIRD_PARTY_STEPS = 1
PUBLIC_STEPS = 2

_THIRD_PARTY = "third_party"


def severity_table(vocabularies: Mapping[str, Vocabulary]) -> SeverityOf:
    """The table, with what the controllers' vocabularies say of their terms.

    A term that no vocabulary knows is judged by its name: below `third_party`, or `public`.
    """

    def severity_of(group: Group) -> Severity:
        vocabulary = vocabularies.get(group.controller)
        steps = 0
        if vocabulary is not None and group.data_category in vocabulary.data_categories:
            sensitive = vocabulary.data_categories.is_sensitive(group.data_category)
            steps += SENSITIVE_STEPS if sensitive else 0
        if _is_public(group.recipient, vocabulary):
            steps += PUBLIC_STEPS
        elif _THIRD_PARTY in _lineage(group.recipient, vocabulary):
            steps += THIRD_PARTY_STEPS
        return OF_KIND.get(group.kind, Severity.MEDIUM).raised(steps)

    return severity_of


def _is_public(recipient: str, vocabulary: Vocabulary | None) -> bool:
    if vocabulary is not None and recipient in vocabulary.recipients:
        return vocabulary.recipients.is_public(recipient)
    return PUBLIC in _lineage(recipient, None)


def _lineage(recipient: str, vocabulary: Vocabulary | None) -> tuple[str, ...]:
    if vocabulary is not None and recipient in vocabulary.recipients:
        return vocabulary.recipients.lineage(recipient)
    return (recipient, recipient.partition(".")[0])
