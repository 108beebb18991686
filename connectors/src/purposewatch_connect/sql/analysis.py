"""What each kind of statement does to which tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from purposewatch_connect.mapping import Action
from purposewatch_connect.sql.pins import Slot, slots_of
from purposewatch_connect.sql.scopes import Read, Resolver, UnparsedStatementError


@dataclass(frozen=True, slots=True)
class TableUse:
    """How a statement uses a table."""

    table: str
    action: Action
    columns: tuple[str, ...] | None
    """`None` if it is unknown which."""
    slots: Mapping[str, tuple[Slot, ...]] = field(default_factory=dict)
    """Where the values are that a column is limited to, by column."""


def uses_of(statement: exp.Expr, resolver: Resolver) -> list[TableUse]:
    """Return what a statement uses. Its tree is changed. Raises `UnparsedStatementError`."""
    uses = []
    for node in _nested_writes(statement):
        uses += _uses(node.copy(), resolver)
        _replace_by_its_rows(node, resolver)
    return [*uses, *_uses(statement, resolver)]


def _nested_writes(statement: exp.Expr) -> list[exp.Expr]:
    """The statements that write within `WITH`, inner ones first."""
    found = statement.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge)
    return [node for node in reversed(list(found)) if isinstance(node.parent, exp.CTE)]


def _replace_by_its_rows(node: exp.Expr, resolver: Resolver) -> None:
    """Put a query of nothing in a statement's place that has the columns of its `RETURNING`."""
    returning = node.args.get("returning")
    names: list[str] = []
    for each in returning.expressions if returning else ():
        if each.is_star:
            names += resolver.columns_of(resolver.table_name(_target(node))) or ()
        else:
            names.append(each.alias_or_name)
    columns = [exp.alias_(exp.null(), name) for name in names] or [exp.null()]
    node.replace(exp.select(*columns))


def _uses(statement: exp.Expr, resolver: Resolver) -> list[TableUse]:
    for kind, of_kind in _BY_KIND.items():
        if isinstance(statement, kind):
            return list(of_kind(statement, resolver))
    if isinstance(statement, _WITHOUT_ROWS):
        return []
    raise UnparsedStatementError


def _of_query(query: exp.Query, resolver: Resolver) -> Iterator[TableUse]:
    into = query.args.get("into")
    if isinstance(into, exp.Into):
        query.set("into", None)
        yield _whole(into.this, Action.WRITE, resolver)
    yield from _reads(resolver.reads(query))


def _reads(reads: Iterable[Read]) -> Iterator[TableUse]:
    """A use for each table and each set of rows; one of which no column is used is none."""
    columns: dict[tuple[str, tuple[tuple[str, tuple[Slot, ...]], ...]], list[Read]] = {}
    for read in reads:
        columns.setdefault((read.table, tuple(sorted(read.slots.items()))), []).append(read)
    for (table, slots), same in columns.items():
        if any(read.columns is None for read in same):
            yield TableUse(table, Action.READ, None, dict(slots))
            continue
        names = dict.fromkeys(name for read in same for name in read.columns or ())
        if names:
            yield TableUse(table, Action.READ, tuple(names), dict(slots))


def _target(statement: exp.Expr) -> exp.Table:
    """The table that a statement writes to."""
    target = statement.this
    if isinstance(target, exp.Schema):
        target = target.this
    if not isinstance(target, exp.Table):
        raise UnparsedStatementError
    return target


def _whole(table: exp.Expr, action: Action, resolver: Resolver) -> TableUse:
    if not isinstance(table, exp.Table):
        raise UnparsedStatementError
    name = resolver.table_name(table)
    return TableUse(name, action, resolver.columns_of(name))


def _column_names(nodes: Iterable[exp.Expr]) -> tuple[str, ...]:
    names = (node.name if _is_quoted(node) else node.name.lower() for node in nodes)
    return tuple(dict.fromkeys(names))


def _is_quoted(node: exp.Expr) -> bool:
    identifier = node.this if isinstance(node, exp.Column) else node
    return bool(identifier.args.get("quoted"))


