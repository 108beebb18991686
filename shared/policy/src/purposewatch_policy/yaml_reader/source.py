"""YAML with the location of every value, so that an error can point at its line.

Only a subset of YAML is read: mappings with text keys, lists and scalars. Scalars keep the author's
characters and are interpreted where they are used, so that `no`, `1.10` or `2018-05-25` are never
turned into something else. Anchors, aliases, tags and further documents are rejected: a policy is
readable without following references, and a small file cannot expand into a large one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "false": False}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, order=True)
class SourceError:
    """One fault in a source file: where it is, what is wrong and what to do."""

    path: str
    line: int
    """Counted from 1; 0 when the fault has no particular line."""
    column: int
    message: str

    def __str__(self) -> str:
        """Render as compilers do: `path:line: message`."""
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.message}"


class InvalidSourceError(Exception):
    """Source files have faults; `errors` lists every one that was found, in reading order.

    Nothing is loaded until the author corrects the files.
    """

    def __init__(self, errors: Iterable[SourceError]) -> None:
        self.errors = tuple(sorted(set(errors)))
        super().__init__("\n".join(str(error) for error in self.errors))


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a source file."""

    path: str
    line: int = 0
    column: int = 0

    def error(self, message: str) -> SourceError:
        """Make an error that points here."""
        return SourceError(self.path, self.line, self.column, message)

    def __str__(self) -> str:
        """Render as `path:line`."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value, as the author wrote it."""

    text: str
    quoted: bool
    at: Location

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in _NULLS

    def plain(self) -> str | int | bool | None:
        """Return the value: null, `true`, `false` and integers when unquoted, else the text."""
        if self.quoted:
            return self.text
        if self.text in _NULLS:
            return None
        if self.text in _BOOLEANS:
            return _BOOLEANS[self.text]
        return int(self.text) if _INTEGER.fullmatch(self.text) else self.text


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list, with its items in order."""

    items: list["Node"]
    at: Location

    def plain(self) -> list[object]:
        """Return the values without their places."""
        return [item.plain() for item in self.items]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping from distinct text keys to values, in order."""

    at: Location
    entries: dict[str, "Node"] = field(default_factory=dict)
    key_at: dict[str, Location] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        """Return the values without their places."""
        return {key: node.plain() for key, node in self.entries.items()}


Node: TypeAlias = ScalarNode | ListNode | MappingNode


class _UnreadableError(Exception):
    """The rest of the file cannot be read; `error` says why."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error.message)
        self.error = error


def read_mapping(path: Path, errors: list[SourceError]) -> MappingNode | None:
    """Read a file whose top level is a mapping; add what is wrong with it to `errors`.

    Returns `None` when the file cannot be read at all. Of a duplicate key the first one is kept and
    reading continues, so that one run shows as many faults as possible.
    """
    try:
        text = _text(path, Location(str(path)))
    except _UnreadableError as unreadable:
        errors.append(unreadable.error)
        return None
    return parse_mapping(text, str(path), errors)


def parse_mapping(text: str, name: str, errors: list[SourceError]) -> MappingNode | None:
    """Read a text as `read_mapping` reads a file; faults are located in a file of that name."""
    here = Location(name)
    try:
        root = _Builder(name, errors).build(text)
    except _UnreadableError as unreadable:
        errors.append(unreadable.error)
        return None
    if isinstance(root, MappingNode):
        return root
    where = here if root is None else root.at
    errors.append(where.error("the file must be a mapping of fields; write `field: value` lines"))
    return None


def _text(path: Path, here: Location) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _UnreadableError(here.error(f"cannot be read: {reason}")) from error
    if len(content) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 1024 // 1024} MiB; divide it into several files"
        raise _UnreadableError(here.error(message))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        at = Location(here.path, line)
        raise _UnreadableError(at.error("is not UTF-8; save the file in that encoding")) from error


class _Builder:
    """Builds nodes from the parser's events."""

    def __init__(self, path: str, errors: list[SourceError]) -> None:
        self._path = path
        self._file = Location(path)
        self._errors = errors
        self._events: Iterator[yaml.Event] = iter(())
        self._depth = 0

    def build(self, text: str) -> Node | None:
        self._events = yaml.parse(text, Loader=_LOADER)
        root: Node | None = None
        documents = 0
        try:
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._refuse(event, "a second document starts here; use one file for each")
                elif isinstance(event, yaml.NodeEvent):
                    root = self._node(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = Location(self._path, mark.line + 1, mark.column + 1) if mark else self._file
            problem = error.problem or error.context or "it cannot be parsed"
            raise _UnreadableError(
                at.error(f"not valid YAML: {problem}; correct the syntax")
            ) from error
        except yaml.YAMLError as error:
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            at = Location(self._path, line)
            raise _UnreadableError(
                at.error("not valid YAML: a control character; remove it")
            ) from error
        return root

    def _at(self, event: yaml.Event) -> Location:
        mark = event.start_mark
        return Location(self._path, mark.line + 1, mark.column + 1) if mark else self._file

    def _refuse(self, event: yaml.Event, message: str) -> None:
        raise _UnreadableError(self._at(event).error(message))

    def _node(self, event: yaml.NodeEvent) -> Node:
        if event.anchor is not None:
            self._refuse(
                event, f"`{event.anchor}`: anchors and aliases are not supported; repeat the value"
            )
        if getattr(event, "tag", None) is not None:
            self._refuse(event, "tags are not supported; write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            return ScalarNode(event.value, not event.implicit[0], self._at(event))
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
        node = (
            self._mapping(event) if isinstance(event, yaml.MappingStartEvent) else self._list(event)
        )
        self._depth -= 1
        return node

    def _list(self, start: yaml.NodeEvent) -> ListNode:
        items: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            if isinstance(event, yaml.NodeEvent):
                items.append(self._node(event))
        return ListNode(items, self._at(start))

    def _mapping(self, start: yaml.NodeEvent) -> MappingNode:
        node = MappingNode(self._at(start))
        for event in self._events:
            if not isinstance(event, yaml.NodeEvent):
                break
            key = self._node(event)
            value = self._node(self._value_event())
            if not isinstance(key, ScalarNode):
                self._errors.append(key.at.error("a key must be text; quote it if it has brackets"))
            elif key.text in node.entries:
                first = node.key_at[key.text].line
                message = f"`{key.text}` is already in line {first}; keep one of them"
                self._errors.append(key.at.error(message))
            else:
                node.entries[key.text] = value
                node.key_at[key.text] = key.at
        return node

    def _value_event(self) -> yaml.NodeEvent:
        event = next(self._events)
        if not isinstance(event, yaml.NodeEvent):  # the parser emits a value for every key
            message = "a key without a value event"
            raise TypeError(message)
        return event
