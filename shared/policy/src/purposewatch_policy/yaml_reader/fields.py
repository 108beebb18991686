"""Reads the fields of a YAML mapping in their expected shapes.

Every method returns a usable placeholder when a field is absent or wrong, and adds the fault to a
list, so that one run shows all faults of a file. A caller must not use its result when that list is
not empty.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TypeVar

from purposewatch_policy.yaml_reader.source import (
    ListNode,
    Location,
    MappingNode,
    Node,
    ScalarNode,
    SourceError,
)

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")

_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_ZONED = re.compile(_DATE_TIME + r"([Zz]|[+-][0-9]{2}:[0-9]{2})")
_UNZONED = re.compile(_DATE_TIME)

_Node = TypeVar("_Node", ListNode, MappingNode, ScalarNode)
_SHAPES: dict[type[Node], str] = {
    ListNode: "a list such as `[a, b]`",
    MappingNode: "a mapping of fields",
    ScalarNode: "a single value",
}


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the candidate most like `word`, or nothing."""
    close = get_close_matches(word, candidates, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


class Fields:
    """The fields of one mapping."""

    def __init__(
        self, node: MappingNode, known: Iterable[str], what: str, errors: list[SourceError]
    ) -> None:
        """Report the fields that are not `known`. `what` names the thing in errors."""
        self.at = node.at
        self._node = node
        self._what = what
        self._errors = errors
        known = tuple(known)
        for name in node.entries:
            if name not in known:
                hint = did_you_mean(name, known) or f"; {what} has {_listed(known)}"
                self.error(f"unknown field `{name}`{hint}", node.key_at[name])

    def error(self, message: str, at: Location | None = None) -> None:
        """Record a fault of this mapping, or of a place in it."""
        self._errors.append((at or self.at).error(message))

    def location(self, name: str) -> Location:
        """Return the location of the field's value, or of the mapping if it is absent."""
        node = self._node.entries.get(name)
        return self.at if node is None else node.at

    def states(self, name: str) -> bool:
        """Whether the field is present and not null."""
        node = self._node.entries.get(name)
        return node is not None and not (isinstance(node, ScalarNode) and node.is_null)

    def states_mapping(self, name: str) -> bool:
        """Whether the field is present and a mapping."""
        return isinstance(self._node.entries.get(name), MappingNode)

    def text(self, name: str, *, required: bool = False) -> str:
        """Return the text of the field, or an empty string."""
        node = self._shaped(name, ScalarNode, required=required)
        if node is None:
            return ""
        if required and not node.text.strip():
            self.error(f"`{name}` is empty; fill it in", node.at)
        return node.text

    def name(self, name: str, pattern: str, example: str, *, required: bool = False) -> str:
        """Return a text that must match a pattern."""
        text = self.text(name, required=required)
        if text and not re.fullmatch(pattern, text):
            message = f"`{name}` is `{text}`; write a name such as `{example}`"
            self.error(message, self.location(name))
        return text

    def flag(self, name: str) -> bool:
        """Return a boolean; absent is false."""
        node = self._shaped(name, ScalarNode)
        value = False if node is None else node.plain()
        if isinstance(value, bool):
            return value
        self.error(f"`{name}` must be `true` or `false`", self.location(name))
        return False

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds, or `None` when absent."""
        node = self._shaped(name, ScalarNode)
        if node is None:
            return None
        value = node.plain()
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        message = f"`{name}` is `{node.text}`; write a whole number from {low} to {high}, unquoted"
        self.error(message, node.at)
        return None

    def timestamp(self, name: str, *, required: bool = False) -> datetime | None:
        """Return a timestamp in its own zone, or `None` when absent."""
        text = self.text(name, required=required)
        if not text:
            return None
        try:
            return parse_timestamp(text)
        except ValueError as error:
            self.error(f"`{name}`: {error}", self.location(name))
            return None

    def names(self, name: str, *, required: bool = False) -> tuple[ScalarNode, ...] | None:
        """Return the items of a list of distinct texts, or `None` when absent.

        An empty list is a fault: it could mean all or none.
        """
        node = self._shaped(name, ListNode, required=required)
        if node is None:
            return None
        if not node.items:
            self.error(f"`{name}` is empty; name at least one or leave the field out", node.at)
        items: dict[str, ScalarNode] = {}
        for item in node.items:
            if not isinstance(item, ScalarNode) or item.is_null:
                self.error(f"an item of `{name}` must be a single value", item.at)
            elif item.text in items:
                self.error(f"`{name}` names `{item.text}` twice; keep one of them", item.at)
            else:
                items[item.text] = item
        return tuple(items.values())

    def items(self, name: str, *, required: bool = False) -> list[Node]:
        """Return the items of a list of anything."""
        node = self._shaped(name, ListNode, required=required)
        return [] if node is None else node.items

    def mapping(self, name: str, *, required: bool = False) -> MappingNode | None:
        """Return a nested mapping, or `None` when absent."""
        return self._shaped(name, MappingNode, required=required)

    def labels(self, name: str, *, required: bool = False) -> dict[str, str]:
        """Return a mapping from language tags to texts."""
        node = self.mapping(name, required=required)
        return {} if node is None else read_labels(node, self._errors)

    def names_by_language(self, name: str) -> dict[str, tuple[str, ...]]:
        """Return a mapping from language tags to lists of distinct texts."""
        node = self.mapping(name)
        if node is None:
            return {}
        lists = Fields(node, node.entries, f"`{name}`", self._errors)
        return {
            language: tuple(item.text for item in lists.names(language) or ())
            for language in node.entries
            if _is_language(language, node.key_at[language], self._errors)
        }

    def _shaped(self, name: str, shape: type[_Node], *, required: bool = False) -> _Node | None:
        if not self.states(name):
            if required:
                self.error(f"{self._what} lacks `{name}`; add it", self.location(name))
            return None
        node = self._node.entries[name]
        if isinstance(node, shape):
            return node
        self.error(f"`{name}` must be {_SHAPES[shape]}", node.at)
        return None


def as_mapping(node: Node, what: str, errors: list[SourceError]) -> MappingNode | None:
    """Return the node if it is a mapping, an empty mapping for null, else `None` with a fault."""
    if isinstance(node, MappingNode):
        return node
    if isinstance(node, ScalarNode) and node.is_null:
        return MappingNode(node.at)
    errors.append(node.at.error(f"{what} must be a mapping of fields"))
    return None


def read_labels(node: MappingNode, errors: list[SourceError]) -> dict[str, str]:
    """Return a mapping from language tags to texts."""
    labels: dict[str, str] = {}
    for language, value in node.entries.items():
        if not _is_language(language, node.key_at[language], errors):
            continue
        if not isinstance(value, ScalarNode) or not value.text.strip() or value.is_null:
            errors.append(value.at.error(f"the label in `{language}` must be a text"))
        else:
            labels[language] = value.text
    return labels


def _is_language(tag: str, at: Location, errors: list[SourceError]) -> bool:
    if _LANGUAGE.fullmatch(tag):
        return True
    message = f"`{tag}` is not a language tag; write one such as `en` or `zh-Hant`"
    errors.append(at.error(message))
    return False


def parse_timestamp(text: str) -> datetime:
    """Return an RFC 3339 timestamp with zone. Raises `ValueError` that says what to write."""
    if _UNZONED.fullmatch(text):
        message = f"`{text}` lacks a time zone; append `Z` or an offset such as `+08:00`"
        raise ValueError(message)
    message = f"`{text}` is not a timestamp; write one such as `2018-05-25T00:00:00+08:00`"
    if not _ZONED.fullmatch(text):
        raise ValueError(message)
    try:
        moment = datetime.fromisoformat(text.upper())
        moment.astimezone(UTC)  # overflows at the ends of the calendar
    except (ValueError, OverflowError) as error:
        raise ValueError(message) from error
    return moment


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