def _assigned(
    expressions: Iterable[exp.Expr],
) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The columns that `SET` assigns to, and the values."""
    columns: list[exp.Expr] = []
    values = []
    for each in expressions:
        if isinstance(each, exp.EQ):
            left = each.this
            columns += left.expressions if isinstance(left, exp.Tuple) else [left.unnest()]
            values.append(each.expression)
    return columns, values


def _of_insert(insert: exp.Insert, resolver: Resolver) -> Iterator[TableUse]:
    target = _target(insert)
    name = resolver.table_name(target)
    columns: tuple[str, ...] | None = resolver.columns_of(name)
    if isinstance(insert.this, exp.Schema):
        columns = _column_names(insert.this.expressions)
    source = insert.expression
    slots: dict[str, tuple[Slot, ...]] = {}
    if isinstance(source, exp.Values):
        slots = _inserted_slots(source, columns or ())
        for subquery in source.find_all(exp.Subquery):
            yield from _reads(resolver.reads(subquery.this.copy()))
    elif isinstance(source, exp.Query):
        query = source.copy()
        if with_ := insert.args.get("with_"):
            query.set("with_", with_.copy())
        yield from _reads(resolver.reads(query))
    conflict = insert.args.get("conflict")
    updated, _ = _assigned(conflict.expressions if conflict else ())
    if columns is not None:
        columns = tuple(dict.fromkeys((*columns, *_column_names(updated))))
    yield TableUse(name, Action.WRITE, columns, slots)


def _inserted_slots(values: exp.Values, columns: Sequence[str]) -> dict[str, tuple[Slot, ...]]:
    rows = [row.expressions for row in values.expressions if isinstance(row, exp.Tuple)]
    found = {}
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows if number < len(row)]
        slots = slots_of(cells) if len(cells) == len(rows) else ()
        if slots:
            found[column] = slots
    return found


def _selected(
    statement: exp.Expr,
    values: Sequence[exp.Expr],
    others: Iterable[exp.Expr],
    resolver: Resolver,
) -> tuple[Read | None, list[Read]]:
    """What a statement reads to find its rows: of its target, and of other tables."""
    target = _target(statement)
    query = exp.select(*(each.copy() for each in values or [exp.Literal.number(1)]))
    query = query.from_(target.copy())
    for other in others:
        query = query.join(other.copy(), join_type="cross")
    for name in ("where", "with_"):
        if part := statement.args.get(name):
            query.set(name, part.copy())
    reads = resolver.reads(query)
    alias = target.alias_or_name.lower()
    own = next((each for each in reads if each.alias.lower() == alias), None)
    return own, [each for each in reads if each is not own]


def _of_update(update: exp.Update, resolver: Resolver) -> Iterator[TableUse]:
    columns, values = _assigned(update.expressions)
    source = update.args.get("from_")
    others = (
        [source.this, *(join.this for join in source.this.args.get("joins") or ())]
        if source
        else []
    )
    own, reads = _selected(update, values, others, resolver)
    slots = own.slots if own else {}
    name = resolver.table_name(_target(update))
    yield TableUse(name, Action.WRITE, _column_names(columns), slots)
    yield from _reads([*([own] if own else []), *reads])


def _of_delete(delete: exp.Delete, resolver: Resolver) -> Iterator[TableUse]:
    own, reads = _selected(delete, [], delete.args.get("using") or (), resolver)
    whole = _whole(_target(delete), Action.DELETE, resolver)
    yield replace(whole, slots=own.slots if own else {})
    yield from _reads(reads)


def _of_merge(merge: exp.Merge, resolver: Resolver) -> Iterator[TableUse]:
    yield _whole(_target(merge), Action.WRITE, resolver)
    source = merge.args["using"]
    yield from _reads(resolver.reads(exp.select("*").from_(source.copy())))


def _of_copy(copy: exp.Copy, resolver: Resolver) -> Iterator[TableUse]:
    if isinstance(copy.this, exp.Subquery):
        yield from _reads(resolver.reads(copy.this.this))
        return
    use = _whole(_target(copy), Action.WRITE if copy.args.get("kind") else Action.READ, resolver)
    if isinstance(copy.this, exp.Schema):
        use = replace(use, columns=_column_names(copy.this.expressions))
    yield use


def _of_create(create: exp.Create, resolver: Resolver) -> Iterator[TableUse]:
    """A table of a query's rows; a view holds none, unless it is materialised."""
    properties = create.args.get("properties")
    holds_rows = create.kind == "TABLE" or (
        properties is not None and properties.find(exp.MaterializedProperty) is not None
    )
    if holds_rows and isinstance(create.expression, exp.Query):
        yield replace(_whole(_target(create), Action.WRITE, resolver), columns=None)
        yield from _reads(resolver.reads(create.expression.copy()))


def _of_truncate(truncate: exp.TruncateTable, resolver: Resolver) -> Iterator[TableUse]:
    for table in truncate.expressions:
        yield _whole(table, Action.DELETE, resolver)


_BY_KIND: dict[type[exp.Expr], Callable[[Any, Resolver], Iterator[TableUse]]] = {
    exp.Insert: _of_insert,
    exp.Update: _of_update,
    exp.Delete: _of_delete,
    exp.Merge: _of_merge,
    exp.Copy: _of_copy,
    exp.TruncateTable: _of_truncate,
    exp.Create: _of_create,
    exp.Query: _of_query,
}
_WITHOUT_ROWS = (exp.Transaction, exp.Commit, exp.Rollback, exp.Set, exp.Use)
