"""What a compiled statement does with tagged columns, and which parameters name its subjects.

Written for SQLAlchemy 2.0 and 2.1. Besides its public interface, this module uses the compiler's
`compile_state`, `column_keys`, `bind_names` and prefetched columns, and a statement's `_values`,
`_multi_values`, `_select_names`, `_post_values_clause` and `_returning`; the tests of this package
fail when they change.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, CompoundSelect, Exists, ScalarSelect, Select, Table
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    Grouping,
)

from purposewatch_client.tags import FieldTag

Tags = Mapping[Table, Mapping[str, FieldTag]]


@dataclass(frozen=True, slots=True)
class Access:
    """One access of a statement: the categories of subjects of one role."""

    operation: str
    role: str | None
    """`None` where no tag names it."""
    categories: tuple[str, ...]
    table: str
    """The first of the tables that they are in."""
    binds: tuple[str, ...] = ()
    """Parameters that hold the subjects' identifiers."""
    key_column: int | None = None
    """Which column of the primary key that the database generates identifies the subject."""

    def subjects(self, context: Any) -> Iterator[str]:
        """Yield the identifiers of the subjects of one execution; none if it does not name them."""
        for parameters in context.compiled_parameters:
            for bind in self.binds:
                yield from _values(parameters, bind)
        if self.key_column is not None:
            for row in context.inserted_primary_key_rows or ():
                if row is not None and row[self.key_column] is not None:
                    yield str(row[self.key_column])


def accesses(compiled: Any, tags: Tags) -> tuple[Access, ...]:
    """Return what a compiled statement does with tagged columns."""
    statement = compiled.statement
    if isinstance(statement, (Insert, Update)):
        written = [(statement.table, key) for key in _written(statement, compiled)]
        returned = _columns(statement.exported_columns) if statement._returning else ()  # noqa: SLF001
        found = [
            *_group("store", written, tags),
            *_group("use", [(column.table, column.key) for column in returned], tags),
        ]
        if isinstance(statement, Insert):
            return tuple(_inserted(each, statement, compiled, tags) for each in found)
        return tuple(_located(found, _named_subjects(statement.whereclause, compiled, tags)))
    if isinstance(statement, Delete):
        every = [(statement.table, column.key) for column in statement.table.columns]
        subjects = _named_subjects(statement.whereclause, compiled, tags)
        return tuple(_located(_group("erase", every, tags), subjects))
    state = compiled.compile_state
    selected = getattr(state, "statement", None) if state is not None else statement
    if not isinstance(selected, (Select, CompoundSelect)):
        selected = statement
    if not isinstance(selected, (Select, CompoundSelect)):
        return ()
    columns = [(column.table, column.key) for column in _selected(selected)]
    subjects = _named_subjects(_where(selected), compiled, tags)
    return tuple(_located(_group("use", columns, tags), subjects))


def _group(operation: str, columns: Iterable[tuple[Any, str]], tags: Tags) -> list[Access]:
    """Return one access for each role that the columns' tables are about."""
    grouped: dict[str | None, Access] = {}
    for table, key in columns:
        found = tags.get(table, {}).get(key)
        if found is not None and found.categories:
            role = _role(tags[table])
            known = grouped.get(role) or Access(operation, role, (), table.fullname)
            categories = dict.fromkeys((*known.categories, *found.categories))
            grouped[role] = replace(known, categories=tuple(categories))
    return list(grouped.values())


def _role(columns: Mapping[str, FieldTag]) -> str | None:
    return next((each.subject.role for each in columns.values() if each.subject), None)


def _located(found: Sequence[Access], subjects: Mapping[str | None, list[str]]) -> list[Access]:
    return [replace(each, binds=tuple(subjects.get(each.role, ()))) for each in found]


def _inserted(access: Access, statement: Insert, compiled: Any, tags: Tags) -> Access:
    """Take the subject from the values, or from the primary key that the database generated."""
    table: Any = statement.table
    key = next(iter(_subject_columns(table, tags)), None)
    if key is None:
        return access
    binds = [key] if key in compiled.binds else []
    binds += [name for name in compiled.binds if re.fullmatch(rf"{re.escape(key)}_m\d+", str(name))]
    keys = [column.key for column in table.primary_key]
    generated = keys.index(key) if not binds and key in keys else None
    return replace(access, binds=tuple(binds), key_column=generated)


