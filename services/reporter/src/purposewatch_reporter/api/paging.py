"""Filters and keyset paging: newest first, stable while rows are being added.

A cursor names the last row of a page by its time and id. The next page begins after
it, whatever was added meanwhile, so that no row is shown twice and no existing row is skipped.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Column, Row, Select, literal, tuple_

from purposewatch_reporter.api.parameters import TimeRange
from purposewatch_reporter.parameters import Key, key_parts, read_cursor, read_key, write_cursor
from purposewatch_reporter.store.tables import UtcTime

T = TypeVar("T", bound=BaseModel)

MAX_LIMIT = 500


def _read_cursor(cursor: str) -> Key:
    try:
        return read_key(read_cursor(cursor))
    except ValueError:
        message = "not a cursor; take it from `next` of the page before"
        raise ValueError(message) from None


def _check_cursor(cursor: str) -> str:
    _read_cursor(cursor)
    return cursor


class PageRange(TimeRange):
    """Parameters of a resource that is read page by page."""

    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Rows on a page.")
    cursor: Annotated[str, AfterValidator(_check_cursor)] | None = Field(
        default=None, max_length=200, description="`next` of the page before."
    )


class Page(BaseModel, Generic[T]):
    """One page, newest first."""

    items: list[T]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one.")


def filtered(
    query: Select[Any], asked: BaseModel, columns: Mapping[str, Column[Any]]
) -> Select[Any]:
    """Keep the rows whose columns equal those of the named parameters that are given."""
    for name, column in columns.items():
        value = getattr(asked, name)
        if value is not None:
            query = query.where(column == str(value))
    return query


def page_query(
    query: Select[Any], time: Column[Any], name: Column[Any], asked: PageRange
) -> Select[Any]:
    """Limit a query to the requested page, plus one row."""
    if asked.since is not None:
        query = query.where(time >= asked.since)
    if asked.until is not None:
        query = query.where(time < asked.until)
    if asked.cursor is not None:
        after = _read_cursor(asked.cursor)
        query = query.where(
            tuple_(time, name) < tuple_(literal(after.time, UtcTime), literal(after.id))
        )
    return query.order_by(time.desc(), name.desc()).limit(asked.limit + 1)


def next_cursor(
    rows: list[Row[Any]], time: Column[Any], name: Column[Any], asked: PageRange
) -> str | None:
    """Drop the extra row, if there is one; the cursor of the next page."""
    if len(rows) <= asked.limit:
        return None
    del rows[asked.limit :]
    last = rows[-1]._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return write_cursor(key_parts(Key(last[time], last[name])))
