"""Reads a mapping file and reports every fault of it with its line."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from purposewatch_connect.mapping.model import (
    DIMENSIONS,
    NO_TERMS,
    Mapping,
    Rule,
    SubjectRule,
    Terms,
    TermUse,
)
from purposewatch_connect.mapping.observation import Action, Derivation
from purposewatch_connect.mapping.patterns import PatternTable
from purposewatch_contract import PUBLISHER_PATTERN
from purposewatch_policy import (
    CONTROLLER_PATTERN,
    MAX_FACTS,
    MAX_RETENTION_DAYS,
    TERM_PATTERN,
    InvalidSourceError,
)
from purposewatch_policy.yaml_reader import (
    Fields,
    ListNode,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
    as_mapping,
    read_mapping,
)

NOT_PERSONAL = "not_personal"
"""Stands for the categories of a column that holds no personal data."""

NOTHING = "nothing"
"""Stands for the derivations of which none sheds a category."""

_SECTIONS = ("publisher", "defaults", "services", "datasets", "hosts", "attributes")
_TERM_FIELDS = ("controller", *DIMENSIONS, "retention_days", "facts", "subject", "operations")
_FIELDS = {
    "defaults": (*_TERM_FIELDS, "sheds"),
    "services": _TERM_FIELDS,
    "datasets": (*_TERM_FIELDS, "sheds", "categories", "columns", "personal"),
    "hosts": (*_TERM_FIELDS, "categories", "personal"),
    "attributes": (*_TERM_FIELDS, "categories"),
}
_SUBJECT_FIELDS = ("attribute", "column", "group")
_MAX_NAME = 256


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises `InvalidSourceError` with every fault of it.

    Whether the vocabulary has its terms is another matter: see `lint_mapping`.
    """
    errors: list[SourceError] = []
    root = read_mapping(path, errors)
    mapping = Mapping("") if root is None else _Reader(errors).mapping(root)
    if errors:
        raise InvalidSourceError(errors)
    return mapping


