"""Which columns of a dataset a run used, and how it made those that it wrote."""

from collections.abc import Iterator, Sequence

from purposewatch_connect.documents import Document, object_of, objects_of, text_of
from purposewatch_connect.mapping import Derivation
from purposewatch_connect.openlineage.datasets import key_of, keys_of

Columns = tuple[str, ...] | None


def read_columns(dataset: Document, outputs: Sequence[Document]) -> Columns:
    """Return the columns of an input that were used; `None` if that is unknown.

    They are those from which any output was made, conditions included; without column lineage,
    those of the schema.
    """
    keys = keys_of(dataset)
    sources = [source for output in outputs for source in _sources(output)]
    columns = dict.fromkeys(text_of(each, "field") for each in sources if key_of(each) in keys)
    return tuple(filter(None, columns)) or _schema(dataset)


def written_columns(dataset: Document) -> tuple[Columns, dict[str, Derivation]]:
    """Return the columns of an output, and how those were made that may hold less than before."""
    fields = _lineage(dataset)
    columns = dict.fromkeys((*(_schema(dataset) or ()), *fields))
    derived = ((name, derivation_of(fields[name])) for name in fields)
    return tuple(columns) or None, {name: how for name, how in derived if how is not None}


def derivation_of(lineage: Document) -> Derivation | None:
    """Return how a column was made; `None` if a source's value may be in it unchanged.

    A source counts by the transformations that are `DIRECT`: the others, such as a condition,
    put no value of it into the column.
    """
    sources = objects_of(lineage, "inputFields")
    direct = [
        each
        for source in sources
        for each in objects_of(source, "transformations")
        if text_of(each, "type") == "DIRECT"
    ]
    if any(not objects_of(source, "transformations") for source in sources):
        direct = []  # it is unknown what was done with one of them
    if direct and all(each.get("masking") is True for each in direct):
        return Derivation.MASKED
    if direct and all(
        each.get("masking") is True or text_of(each, "subtype") == "AGGREGATION" for each in direct
    ):
        return Derivation.AGGREGATED
    # Before version 1.1 of the facet, the column says it as a whole.
    return Derivation.MASKED if text_of(lineage, "transformationType") == "MASKED" else None


def _sources(output: Document) -> Iterator[Document]:
    for lineage in _lineage(output).values():
        yield from objects_of(lineage, "inputFields")
    yield from objects_of(output, "facets", "columnLineage", "dataset")


def _lineage(dataset: Document) -> dict[str, Document]:
    """Return the column lineage of an output, by column."""
    fields = object_of(dataset, "facets", "columnLineage", "fields")
    return {name: object_of(fields, name) for name in fields}


def _schema(dataset: Document) -> Columns:
    fields = objects_of(dataset, "facets", "schema", "fields")
    return tuple(filter(None, (text_of(each, "name") for each in fields))) or None
