"""Reads JSON documents of others, in which any value may have any type or be missing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Document = Mapping[str, Any]


def text_of(document: Document, *path: str) -> str:
    """Return the text at a path of keys; empty if there is none."""
    value = _at(document, path)
    return value if isinstance(value, str) else ""


def object_of(document: Document, *path: str) -> Document:
    """Return the object at a path of keys; empty if there is none."""
    value = _at(document, path)
    return value if isinstance(value, Mapping) else {}


def objects_of(document: Document, *path: str) -> tuple[Document, ...]:
    """Return the objects of the list at a path of keys."""
    value = _at(document, path)
    if not isinstance(value, list):
        return ()
    return tuple(each for each in value if isinstance(each, Mapping))


def time_of(text: str) -> datetime | None:
    """Return a time in ISO 8601 in UTC; `None` for another form, or without an offset."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _at(document: Document, path: Sequence[str]) -> object:
    value: object = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