def _written(statement: Any, compiled: Any) -> list[str]:
    """Return the keys of the columns that INSERT or UPDATE sets, in the order of the table."""
    set_columns = [
        *(statement._values or ()),  # noqa: SLF001 - see the module
        *(column for row in _rows(statement) for column in row),
        *(getattr(statement, "_select_names", None) or ()),
        *(compiled.column_keys or ()),
        *_on_conflict(statement),
        *compiled.insert_prefetch,
        *compiled.update_prefetch,
    ]
    keys = {getattr(each, "key", each) for each in set_columns}
    return [column.key for column in statement.table.columns if column.key in keys]


def _on_conflict(statement: Any) -> Iterator[Any]:
    """Yield the columns that an INSERT sets in a row that is there already."""
    clause = getattr(statement, "_post_values_clause", None)
    if clause is not None:
        # of PostgreSQL and SQLite; of MySQL
        yield from dict(getattr(clause, "update_values_to_set", None) or ())
        yield from getattr(clause, "update", None) or ()


def _rows(statement: Any) -> Iterator[Mapping[Any, Any]]:
    for several in statement._multi_values or ():  # noqa: SLF001 - see the module
        yield from several


def _selected(statement: Any) -> Iterator[Any]:
    for each in statement.selects if isinstance(statement, CompoundSelect) else (statement,):
        if isinstance(each, CompoundSelect):
            yield from _selected(each)
        else:
            yield from _columns(each.selected_columns)


def _columns(expressions: Iterable[Any]) -> Iterator[Column[Any]]:
    """Yield the columns of tables that expressions read, through aliases and subqueries."""
    for expression in expressions:
        if isinstance(expression, ColumnClause):
            for base in expression.base_columns:
                if base is not expression:
                    yield from _columns([base])
                elif isinstance(base, Column) and isinstance(base.table, Table):
                    yield base
        elif isinstance(expression, Exists):
            continue  # tells that there is a row, and nothing of it
        elif isinstance(expression, ScalarSelect):
            yield from _selected(expression.element)
        elif isinstance(expression, (Select, CompoundSelect)):
            yield from _selected(expression)
        else:
            yield from _columns(expression.get_children())


def _where(statement: Any) -> Any:
    return statement.whereclause if isinstance(statement, Select) else None


def _named_subjects(where: Any, compiled: Any, tags: Tags) -> dict[str | None, list[str]]:
    """Return the parameters that WHERE requires subjects' columns to equal, by role."""
    found: dict[str | None, list[str]] = {}
    for condition in _conditions(where):
        if not isinstance(condition, BinaryExpression):
            continue
        if condition.operator not in {operators.eq, operators.in_op}:
            continue
        for one, other in (
            (condition.left, condition.right),
            (condition.right, condition.left),
        ):
            bind = other.element if isinstance(other, Grouping) else other
            if not isinstance(bind, BindParameter) or bind not in compiled.bind_names:
                continue
            for column in _columns([one]):
                if column.key in _subject_columns(column.table, tags):
                    role = _role(tags[column.table])
                    found.setdefault(role, []).append(compiled.bind_names[bind])
    return found


def _conditions(where: Any) -> Iterator[Any]:
    """Yield the conditions that must all be true."""
    if isinstance(where, BooleanClauseList) and where.operator is operators.and_:
        for each in where.clauses:
            yield from _conditions(each)
    elif isinstance(where, Grouping):
        yield from _conditions(where.element)
    elif where is not None:
        yield where


def _subject_columns(table: Any, tags: Tags) -> list[str]:
    return [key for key, found in tags.get(table, {}).items() if found.subject is not None]


def _values(parameters: Mapping[str, Any], bind: str) -> Iterator[str]:
    """Yield the values of a parameter; one that IN expanded has a number behind its name."""
    if bind in parameters:
        if parameters[bind] is not None:
            yield str(parameters[bind])
        return
    expanded = re.compile(rf"{re.escape(bind)}_\d+")
    for name, value in parameters.items():
        if expanded.fullmatch(name) and value is not None:
            yield str(value)
