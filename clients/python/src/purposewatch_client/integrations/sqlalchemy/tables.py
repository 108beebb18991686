"""Which columns of which tables are tagged."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.orm import registry

from purposewatch_client.tags import FieldTag, column_marks, field_tags, merged_tags, tag_of_marks


class TaggedTables:
    """The tags of a declarative base, a registry or a `MetaData`, also of tables added later."""

    def __init__(self, source: Any) -> None:
        """Take what the tables are declared in. Raises `TypeError` for anything else."""
        declared = getattr(source, "registry", source)
        if isinstance(declared, registry):
            self._registry: registry | None = declared
            self._metadata = declared.metadata
        elif isinstance(declared, MetaData):
            self._registry, self._metadata = None, declared
        else:
            message = "name a declarative base, a registry or a `MetaData` with the tagged tables"
            raise TypeError(message)
        self._tags: dict[Table, dict[str, FieldTag]] = {}
        self._seen = (-1, -1)

    @property
    def tags(self) -> Mapping[Table, Mapping[str, FieldTag]]:
        """The tagged columns of each tagged table, by the column's key."""
        mappers = len(list(self._registry.mappers)) if self._registry else 0
        seen = (len(self._metadata.tables), mappers)
        if seen != self._seen:
            self._tags = self._read()
            self._seen = seen
        return self._tags

    def _read(self) -> dict[Table, dict[str, FieldTag]]:
        tags: dict[Table, dict[str, FieldTag]] = {}
        for column, found in self._declared():
            if not (found.categories or found.subject):
                continue
            if isinstance(column, Column) and isinstance(column.table, Table):
                known = tags.setdefault(column.table, {})
                known[column.key] = merged_tags(known.get(column.key, FieldTag()), found)
        return tags

    def _declared(self) -> Iterator[tuple[object, FieldTag]]:
        for table in self._metadata.tables.values():
            for column in table.columns:
                yield column, tag_of_marks(column_marks(column.info))
        for mapper in self._registry.mappers if self._registry else ():
            tags = field_tags(mapper.class_)
            for attribute in mapper.column_attrs:
                for each in attribute.columns:
                    yield each, tags.get(attribute.key, FieldTag())