class _Reader:
    """Reads the sections of one file."""

    def __init__(self, errors: list[SourceError]) -> None:
        self._errors = errors
        self._uses: list[TermUse] = []

    def mapping(self, root: MappingNode) -> Mapping:
        fields = Fields(root, _SECTIONS, "a mapping", self._errors)
        publisher = fields.name("publisher", PUBLISHER_PATTERN, "query-log", required=True)
        defaults = fields.mapping("defaults")
        return Mapping(
            publisher=publisher,
            defaults=Rule() if defaults is None else self._rule(defaults, "defaults"),
            services=self._section(fields, "services"),
            datasets=self._section(fields, "datasets"),
            hosts=self._section(fields, "hosts"),
            attributes=self._attributes(fields),
            term_uses=tuple(self._uses),
        )

    def _section(self, fields: Fields, name: str) -> PatternTable[Rule]:
        node = fields.mapping(name)
        return self._table(node, name) if node is not None else PatternTable()

    def _attributes(self, fields: Fields) -> dict[str, PatternTable[Rule]]:
        node = fields.mapping("attributes")
        tables = {}
        for name, value in node.entries.items() if node is not None else ():
            by_value = as_mapping(value, f"`{name}`", self._errors)
            if by_value is not None:
                tables[name] = self._table(by_value, "attributes")
        return tables

    def _table(self, node: MappingNode, section: str) -> PatternTable[Rule]:
        rules = []
        seen: dict[str, str] = {}
        for pattern, value in node.entries.items():
            at = node.key_at[pattern]
            if not pattern or len(pattern) > _MAX_NAME:
                message = f"a name in `{section}` has 1 to {_MAX_NAME} characters; correct it"
                self._errors.append(at.error(message))
            first = seen.setdefault(pattern.casefold(), pattern)
            if first != pattern:
                message = f"`{pattern}` is the same as `{first}`, since case is ignored; keep one"
                self._errors.append(at.error(message))
            details = as_mapping(value, f"`{pattern}`", self._errors)
            if details is not None:
                rules.append((pattern, self._rule(details, section)))
        return PatternTable(rules)

    def _rule(self, node: MappingNode, section: str) -> Rule:
        fields = Fields(node, _FIELDS[section], f"a rule in `{section}`", self._errors)
        pattern, example = CONTROLLER_PATTERN, "wework-labs"
        controller = fields.name("controller", pattern, example) or None
        terms = Terms(
            controller=controller,
            retention_days=fields.integer("retention_days", 0, MAX_RETENTION_DAYS),
            facts=self._facts(fields, controller),
            **{
                name: self._term(fields, name, dimension, controller)
                for name, dimension in DIMENSIONS.items()
            },
        )
        rule = Rule(
            terms=NO_TERMS if terms == NO_TERMS else terms,
            subject=self._subject(fields),
            operations=self._operations(fields, controller),
            sheds=self._sheds(fields) if "sheds" in _FIELDS[section] else None,
            at=node.at,
        )
        if section in ("datasets", "hosts", "attributes"):
            return self._with_categories(rule, fields, section, controller)
        return rule

    def _with_categories(
        self, rule: Rule, fields: Fields, section: str, controller: str | None
    ) -> Rule:
        personal = fields.flag("personal") if fields.states("personal") else True
        named = fields.names("categories") or ()
        categories = self._terms(named, "data_categories", controller)
        columns = self._columns(fields, controller)
        if not personal and (categories or columns is not None):
            fields.error("`personal: false` excludes `categories` and `columns`; keep one of them")
        if section != "attributes" and personal and not categories and columns is None:
            fields.error(
                "the rule names no data categories; add `categories`"
                + (" or `columns`" if section == "datasets" else "")
                + ", or `personal: false`"
            )
        return replace(rule, categories=categories, columns=columns, personal=personal)

    def _columns(
        self, fields: Fields, controller: str | None
    ) -> PatternTable[tuple[str, ...]] | None:
        node = fields.mapping("columns")
        if node is None:
            return None
        columns = []
        for pattern, value in node.entries.items():
            columns.append((pattern, self._of_column(pattern, value, controller)))
        return PatternTable(columns)

    def _of_column(self, pattern: str, value: Node, controller: str | None) -> tuple[str, ...]:
        if isinstance(value, ScalarNode) and not value.is_null:
            if value.text == NOT_PERSONAL:
                return ()
            return self._terms([value], "data_categories", controller)
        if isinstance(value, ListNode) and value.items:
            scalars = [item for item in value.items if isinstance(item, ScalarNode)]
            if len(scalars) == len(value.items):
                return self._terms(scalars, "data_categories", controller)
        message = f"`{pattern}` must be a data category, a list of them, or `{NOT_PERSONAL}`"
        self._errors.append(value.at.error(message))
        return ()

    def _subject(self, fields: Fields) -> SubjectRule | None:
        node = fields.mapping("subject")
        if node is None:
            return None
        own = Fields(node, _SUBJECT_FIELDS, "a subject", self._errors)
        stated = {name: own.text(name) or None for name in _SUBJECT_FIELDS}
        if not any(stated.values()):
            own.error("the subject is empty; name an `attribute`, a `column` or a `group`")
        return SubjectRule(**stated)

    def _sheds(self, fields: Fields) -> tuple[str, ...] | None:
        if not fields.states("sheds"):
            return None
        named = fields.names("sheds") or ()
        for node in named:
            if node.text not in (*Derivation, NOTHING):
                message = f"`{node.text}` is unknown; write `masked`, `aggregated` or `{NOTHING}`"
                self._errors.append(node.at.error(message))
        return tuple(node.text for node in named)

    def _operations(self, fields: Fields, controller: str | None) -> dict[str, str]:
        node = fields.mapping("operations")
        if node is None:
            return {}
        actions = tuple(map(str, Action))
        own = Fields(node, actions, "`operations`", self._errors)
        return {
            action: term
            for action in actions
            if (term := self._term(own, action, "operations", controller)) is not None
        }

    def _facts(self, fields: Fields, controller: str | None) -> dict[str, bool] | None:
        node = fields.mapping("facts")
        if node is None:
            return None
        own = Fields(node, node.entries, "`facts`", self._errors)
        if len(node.entries) > MAX_FACTS:
            own.error(f"there are more than {MAX_FACTS} facts; remove some")
        facts = {}
        for name in node.entries:
            self._uses.append(TermUse("facts", name, controller, node.key_at[name]))
            facts[name] = own.flag(name)
        return facts

    def _term(
        self, fields: Fields, name: str, dimension: str, controller: str | None
    ) -> str | None:
        term = fields.text(name)
        if not term:
            return None
        node = ScalarNode(term, quoted=False, at=fields.location(name))
        return next(iter(self._terms([node], dimension, controller)), None)

    def _terms(
        self, nodes: Iterable[ScalarNode], dimension: str, controller: str | None
    ) -> tuple[str, ...]:
        terms: dict[str, None] = {}
        for node in nodes:
            if re.fullmatch(TERM_PATTERN, node.text):
                self._uses.append(TermUse(dimension, node.text, controller, node.at))
                terms[node.text] = None
            else:
                message = f"`{node.text}` is not a term; write lower-case words joined by dots"
                self._errors.append(node.at.error(message))
        return tuple(terms)
