"""Which objects and columns a row of `ACCESS_HISTORY` says were used, and how."""

from collections.abc import Iterator
from typing import NamedTuple

from purposewatch_connect.documents import Document, object_of, objects_of, text_of
from purposewatch_connect.exports.snowflake.rows import (
    DEFINED,
    MODIFIED,
    READ,
    READ_DIRECTLY,
    Row,
)
from purposewatch_connect.mapping import Action

_CODE = frozenset({"function", "procedure"})
"""Domains of objects that hold no data. The case of domains varies."""
_ERASING = frozenset({"DELETE", "TRUNCATE_TABLE", "TRUNCATE"})
"""Types of queries that erase what they modify."""
_DROPPING = frozenset({"DROP", "TRUNCATE"})
_EMPTY = frozenset({"external table"})
_HOLDERS = ("database", "schema", "stage", "materialized view")
"""Domains, besides every kind of table, whose objects are gone with their data when dropped."""

Columns = tuple[str, ...] | None
"""The columns that were used; `None` if the object has none of its own, or if it concerns all."""


class Use(NamedTuple):
    """What was done with which object."""

    action: Action
    name: str
    """`DATABASE.SCHEMA.TABLE`, or the address of files outside."""

    @property
    def is_file(self) -> bool:
        """Whether the name is an address of files, which can hold personal data."""
        return "://" in self.name

    @property
    def label(self) -> str | None:
        """What a gap calls the object, if its name can hold personal data."""
        scheme, separator, path = self.name.partition("://")
        return f"{scheme}://{path.partition('/')[0]}" if separator else None


def uses_of(row: Row) -> dict[Use, Columns]:
    """Return the columns that were used, by what was done with which object.

    The base objects are the tables behind views; a row that lacks them names what the query did.
    An object that is listed twice is one use of the columns of both.
    """
    found: dict[Use, Columns] = {}
    for use, columns in _listed(row):
        before = found.get(use, ())
        merged = None if before is None or columns is None else dict.fromkeys((*before, *columns))
        found[use] = None if merged is None else tuple(merged)
    return found


def _listed(row: Row) -> Iterator[tuple[Use, Columns]]:
    for each in _with_data(row, READ) or _with_data(row, READ_DIRECTLY):
        for name in _names(each):
            yield Use(Action.READ, name), _columns(each)
    is_erased = text_of(row, "QUERY_TYPE").upper() in _ERASING
    for each in _with_data(row, MODIFIED):
        for name in _names(each):
            if is_erased:
                yield Use(Action.DELETE, name), None
            else:
                yield Use(Action.WRITE, name), _columns(each) or None
    yield from _dropped(object_of(row, DEFINED))


def _with_data(row: Row, column: str) -> list[Document]:
    return [
        each
        for each in objects_of(row, column)
        if text_of(each, "objectDomain").casefold() not in _CODE
    ]


def _names(accessed: Document) -> Iterator[str]:
    """Yield the object's name, or the addresses of files that no stage stands for."""
    name = text_of(accessed, "objectName").replace('"', "")
    locations = accessed.get("locations")
    stated = [name, accessed.get("location"), *(locations if isinstance(locations, list) else [])]
    yield from (each for each in stated if isinstance(each, str) and each)


def _columns(accessed: Document) -> Columns:
    if not isinstance(accessed.get("columns"), list):
        return None
    names = (text_of(each, "columnName") for each in objects_of(accessed, "columns"))
    return tuple(filter(None, names))


def _dropped(defined: Document) -> Iterator[tuple[Use, Columns]]:
    """Yield what a statement such as `DROP` erased: an object, or columns of a table."""
    domain = text_of(defined, "objectDomain").casefold()
    if domain in _EMPTY or not ("table" in domain or domain in _HOLDERS):
        return
    for name in _names(defined):
        columns = object_of(defined, "properties", "columns")
        dropped = [each for each in columns if _operation(columns, each) in _DROPPING]
        if text_of(defined, "operationType").upper() in _DROPPING:
            yield Use(Action.DELETE, name), None
        elif dropped:
            yield Use(Action.DELETE, name), tuple(dropped)


def _operation(columns: Document, name: str) -> str:
    return text_of(columns, name, "subOperationType").upper()
