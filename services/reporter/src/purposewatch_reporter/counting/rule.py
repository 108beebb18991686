"""A counting rule and the flows that it counts. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_reporter.findings.severity import Severity

SLICES = 10
"""A window begins at every tenth of its length, and is counted in as many slices."""

FLOW_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "roles": "role",
        "operations": "operation",
        "purposes": "purpose",
        "recipients": "recipient",
        "sources": "source",
        "locations": "location",
        "legal_bases": "legal_basis",
    }
)
"""The dimensions of which a flow has one term at most: in files and vocabularies, and in a flow."""


class Counted(StrEnum):
    """What a rule counts."""

    EVENTS = "events"
    ACCESSES = "accesses"
    """The sum of the events' counts."""
    SUBJECTS = "subjects"
    """Distinct data subjects."""


class CountedPer(StrEnum):
    """What is counted together. Controllers never are: each has subjects and terms of its own."""

    PUBLISHER = "publisher"
    CONTROLLER = "controller"


class DecidedCategory(Protocol):
    """What was decided about one data category of a flow."""

    @property
    def data_category(self) -> str:
        """The term."""

    @property
    def outcome(self) -> Any:
        """Its outcome."""

    @property
    def kind(self) -> Any:
        """The kind of a violation, or `None`."""


class Hierarchy:
    """What is above a term, by the vocabularies; by its name, where none knows it."""

    def __init__(self, vocabularies: Mapping[str, Vocabulary]) -> None:
        self.vocabularies = vocabularies

    def lineage(self, controller: str, dimension: str, term: str) -> tuple[str, ...]:
        """The term and everything above it."""
        vocabulary = self.vocabularies.get(controller)
        if vocabulary is not None:
            taxonomy = vocabulary.taxonomies()[dimension]
            if term in taxonomy:
                return taxonomy.lineage(term)
        parts = term.split(".")
        return tuple(".".join(parts[:length]) for length in range(len(parts), 0, -1))


@dataclass(frozen=True, slots=True)
class FlowPattern:
    """Which flows count. A term covers those below it; what is not restricted matches all."""

    terms: Mapping[str, frozenset[str]]
    """By the name of a dimension in `FLOW_FIELDS`."""
    data_categories: frozenset[str] | None = None
    outcomes: frozenset[str] | None = None
    kinds: frozenset[str] | None = None

    def matches(self, flow: Any, decided: Iterable[DecidedCategory], hierarchy: Hierarchy) -> bool:
        """Whether a flow matches: with one data category that has all that is asked of categories.

        `flow` is a flow of the policy engine, or of a message.
        """
        controller = flow.controller
        for dimension, terms in self.terms.items():
            term = getattr(flow, FLOW_FIELDS[dimension])
            if term is None or terms.isdisjoint(hierarchy.lineage(controller, dimension, term)):
                return False
        return any(self._takes(controller, category, hierarchy) for category in decided)

    def _takes(self, controller: str, decided: DecidedCategory, hierarchy: Hierarchy) -> bool:
        return (
            (self.outcomes is None or str(decided.outcome) in self.outcomes)
            and (self.kinds is None or str(decided.kind) in self.kinds)
            and (
                self.data_categories is None
                or not self.data_categories.isdisjoint(
                    hierarchy.lineage(controller, "data_categories", decided.data_category)
                )
            )
        )

    def as_json(self) -> dict[str, list[str]]:
        """The pattern as a JSON value, in order: equal for equal patterns."""
        stated = {
            **self.terms,
            "data_categories": self.data_categories,
            "outcomes": self.outcomes,
            "kinds": self.kinds,
        }
        return {name: sorted(values) for name, values in sorted(stated.items()) if values}

    @classmethod
    def from_json(cls, stated: Mapping[str, list[str]]) -> "FlowPattern":
        """The pattern that `as_json` gave."""
        sets = {name: frozenset(values) for name, values in stated.items()}
        terms = {name: sets.pop(name) for name in FLOW_FIELDS if name in sets}
        return cls(terms, **sets)


@dataclass(frozen=True, slots=True)
class CountingRule:
    """Alert when more than so many match within a window."""

    name: str
    pattern: FlowPattern
    counted: Counted
    more_than: int
    window_seconds: int
    """A multiple of 60."""
    per: CountedPer = CountedPer.PUBLISHER
    controllers: frozenset[str] | None = None
    publishers: frozenset[str] | None = None
    severity: Severity = Severity.MEDIUM
    note: str = ""

    @property
    def slice_seconds(self) -> int:
        """The length of a slice."""
        return self.window_seconds // SLICES

    def counter_id(self, controller: str, publisher: str) -> bytes:
        """What identifies what is counted: a rule that counts something else starts again.

        A change of the threshold, the severity or the note does not.
        """
        counted = {
            "rule": self.name,
            "pattern": self.pattern.as_json(),
            "counted": self.counted,
            "window_seconds": self.window_seconds,
            "publishers": sorted(self.publishers or ()),
            "controller": controller,
            "publisher": publisher,
        }
        text = json.dumps(counted, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).digest()
