"""Applies a mapping to observations. A pure function of both, and of the vocabularies."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as ReadOnlyMapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from purposewatch_connect.mapping.model import DIMENSIONS, TERM_FIELDS, Mapping, Rule, Terms
from purposewatch_connect.mapping.observation import Action, Derivation, Observation
from purposewatch_connect.mapping.outcome import (
    Access,
    Gap,
    Outcome,
    derived_id,
    make_gap,
)
from purposewatch_contract import GapKind
from purposewatch_policy import MAX_DATA_CATEGORIES, TERM_PATTERN, Vocabulary
from purposewatch_policy.vocabulary import FIRST_PARTY

MAX_SUBJECTS = 100
"""Subjects of one observation that become events of their own; of more, it concerns a group."""

_OPERATIONS = {
    Action.READ: "use",
    Action.WRITE: "store",
    Action.DELETE: "erase",
    Action.SEND: "share",
}
_SHEDS = (Derivation.MASKED,)
"""Derivations by which a column sheds its categories if no rule says which."""
_MAX_SUBJECT_ID = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TERM = re.compile(TERM_PATTERN.removesuffix("$"))
_REQUIRED = {
    "controller": GapKind.UNKNOWN_CONTROLLER,
    "role": GapKind.UNKNOWN_ROLE,
    "purpose": GapKind.UNKNOWN_PURPOSE,
}
_OF_SERVICE = frozenset({"controller", "purpose"})
"""What a service is expected to say: if no rule knows the service, that is what is missing."""
_DIMENSIONS = {**DIMENSIONS, "operation": "operations"}


class Mapper:
    """Turns observations into accesses and gaps.

    INVARIANT: an observation gives at least one access or gap, unless the mapping says that what
    was used holds no personal data, or no column of it was used.
    """

    def __init__(
        self, mapping: Mapping, vocabularies: ReadOnlyMapping[str, Vocabulary] | None = None
    ) -> None:
        """Without vocabularies, terms that the input states are not looked up."""
        self._mapping = mapping
        self._vocabularies = vocabularies

    def apply(self, observation: Observation) -> Outcome:
        """Map one observation."""
        return _Application(self._mapping, self._vocabularies, observation).outcome()


class _Application:
    """The mapping of one observation."""

    def __init__(
        self,
        mapping: Mapping,
        vocabularies: ReadOnlyMapping[str, Vocabulary] | None,
        observation: Observation,
    ) -> None:
        self._vocabularies = vocabularies
        self._observation = observation
        self._gaps: list[Gap] = []
        self._service, self._service_rule = _known_service(mapping, observation.services)
        self._dataset = _known_dataset(mapping, observation)
        self._host = mapping.hosts.find(observation.host) if observation.host else None
        self._by_attribute = [
            rule
            for name, rules in mapping.attributes.items()
            if name in observation.attributes
            and (rule := rules.find(observation.attributes[name])) is not None
        ]
        found = [*self._by_attribute, self._host, self._dataset, self._service_rule]
        self._rules = [*(rule for rule in found if rule is not None), mapping.defaults]
        stated = [observation.terms, *(rule.terms for rule in self._rules)]
        self._terms = Terms(**{name: _first(stated, name) for name in TERM_FIELDS})

    def outcome(self) -> Outcome:
        """What the observation becomes."""
        categories = self._categories()
        if not categories:
            return Outcome(gaps=tuple(self._gaps))
        operation = self._operation()
        self._require_terms()
        self._look_up_terms(operation, categories)
        subjects = self._subject_ids()
        if any(gap.kind is not GapKind.UNMAPPED_COLUMN for gap in self._gaps):
            return Outcome(gaps=tuple(self._gaps))
        return Outcome(tuple(self._accesses(operation, categories, subjects)), tuple(self._gaps))

    def _add_gap(self, kind: GapKind, name: str) -> None:
        observation = self._observation
        controller = self._terms.controller
        self._gaps.append(
            make_gap(
                kind,
                name,
                identity=observation.identity,
                time=observation.time,
                controller=controller,
            )
        )

    @property
    def _where(self) -> str:
        """What a gap calls the thing that was used."""
        observation = self._observation
        return (
            observation.label
            or observation.dataset
            or observation.host
            or self._service
            or "(no service)"
        )

    def _categories(self) -> tuple[str, ...]:
        """The data categories; a gap for what has none."""
        stated = self._observation.categories or next(
            (rule.categories for rule in self._by_attribute if rule.categories), ()
        )
        if stated:
            return tuple(dict.fromkeys(stated))
        if self._observation.dataset is not None:
            if self._dataset is None:
                self._add_gap(GapKind.UNMAPPED_DATASET, self._where)
                return ()
            return self._of_columns(self._dataset)
        if self._host is not None:
            return self._host.categories
        if self._observation.host is not None:
            self._add_gap(GapKind.UNMAPPED_HOST, self._where)
        else:
            self._add_gap(GapKind.UNMAPPED_DATASET, self._where)
        return ()

    def _of_columns(self, rule: Rule) -> tuple[str, ...]:
        if not rule.personal:
            return ()
        if rule.columns is None:
            return rule.categories if self._kept_columns() != () else ()
        found: dict[str, None] = {}
        columns = self._kept_columns()
        if columns is None:  # it may have been any of them
            found.update(dict.fromkeys(rule.categories))
            for _, categories in rule.columns:
                found.update(dict.fromkeys(categories))
            return tuple(found)
        for column in columns:
            of_column = rule.columns.find(column)
            if of_column is None and not rule.categories:
                self._add_gap(GapKind.UNMAPPED_COLUMN, f"{self._where}.{column}")
            found.update(dict.fromkeys(rule.categories if of_column is None else of_column))
        return tuple(found)

    def _kept_columns(self) -> tuple[str, ...] | None:
        """The columns of the observation that have not shed their categories."""
        columns, derivations = self._observation.columns, self._observation.derivations
        if columns is None or not derivations:
            return columns
        stated = (rule.sheds for rule in self._rules if rule.sheds is not None)
        sheds = next(stated, _SHEDS)
        return tuple(each for each in columns if derivations.get(each) not in sheds)

    def _operation(self) -> str:
        action = self._observation.action
        if self._observation.terms.operation is not None:
            return self._observation.terms.operation
        mapped = (rule.operations[action] for rule in self._rules if action in rule.operations)
        return next(mapped, _OPERATIONS[action])

    def _require_terms(self) -> None:
        """Add a gap for what nobody states. One unknown service is one gap, whatever it lacks."""
        is_unknown = self._service is not None and self._service_rule is None
        kinds: dict[GapKind, str] = {}
        for name, kind in _REQUIRED.items():
            if getattr(self._terms, name) is not None:
                continue
            if name in _OF_SERVICE and is_unknown:
                kinds[GapKind.UNMAPPED_SERVICE] = self._service or ""
            else:
                kinds[kind] = self._where if name == "role" else self._service or self._where
        for kind, named in kinds.items():
            self._add_gap(kind, named)

    def _look_up_terms(self, operation: str, categories: Sequence[str]) -> None:
        """Add a gap for each term that the controller's vocabulary lacks."""
        controller = self._terms.controller
        if self._vocabularies is None or controller is None:
            return
        vocabulary = self._vocabularies.get(controller)
        if vocabulary is None:
            self._add_gap(GapKind.UNKNOWN_CONTROLLER, controller)
            return
        taxonomies = vocabulary.taxonomies()
        terms = replace(self._terms, operation=operation)
        stated = [(name, getattr(terms, name)) for name in _DIMENSIONS]
        stated += [("data_categories", category) for category in categories]
        stated += [("facts", fact) for fact in self._terms.facts or ()]
        for name, term in stated:
            if term is not None and term not in taxonomies[_DIMENSIONS.get(name, name)]:
                kind = _REQUIRED.get(name, GapKind.UNKNOWN_TERM)
                self._add_gap(kind, term if _TERM.fullmatch(term) else "(not a term)")

    def _subject_ids(self) -> tuple[str, ...]:
        if self._observation.subject_id is not None:
            stated: tuple[str, ...] = (self._observation.subject_id,)
        else:
            stated = self._found_subjects()
        if not stated or not all(map(_is_subject_id, stated)):
            self._add_gap(GapKind.UNRESOLVED_SUBJECT, self._where)
            return ()
        return stated

    def _found_subjects(self) -> tuple[str, ...]:
        observation = self._observation
        rules = [rule.subject for rule in self._rules if rule.subject is not None]
        for rule in rules:
            if rule.attribute is not None and rule.attribute in observation.attributes:
                return (observation.attributes[rule.attribute],)
            found = observation.subjects.get((rule.column or "").casefold(), ())
            if 0 < len(found) <= MAX_SUBJECTS:
                return tuple(dict.fromkeys(found))
            if rule.group is not None:
                return (rule.group,)
        return ()

    def _accesses(
        self, operation: str, categories: Sequence[str], subjects: Sequence[str]
    ) -> Iterator[Access]:
        terms = self._terms
        bounds = [*range(0, len(categories), MAX_DATA_CATEGORIES), len(categories)]
        for number, subject_id in enumerate(subjects):
            for start, end in pairwise(bounds):
                yield Access(
                    id=derived_id(self._observation.identity, str(number), str(start)),
                    time=self._observation.time,
                    service=self._service,
                    controller=terms.controller or "",
                    role=terms.role or "",
                    operation=operation,
                    purpose=terms.purpose or "",
                    recipient=terms.recipient or FIRST_PARTY,
                    data_categories=tuple(categories[start:end]),
                    subject_id=subject_id,
                    source=terms.source,
                    location=terms.location,
                    retention_days=terms.retention_days,
                    legal_basis=terms.legal_basis,
                    facts=terms.facts or {},
                    traceparent=self._observation.traceparent,
                )


def _known_service(mapping: Mapping, names: Sequence[str]) -> tuple[str | None, Rule | None]:
    """The first name that the mapping has, with its rule; else the last one."""
    for name in names:
        rule = mapping.services.find(name)
        if rule is not None:
            return name, rule
    return (names[-1] if names else None), None


def _known_dataset(mapping: Mapping, observation: Observation) -> Rule | None:
    """The rule of the first name of the dataset that the mapping has."""
    names = filter(None, (observation.dataset, *observation.aliases))
    return next(filter(None, map(mapping.datasets.find, names)), None)


def _first(stated: Sequence[Terms], name: str) -> Any:
    """The value of a field where it is stated first."""
    return next((value for each in stated if (value := getattr(each, name)) is not None), None)


def _is_subject_id(text: str) -> bool:
    return 0 < len(text) <= _MAX_SUBJECT_ID and not _CONTROL.search(text)
