"""Reads the file of counting rules, with the place of every fault."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import (
    CONTROLLER_PATTERN,
    TERM_PATTERN,
    InvalidSourceError,
    Kind,
    Outcome,
)
from purposewatch_policy.vocabulary import NOUNS, Vocabulary, load_vocabularies
from purposewatch_policy.yaml_reader import (
    Fields,
    MappingNode,
    ScalarNode,
    SourceError,
    as_mapping,
    did_you_mean,
    read_mapping,
)
from purposewatch_reporter.counting.rule import (
    FLOW_FIELDS,
    Counted,
    CountedPer,
    CountingRule,
    FlowPattern,
)
from purposewatch_reporter.findings.severity import Severity

MAX_RULES = 100
MAX_COUNT = 1_000_000_000
MAX_MINUTES = 7 * 24 * 60
DEFAULT_SUBJECTS = 10_000

_NAME = r"[a-z][a-z0-9-]{0,62}"
_FIELDS = (
    *("note", "flow", "controllers", "publishers"),
    *("count", "more_than", "within_minutes", "per", "severity"),
)
_PATTERN_FIELDS = (*FLOW_FIELDS, "data_categories", "outcomes", "kinds")

_VALID, _INVALID, _USAGE = 0, 1, 2

_Choice = TypeVar("_Choice", bound=StrEnum)


def load_rules(
    path: Path,
    vocabularies: Mapping[str, Vocabulary],
    *,
    most_subjects: int = DEFAULT_SUBJECTS,
) -> tuple[CountingRule, ...]:
    """Read the file. Raises `InvalidSourceError` with every fault.

    A term that is in no vocabulary is a fault, unless there are none. `most_subjects` is how many
    distinct subjects of a window are told apart.
    """
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    rules = [] if root is None else _Reader(vocabularies, most_subjects, errors).read(root)
    if errors:
        raise InvalidSourceError(errors)
    return tuple(rules)


def check_rules(arguments: Sequence[str]) -> int:
    """Check the file that `check-counting FILE [POLICIES]` names; the exit status."""
    if len(arguments) not in (1, 2):
        sys.stderr.write("usage: python -m purposewatch_reporter check-counting FILE [POLICIES]\n")
        return _USAGE
    file, *policies = map(Path, arguments)
    try:
        vocabularies = load_vocabularies(policies[0]) if policies else {}
        rules = load_rules(file, vocabularies)
    except InvalidSourceError as error:
        sys.stderr.write(f"{error}\n")
        return _INVALID
    sys.stdout.write(f"good: {len(rules)} rules ({', '.join(rule.name for rule in rules)})\n")
    return _VALID


class _Reader:
    """Reads the rules of one file."""

    def __init__(
        self,
        vocabularies: Mapping[str, Vocabulary],
        most_subjects: int,
        errors: list[SourceError],
    ) -> None:
        self._vocabularies = vocabularies
        self._most_subjects = most_subjects
        self._errors = errors

    def read(self, root: MappingNode) -> list[CountingRule]:
        fields = Fields(root, ("rules",), "the file", self._errors)
        rules = fields.mapping("rules", required=True)
        if rules is None:
            return []
        if len(rules.entries) > MAX_RULES:
            fields.error(f"there are {len(rules.entries)} rules; {MAX_RULES} is the limit")
        found = []
        for name, node in rules.entries.items():
            if not re.fullmatch(_NAME, name):
                message = f"`{name}` is not a rule's name; write one such as `bulk-reads`"
                self._errors.append(rules.key_at[name].error(message))
            details = as_mapping(node, f"`{name}`", self._errors)
            if details is not None:
                found.append(self._rule(name, details))
        return found

    def _rule(self, name: str, node: MappingNode) -> CountingRule:
        fields = Fields(node, _FIELDS, "a counting rule", self._errors)
        counted = self._one_of(fields, "count", Counted, Counted.EVENTS, required=True)
        return CountingRule(
            name=name,
            pattern=self._pattern(fields),
            counted=counted,
            more_than=self._threshold(fields, counted),
            window_seconds=60 * self._number(fields, "within_minutes", MAX_MINUTES),
            per=self._one_of(fields, "per", CountedPer, CountedPer.PUBLISHER),
            controllers=self._patterned(fields, "controllers", CONTROLLER_PATTERN),
            publishers=self._patterned(fields, "publishers", PUBLISHER_PATTERN),
            severity=self._one_of(fields, "severity", Severity, Severity.MEDIUM),
            note=fields.text("note").strip(),
        )

    def _threshold(self, fields: Fields, counted: Counted) -> int:
        more_than = self._number(fields, "more_than", MAX_COUNT)
        if counted is Counted.SUBJECTS and more_than >= self._most_subjects:
            message = (
                f"`more_than` is {more_than}, but {self._most_subjects} data subjects of a window "
                "are told apart; write a smaller number, or raise "
                "PURPOSEWATCH_REPORTER_COUNTING_SUBJECTS"
            )
            fields.error(message, fields.location("more_than"))
        return more_than

    def _pattern(self, fields: Fields) -> FlowPattern:
        node = fields.mapping("flow", required=True)
        if node is None:
            return FlowPattern({})
        flow = Fields(node, _PATTERN_FIELDS, "`flow`", self._errors)
        terms = {
            name: self._terms(flow, name)
            for name in (*FLOW_FIELDS, "data_categories")
            if flow.states(name)
        }
        return FlowPattern(
            data_categories=terms.pop("data_categories", None),
            terms=terms,
            outcomes=self._chosen(flow, "outcomes", Outcome),
            kinds=self._chosen(flow, "kinds", Kind),
        )

    def _terms(self, fields: Fields, dimension: str) -> frozenset[str]:
        items = fields.names(dimension) or ()
        known = {
            term
            for vocabulary in self._vocabularies.values()
            for term in vocabulary.taxonomies()[dimension]
        }
        for item in items:
            if not re.fullmatch(TERM_PATTERN, item.text):
                fields.error(f"`{item.text}` can't be a term; correct it", item.at)
            elif self._vocabularies and item.text not in known:
                message = f"no vocabulary has the {NOUNS[dimension]} `{item.text}`"
                hint = did_you_mean(item.text, known)
                fields.error(f"{message}{hint or '; look it up in the vocabulary'}", item.at)
        return frozenset(item.text for item in items)

    @staticmethod
    def _one_of(
        fields: Fields, name: str, kind: type[_Choice], default: _Choice, *, required: bool = False
    ) -> _Choice:
        text = fields.text(name, required=required)
        known = tuple(map(str, kind))
        if text in known:
            return kind(text)
        if text:
            hint = did_you_mean(text, known) or f"; write one of {_listed(known)}"
            fields.error(f"`{name}` is `{text}`{hint}", fields.location(name))
        return default

    def _number(self, fields: Fields, name: str, most: int) -> int:
        if not fields.states(name):
            fields.error(f"a counting rule lacks `{name}`; add it")
        value = fields.integer(name, 1, most)
        return 1 if value is None else value

    def _chosen(self, fields: Fields, name: str, kind: type[StrEnum]) -> frozenset[str] | None:
        known = tuple(map(str, kind))

        def check(item: ScalarNode) -> str | None:
            if item.text in known:
                return None
            hint = did_you_mean(item.text, known) or f"; there are {_listed(known)}"
            return f"`{item.text}` is not one of the {name}{hint}"

        return self._checked(fields, name, check)

    def _patterned(self, fields: Fields, name: str, pattern: str) -> frozenset[str] | None:
        def check(item: ScalarNode) -> str | None:
            if re.fullmatch(pattern, item.text):
                return None
            return f"`{item.text}` can't be one of the {name}; correct it"

        return self._checked(fields, name, check)

    @staticmethod
    def _checked(
        fields: Fields, name: str, check: Callable[[ScalarNode], str | None]
    ) -> frozenset[str] | None:
        items = fields.names(name)
        if items is None:
            return None
        for item in items:
            if fault := check(item):
                fields.error(fault, item.at)
        return frozenset(item.text for item in items)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
