"""Reads vocabulary files: the common ones, and each controller's own on top of them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from purposewatch_policy.flow import CONTROLLER_PATTERN, MAX_TERM_LENGTH, TERM_PATTERN
from purposewatch_policy.version_paths import part_paths, version_paths
from purposewatch_policy.vocabulary.model import (
    FIRST_PARTY,
    NOUNS,
    Authority,
    Taxonomy,
    TermEntry,
    Vocabulary,
    implied_parent,
)
from purposewatch_policy.yaml_reader import (
    Fields,
    InvalidSourceError,
    Location,
    Node,
    SourceError,
    as_mapping,
    did_you_mean,
    read_mapping,
)

COMMON = "vocabulary"
"""The sub-directory with the common vocabulary; it is not a controller's."""

_OWN_FILES = frozenset({"vocabulary.yaml", "cases.yaml"})
_YAML = frozenset({".yaml", ".yml"})
_TERM_FIELDS = (
    "label",
    "synonyms",
    "description",
    "iri",
    "parent",
    "sensitive",
    "about_others",
    "public",
    "authority",
    "stated_by",
)
_MARKED = {"about_others": "data_categories", "public": "recipients"}
"""The only dimension in which a marker has a meaning."""


def load_vocabularies(policies_dir: Path) -> Mapping[str, Vocabulary]:
    """Return every controller's effective vocabulary: the common one and its own.

    Raises `InvalidSourceError` with every fault of every vocabulary file.
    """
    errors: list[SourceError] = []
    vocabularies = read_vocabularies(policies_dir, errors)
    if errors:
        raise InvalidSourceError(errors)
    return MappingProxyType(vocabularies)


def read_vocabularies(policies_dir: Path, errors: list[SourceError]) -> dict[str, Vocabulary]:
    """Read what `load_vocabularies` returns, adding faults to `errors` instead of raising.

    A faulty term is kept as a root, so that references to it can still be checked.
    """
    common = _Terms(errors)
    directory = policies_dir / COMMON
    for path in sorted(directory.glob("*.yaml")) if directory.is_dir() else ():
        common.read(path)
    common.settle_parents()
    vocabularies: dict[str, Vocabulary] = {}
    for controller, home in find_controllers(policies_dir, errors).items():
        own = common.extended()
        if (path := home / "vocabulary.yaml").exists():
            own.read(path)
        own.settle_parents()
        vocabularies[controller] = own.vocabulary()
    return vocabularies


def find_controllers(policies_dir: Path, errors: list[SourceError]) -> dict[str, Path]:
    """Return the controllers' directories: those that hold a version of a policy.

    A YAML file that would never be read is a fault: most likely it is a misnamed policy.
    """
    if not policies_dir.is_dir():
        errors.append(
            Location(str(policies_dir)).error(
                "is not a directory; name the directory of the policies"
            )
        )
        return {}
    controllers: dict[str, Path] = {}
    for home in sorted(policies_dir.iterdir()):
        if not home.is_dir() or home.name == COMMON or home.name.startswith("."):
            continue
        versions = version_paths(home)
        read = {part for version in versions for part in part_paths(version)}
        places = (home, *(version for version in versions if version.is_dir()))
        held = sorted(path for place in places for path in place.iterdir() if path.suffix in _YAML)
        for path in held:
            if path.name not in _OWN_FILES and path not in read:
                message = "is never read; name a policy file `policy.<version>.yaml`"
                errors.append(Location(str(path)).error(message))
        if not versions:
            if held:
                message = "contains no policy; add a `policy.<version>.yaml`"
                errors.append(Location(str(home)).error(message))
        elif re.fullmatch(CONTROLLER_PATTERN, home.name):
            controllers[home.name] = home
        else:
            message = f"`{home.name}` is not a controller name; write one such as `wework-labs`"
            errors.append(Location(str(home)).error(message))
    if not controllers and not errors:
        message = "contains no policy; add `<controller>/policy.<version>.yaml`"
        errors.append(Location(str(policies_dir)).error(message))
    return controllers


