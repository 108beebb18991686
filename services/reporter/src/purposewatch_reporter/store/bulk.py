"""Write rows: many with one statement, or with `ON CONFLICT`, which SQLAlchemy leaves to dialects.

PostgreSQL takes one array per column, so that a batch costs it one statement and one answer
instead of one of each per row. SQLite runs in this process and takes the rows as they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    Dialect,
    Table,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Bind: TypeAlias = Callable[[Any], Any] | None
Insert: TypeAlias = postgresql.Insert | sqlite.Insert


def insert_into(connection: AsyncConnection, table: Table) -> Insert:
    """The insert of the dialect, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def is_among(dialect: str, column: Column[Any], name: str) -> ColumnElement[bool]:
    """Whether a column has one of the values of a parameter, a list.

    PostgreSQL joins with them: for a list of parameters, and a table that it has no statistics of
    yet, it would read all rows and compare each with every value.
    """
    if dialect == "sqlite":
        return column.in_(bindparam(name, expanding=True))
    return column.in_(select(func.unnest(bindparam(name, type_=postgresql.ARRAY(column.type)))))


async def insert_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows that all have the same columns, none of which may be there yet."""
    if not rows:
        return
    columns = tuple(rows[0])
    values = list(zip(*map(itemgetter(*columns), rows), strict=True))
    if connection.dialect.name == "sqlite":
        await write(connection, table, columns, values)
    else:
        await _copy(connection, table, columns, values)


async def upsert_rows(
    connection: AsyncConnection,
    table: Table,
    key: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
    *,
    changed: str,
) -> None:
    """Insert rows, no two with the same key; one that is there is replaced if `changed` differs."""
    if not rows:
        return
    columns = tuple(rows[0])
    name = _quoted(table.name)
    new = ", ".join(f"{_quoted(each)} = excluded.{_quoted(each)}" for each in columns)
    await write(
        connection,
        table,
        columns,
        list(zip(*map(itemgetter(*columns), rows), strict=True)),
        f"ON CONFLICT ({', '.join(map(_quoted, key))}) DO UPDATE SET {new} "
        f"WHERE {name}.{_quoted(changed)} <> excluded.{_quoted(changed)}",
    )


async def _copy(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    values: Sequence[Sequence[Any]],
) -> None:
    """Half the work of an insert for PostgreSQL, and a quarter for the driver."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it is, while the connection is open
    if not driver.is_in_transaction():
        # INVARIANT: SQLAlchemy begins with the first statement of its own, and a COPY is none;
        # without a transaction it would be committed by itself.
        await connection.exec_driver_sql("SELECT 1")
    _, binds = _statement(connection.dialect, table, columns, "")
    await driver.copy_records_to_table(
        table.name, records=zip(*_bound(binds, values), strict=True), columns=columns
    )


async def write(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    values: Sequence[Sequence[Any]],
    then: str = "",
) -> CursorResult[Any]:
    """Insert rows, given column by column; `then` is what the statement ends with.

    Rows are inserted in the order given.
    """
    dialect = connection.dialect
    statement, binds = _statement(dialect, table, columns, then)
    bound = _bound(binds, values)
    if dialect.name == "sqlite":
        return await connection.exec_driver_sql(statement, list(zip(*bound, strict=True)))
    return await connection.exec_driver_sql(statement, tuple(bound))


async def add(
    connection: AsyncConnection,
    table: Table,
    columns: tuple[str, ...],
    **increments: Mapping[Any, int],
) -> None:
    """Add to the counters with these keys: to each column named, what its mapping says.

    All mappings have the same keys.

    INVARIANT: in sorted order, so that two reporters can't wait for each other.
    """
    keys = sorted(next(iter(increments.values())))
    if not keys:
        return
    quoted = ", ".join(map(_quoted, columns))
    sums = ", ".join(
        f"{name} = {_quoted(table.name)}.{name} + excluded.{name}"
        for name in map(_quoted, increments)
    )
    await write(
        connection,
        table,
        (*columns, *increments),
        [*zip(*keys, strict=True), *([each[key] for key in keys] for each in increments.values())],
        f"ON CONFLICT ({quoted}) DO UPDATE SET {sums}",
    )


def _bound(binds: Iterable[Bind], values: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [
        list(column) if bind is None else list(map(bind, column))
        for bind, column in zip(binds, values, strict=True)
    ]


@lru_cache(maxsize=64)
def _statement(
    dialect: Dialect, table: Table, columns: tuple[str, ...], then: str
) -> tuple[str, Iterable[Bind]]:
    types = [table.c[name].type for name in columns]
    binds: list[Bind] = [one.dialect_impl(dialect).bind_processor(dialect) for one in types]
    if dialect.name == "sqlite":
        source = f"VALUES ({', '.join('?' * len(columns))})"
    else:
        arrays = (
            f"CAST(${number} AS {one.compile(dialect)}[])" for number, one in enumerate(types, 1)
        )
        source = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - names of ours
    names = ", ".join(map(_quoted, columns))
    into = f"INSERT INTO {_quoted(table.name)} ({names})"
    return f"{into} {source} {then}".rstrip(), binds


def _quoted(name: str) -> str:
    return f'"{name}"'
