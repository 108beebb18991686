"""Which columns of which tables a query reads, and which of them it limits to values.

Works on sqlglot's trees. What it can't resolve is unknown (`None`), never left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from purposewatch_connect.sql.catalogue import Catalogue
from purposewatch_connect.sql.pins import Slot, pins_of

_MAX_VIEWS = 64
"""Views within views that are replaced by their queries."""

_MAX_WIDTH = 5_000
"""Columns of a query, with every `*` resolved. Each level of subqueries can multiply them."""


class UnparsedStatementError(Exception):
    """The statement is not understood, or too large. The message quotes none of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """A table that a query reads."""

    table: str
    alias: str
    columns: tuple[str, ...] | None
    slots: Mapping[str, tuple[Slot, ...]]
    """The values that a column is limited to, by column."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves names as the database does."""

    catalogue: Catalogue
    search_path: tuple[str, ...]
    dialect: str

    def table_name(self, table: exp.Table) -> str:
        """Return `schema.table`, in lower case unless it is quoted."""
        name = _folded(table.this)
        if not table.args.get("db") and name.startswith("pg_"):
            return f"pg_catalog.{name}"
        if table.args.get("db"):
            return f"{_folded(table.args['db'])}.{name}"
        return self.catalogue.qualified(name, self.search_path)

    def columns_of(self, table: str) -> tuple[str, ...] | None:
        """Return all columns of a table, if they are known."""
        return self.catalogue.tables.get(table)

    def reads(self, query: exp.Expr) -> list[Read]:
        """Return what a query reads. Its tree is changed."""
        query = normalize_identifiers(query, dialect=self.dialect)
        names = self._replace_views(query)
        self._refuse_too_wide(query)
        known = {name: columns for name in names if (columns := self.columns_of(name)) is not None}
        try:
            query = qualify(
                query,
                dialect=self.dialect,
                schema=_schema(known),
                validate_qualify_columns=False,
                quote_identifiers=False,
            )
            self._assume_columns(query)
            query = pushdown_projections(query)
        except SqlglotError:
            return [Read(name, name.rpartition(".")[2], None, {}) for name in sorted(names)]
        return list(self._of_scopes(traverse_scope(query)))

    def _refuse_too_wide(self, query: exp.Expr) -> None:
        """Raise `UnparsedStatementError` for a query that resolving every `*` would blow up."""
        widths: dict[int, int] = {}
        for scope in traverse_scope(query):
            sources = (
                widths.get(id(source), 1)
                if isinstance(source, Scope)
                else len(self.columns_of(self.table_name(source)) or ())
                for source in scope.sources.values()
                if isinstance(source, Scope) or _is_table(source)
            )
            query = scope.expression
            selected = query.selects if isinstance(query, exp.Query) else []
            stars = sum(each.is_star for each in selected)
            width = len(selected) + stars * sum(sources)
            if width > _MAX_WIDTH:
                raise UnparsedStatementError
            widths[id(scope)] = width

    def _assume_columns(self, query: exp.Expr) -> None:
        """Take columns for those of the only table there is, if nothing is known of that one."""
        for scope in traverse_scope(query):
            if len(scope.sources) != 1 or scope.is_subquery:
                continue
            ((alias, source),) = scope.sources.items()
            if not _is_table(source) or self.columns_of(self.table_name(source)) is not None:
                continue
            for column in scope.columns:
                if not column.table and column.name != alias:
                    column.set("table", exp.to_identifier(alias))

    def _replace_views(self, query: exp.Expr) -> set[str]:
        """Put views' queries in their place and name every table in full; return the names."""
        for _ in range(_MAX_VIEWS):
            names = set()
            views = []
            for scope in traverse_scope(query):
                for source in scope.sources.values():
                    if _is_table(source):
                        name = self.table_name(source)
                        schema, _, table = name.rpartition(".")
                        source.set("this", exp.to_identifier(table))
                        source.set("db", exp.to_identifier(schema) if schema else None)
                        source.set("catalog", None)
                        names.add(name)
                        if name in self.catalogue.views:
                            views.append((source, name))
            if not views:
                return names
            for source, name in views:
                self._replace_view(source, name)
        return names

    def _replace_view(self, source: exp.Table, name: str) -> None:
        body = parse_one(self.catalogue.views[name], dialect=self.dialect)
        body = normalize_identifiers(body, dialect=self.dialect)
        columns = self.columns_of(name) or ()
        selected = body.selects if isinstance(body, exp.Query) else []
        if isinstance(body, exp.Select) and len(columns) == len(selected):
            named = [
                exp.alias_(each.unalias(), column)
                for each, column in zip(selected, columns, strict=True)
            ]
            body.set("expressions", named)
        alias = source.args.get("alias")
        subquery = exp.Subquery(
            this=body, alias=alias or exp.TableAlias(this=exp.to_identifier(source.name))
        )
        for key in ("joins", "laterals", "pivots"):
            subquery.set(key, source.args.get(key))
        source.replace(subquery)

    def _of_scopes(self, scopes: Sequence[Scope]) -> Iterator[Read]:
        pinned = pins_of(scopes)
        for scope in scopes:
            for alias, source in scope.sources.items():
                if _is_table(source):
                    pins = pinned.get(id(scope), {})
                    slots = {
                        column: found for (named, column), found in pins.items() if named == alias
                    }
                    yield Read(
                        ".".join(filter(None, (source.text("db"), source.name))),
                        alias,
                        self._columns(scope, alias),
                        slots,
                    )

    def _columns(self, scope: Scope, alias: str) -> tuple[str, ...] | None:
        """The columns of a source that a scope uses; `None` if that can't be told."""
        if _uses_whole_rows(scope.expression, alias):
            return None
        found: dict[str, None] = {}
        for column in scope.columns:
            if not column.table:  # of which source is unknown
                return None
            if column.table == alias:
                found[column.name] = None
        return tuple(found)


def _is_table(source: exp.Expr | Scope) -> TypeGuard[exp.Table]:
    """Whether a source is a table, and neither a query nor a function."""
    return isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)


def _uses_whole_rows(expression: exp.Expr, alias: str) -> bool:
    """Whether all columns of a source are used at once: `*`, `t.*`, or `t` as a value."""
    for star in expression.find_all(exp.Star):
        table = star.parent.table if isinstance(star.parent, exp.Column) else ""
        if table in ("", alias) and not isinstance(star.parent, exp.Count):
            return True
    return any(row.name == alias for row in expression.find_all(exp.TableColumn))


def _folded(identifier: exp.Expr) -> str:
    name = identifier.name
    return name if identifier.args.get("quoted") else name.lower()


def _schema(tables: Mapping[str, Sequence[str]]) -> dict[str, object]:
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in tables.items():
        db, _, table = name.rpartition(".")
        schema.setdefault(db, {})[table] = dict.fromkeys(columns, "text")
    return dict(schema)