class _Terms:
    """Terms of all dimensions while they are being read."""

    def __init__(self, errors: list[SourceError]) -> None:
        self._errors = errors
        self._entries: dict[str, dict[str, TermEntry]] = {name: {} for name in NOUNS}
        self._places: dict[tuple[str, str], Location] = {}
        self._unsettled: list[tuple[str, str]] = []

    def extended(self) -> "_Terms":
        """Return a copy that more files can be read into."""
        copy = _Terms(self._errors)
        copy._entries = {name: dict(entries) for name, entries in self._entries.items()}
        copy._places = dict(self._places)
        return copy

    def read(self, path: Path) -> None:
        root = read_mapping(path, self._errors)
        if root is None:
            return
        Fields(root, NOUNS, "a vocabulary", self._errors)
        for name in NOUNS:
            if name in root.entries:
                terms = as_mapping(root.entries[name], f"`{name}`", self._errors)
                for term, node in terms.entries.items() if terms else ():
                    self._declare(name, term, terms.key_at[term] if terms else root.at, node)

    def settle_parents(self) -> None:
        """Check the parents of the terms that were read since the last call."""
        for name, term in self._unsettled:
            entries = self._entries[name]
            entry = entries[term]
            if entry.parent is not None and entry.parent not in entries:
                self._lose_parent(name, entry, self._missing_parent(name, entry))
        for name, term in self._unsettled:
            entries = self._entries[name]
            chain = [term]
            while (parent := entries[chain[-1]].parent) is not None and parent not in chain:
                chain.append(parent)
            if parent == term:
                circle = " -> ".join(f"`{each}`" for each in [*chain, term])
                message = f"{circle} form a cycle; give one of them another `parent`"
                self._lose_parent(name, entries[term], message)
        self._unsettled.clear()

    def vocabulary(self) -> Vocabulary:
        recipients = self._entries["recipients"]
        recipients.setdefault(FIRST_PARTY, TermEntry(FIRST_PARTY))
        return Vocabulary(
            **{name: Taxonomy(NOUNS[name], entries) for name, entries in self._entries.items()}
        )

    def _declare(self, name: str, term: str, at: Location, node: Node) -> None:
        if not re.fullmatch(TERM_PATTERN, term) or len(term) > MAX_TERM_LENGTH:
            message = f"`{term}` is not a term; write lower-case words joined by dots"
            self._errors.append(at.error(message))
        elif term in self._entries[name]:
            first = self._places[name, term]
            message = f"the {NOUNS[name]} `{term}` is already declared at {first}; keep one"
            self._errors.append(at.error(message))
        elif (details := as_mapping(node, f"`{term}`", self._errors)) is not None:
            fields = Fields(details, _TERM_FIELDS, "a term", self._errors)
            self._entries[name][term] = TermEntry(
                term=term,
                parent=self._parent(name, term, fields),
                label=fields.labels("label"),
                synonyms=fields.names_by_language("synonyms"),
                description=fields.labels("description"),
                iri=fields.name("iri", r"https?://\S+", "https://w3id.org/dpv#Purpose") or None,
                sensitive=fields.flag("sensitive"),
                about_others=self._marker(name, fields, "about_others"),
                public=self._marker(name, fields, "public"),
                authority=self._authority(name, fields),
                stated_by=self._stated_by(name, fields),
            )
            self._places[name, term] = at
            self._unsettled.append((name, term))

    def _marker(self, name: str, fields: Fields, marker: str) -> bool:
        if fields.states(marker) and name != _MARKED[marker]:
            message = f"only `{_MARKED[marker]}` have `{marker}`; remove it here"
            fields.error(message, fields.location(marker))
        return fields.flag(marker)

    def _authority(self, name: str, fields: Fields) -> Authority:
        text = fields.text("authority")
        if not text or not self._of_a_fact(name, fields, "authority"):
            return Authority.PUBLISHER
        if text not in set(Authority):
            message = f"`authority` is `{text}`; write `publisher` or `ledger`"
            fields.error(message, fields.location("authority"))
            return Authority.PUBLISHER
        if text == Authority.LEDGER and not fields.states("stated_by"):
            message = "a fact with `authority: ledger` lacks `stated_by`; say who states it"
            fields.error(message, fields.location("authority"))
        return Authority(text)

    def _stated_by(self, name: str, fields: Fields) -> dict[str, str]:
        return fields.labels("stated_by") if self._of_a_fact(name, fields, "stated_by") else {}

    @staticmethod
    def _of_a_fact(name: str, fields: Fields, field: str) -> bool:
        if fields.states(field) and name != "facts":
            message = f"only `facts` have `{field}`; remove it here"
            fields.error(message, fields.location(field))
        return name == "facts"

    def _parent(self, name: str, term: str, fields: Fields) -> str | None:
        parent = fields.text("parent") or None
        if name == "facts":
            if parent:
                message = "a fact is matched exactly and has no parent; remove `parent`"
                fields.error(message, fields.location("parent"))
            return None
        if (name, term) == ("recipients", FIRST_PARTY):
            if parent:
                message = f"`{FIRST_PARTY}` is the controller and always a root; remove `parent`"
                fields.error(message, fields.location("parent"))
            return None
        return parent or implied_parent(term)

    def _missing_parent(self, name: str, entry: TermEntry) -> str:
        others = [term for term in self._entries[name] if term != entry.term]
        hint = did_you_mean(entry.parent or "", others) or "; declare it"
        return (
            f"the {NOUNS[name]} `{entry.term}` has the parent `{entry.parent}`, "
            f"which is not declared{hint}"
        )

    def _lose_parent(self, name: str, entry: TermEntry, message: str) -> None:
        self._errors.append(self._places[name, entry.term].error(message))
        self._entries[name][entry.term] = replace(entry, parent=None)
