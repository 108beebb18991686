"""What is known of a database's tables and views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

SYSTEM_SCHEMAS = ("pg_catalog.", "information_schema.", "pg_toast.")
"""What the names of PostgreSQL's own tables begin with; they hold no data of the application's."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables and views of one database, by `schema.name`."""

    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column names; of views as well."""
    views: Mapping[str, str] = field(default_factory=dict)
    """Queries by view."""

    def qualified(self, table: str, search_path: Sequence[str]) -> str:
        """Return `schema.table` of a table without a schema.

        That is the first on the search path that exists; the last schema of the path if none does.
        """
        names = [f"{schema}.{table}" for schema in search_path]
        return next((name for name in names if name in self.tables), names[-1] if names else table)


NO_CATALOGUE = Catalogue(MappingProxyType({}), MappingProxyType({}))
