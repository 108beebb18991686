"""The declared policies, as far as a page shows them. Whether they are valid is the auditor's job.

Nothing is decided here: fields are read as they were written, and what has another shape is left
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from purposewatch_policy.vocabulary import find_controllers
from purposewatch_policy.yaml_reader import SourceError, read_mapping

DIMENSIONS = {
    "role": "roles",
    "data_category": "data_categories",
    "operation": "operations",
    "purpose": "purposes",
    "recipient": "recipients",
    "source": "sources",
    "location": "locations",
    "legal_basis": "legal_bases",
}
"""Dimensions of a decision, and what statements and vocabularies call their terms."""


@dataclass(frozen=True, slots=True)
class DeclaredStatement:
    """One statement of a policy."""

    id: str
    clause: str
    effect: str
    terms: Mapping[str, tuple[str, ...]]
    """Terms by dimension; a dimension that is not restricted is absent."""
    defined_terms: tuple[str, ...] = ()
    retention_days: int | None = None
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DefinedTerm:
    """A named group of data categories."""

    label: Mapping[str, str]
    data_categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeclaredPolicy:
    """One version of a controller's policy."""

    controller: str
    version: str
    title: Mapping[str, str]
    in_force_from: datetime
    in_force_until: datetime | None
    document: str | None
    sections: Mapping[str, Mapping[str, str]]
    defined_terms: Mapping[str, DefinedTerm]
    statements: tuple[DeclaredStatement, ...] = field(default=())

    def is_in_force(self, at: datetime) -> bool:
        """Whether it applies to what happens at that time."""
        return self.in_force_from <= at and (
            self.in_force_until is None or at < self.in_force_until
        )

    def statement(self, name: str) -> DeclaredStatement | None:
        """The statement of that id."""
        return next((each for each in self.statements if each.id == name), None)


def read_declared(policies_dir: Path) -> tuple[DeclaredPolicy, ...]:
    """Every version of every controller, the newest of each first."""
    errors: list[SourceError] = []
    found = [
        policy
        for home in find_controllers(policies_dir, errors).values()
        for path in sorted(home.glob("policy*.yaml"))
        if (policy := _read_policy(path)) is not None
    ]
    found.sort(key=lambda policy: policy.in_force_from, reverse=True)
    return tuple(sorted(found, key=lambda policy: policy.controller))


def _read_policy(path: Path) -> DeclaredPolicy | None:
    root = read_mapping(path, [])
    if root is None:
        return None
    content = root.plain()
    starts = _time(content.get("in_force_from"))
    if starts is None:
        return None
    document = _mapping(content.get("document"))
    return DeclaredPolicy(
        controller=str(content.get("controller", path.parent.name)),
        version=str(content.get("version", path.stem)),
        title=_labels(content.get("title")),
        in_force_from=starts,
        in_force_until=_time(content.get("in_force_until")),
        document=_text(document.get("title")),
        sections={
            name: _labels(label) for name, label in _mapping(content.get("sections")).items()
        },
        defined_terms={
            name: DefinedTerm(
                _labels(_mapping(entry).get("label")),
                _texts(_mapping(entry).get("data_categories")),
            )
            for name, entry in _mapping(content.get("defined_terms")).items()
        },
        statements=tuple(_statement(_mapping(entry)) for entry in _list(content.get("statements"))),
    )


def _statement(entry: Mapping[str, Any]) -> DeclaredStatement:
    terms = {name: _texts(entry.get(key)) for name, key in DIMENSIONS.items()}
    days = entry.get("retention_days")
    return DeclaredStatement(
        id=str(entry.get("id", "")),
        clause=str(entry.get("clause", "")),
        effect=str(entry.get("effect", "")),
        terms={name: named for name, named in terms.items() if named},
        defined_terms=_texts(entry.get("defined_terms")),
        retention_days=days if isinstance(days, int) else None,
        when=_texts(entry.get("when")),
        unless=_texts(entry.get("unless")),
        note=_text(entry.get("note")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in _list(value))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _labels(value: object) -> Mapping[str, str]:
    return {language: str(text) for language, text in _mapping(value).items()}


def _time(value: object) -> datetime | None:
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read is not None and read.tzinfo is not None else None
