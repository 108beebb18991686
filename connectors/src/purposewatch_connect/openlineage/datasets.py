"""The names of a dataset: its own, and those that its facet `symlinks` gives it."""

from collections.abc import Iterator

from purposewatch_connect.documents import Document, objects_of, text_of

_STORES = ("abfss://", "dbfs://", "file", "gs://", "hdfs://", "s3://", "s3a://", "wasbs://")
"""Namespaces whose datasets are named by a path, which can hold personal data."""


def names_of(dataset: Document) -> tuple[str, ...]:
    """Return the names under which the mapping may know a dataset, its own first.

    They are the names that the other connectors give: `database.schema.table`, `s3://bucket/key`,
    `kafka://topic`. A table may be named by where it lies, and files by the table that they are.
    """
    names = (_table_name(each) or _name(each) for each in _identifiers(dataset))
    return tuple(dict.fromkeys((_name(dataset), *filter(None, names))))


def keys_of(dataset: Document) -> frozenset[tuple[str, str]]:
    """Return every namespace and name by which other facets may refer to a dataset."""
    return frozenset(map(key_of, (dataset, *_identifiers(dataset))))


def key_of(dataset: Document) -> tuple[str, str]:
    """Return a namespace and a name, as they are stated."""
    return text_of(dataset, "namespace"), text_of(dataset, "name")


def label_of(dataset: Document) -> str | None:
    """Return what a gap calls a dataset that is named by a path: its table, or else its store."""
    store = text_of(dataset, "namespace")
    if not store.startswith(_STORES):
        return None
    return next(filter(None, map(_table_name, _identifiers(dataset))), store)


def _identifiers(dataset: Document) -> Iterator[Document]:
    yield from objects_of(dataset, "facets", "symlinks", "identifiers")


def _table_name(identifier: Document) -> str:
    """Return the name of a table, whose namespace may be the path of a warehouse; else nothing."""
    is_table = text_of(identifier, "type").casefold() == "table"
    return text_of(identifier, "name") if is_table else ""


def _name(identifier: Document) -> str:
    namespace, name = key_of(identifier)
    if namespace.startswith("kafka://"):
        return f"kafka://{name}"
    if namespace.startswith(_STORES):
        return f"{namespace}/{name.removeprefix('/')}"
    return name
