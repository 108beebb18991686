"""Exact counts, grouped as asked."""

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, case, cast, func, select

from purposewatch_policy import Kind, Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.parameters import ControllerName, HourRange, PublisherName, TermName
from purposewatch_reporter.api.problems import invalid
from purposewatch_reporter.flows import counted
from purposewatch_reporter.flows.hour_sums import FlowDimension, HourSums
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import NO_KIND

MAX_GROUPS = 10_000


class Counted(StrEnum):
    """What is counted: events, or decisions about single data categories of events."""

    EVENTS = "events"
    DECISIONS = "decisions"


class CountDimension(StrEnum):
    """What counts can be grouped by."""

    HOUR = "hour"
    CONTROLLER = "controller"
    PUBLISHER = "publisher"
    ROLE = "role"
    CATEGORY = "category"
    PURPOSE = "purpose"
    RECIPIENT = "recipient"
    OUTCOME = "outcome"
    KIND = "kind"


class CountFilters(HourRange):
    """What to count; all given filters must match. Times are those of the events, by the hour.

    What is older than the days of hourly counts is kept by the day: its hour is midnight, UTC.
    """

    of: Counted = Field(default=Counted.EVENTS, description="`events` or `decisions`.")
    by: list[CountDimension] = Field(
        default=[], description="Dimensions to group by; repeat the parameter for several."
    )
    controller: ControllerName | None = None
    publisher: PublisherName | None = None
    role: TermName | None = None
    category: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    outcome: Outcome | None = None
    kind: Kind | None = None


class Counts(BaseModel):
    """Counts, one per group that has any."""

    of: Counted
    by: list[CountDimension]
    total: int
    accesses: int = Field(description="What the counted events stand for.")
    other: int = Field(
        description="How many of the total are about flows beyond the limit of distinct flows: "
        "their role, category, purpose and recipient are `(other)`."
    )
    groups: list[dict[str, Any]] = Field(
        description="The dimensions asked for, `count`, and `accesses`, which is what the counted "
        "events stand for; sorted by the dimensions."
    )


def _table(sums: HourSums, asked: CountFilters) -> Subquery:
    """What is counted, with the dimensions asked for: no sums have two of a flow's together."""
    if asked.of is Counted.EVENTS:
        return sums.events
    named = {_name(each) for each in CountDimension if _filter(asked, each) is not None}
    named |= {_name(each) for each in asked.by}
    of_flow = [each for each in FlowDimension if each in named]
    if len(of_flow) > 1:
        return counted.decisions
    return sums.decisions(of_flow[0] if of_flow else FlowDimension.ROLE)


def _filter(asked: CountFilters, dimension: CountDimension) -> str | None:
    return getattr(asked, str(dimension), None)


def _name(dimension: CountDimension) -> str:
    return "data_category" if dimension is CountDimension.CATEGORY else str(dimension)


def _column(
    table: Subquery, dimension: CountDimension, of: Counted, field: str
) -> ColumnElement[Any]:
    name = _name(dimension)
    if name not in table.c:
        other = next(one for one in Counted if one is not of)
        detail = f"counts of {of} are not kept by `{dimension}`; ask for `of={other}`"
        raise invalid(field, detail)
    return table.c[name]


def _query(table: Subquery, asked: CountFilters, by: Sequence[CountDimension]) -> Select[Any]:
    columns = [_column(table, dimension, asked.of, "by") for dimension in by]
    of_other = case((table.c.is_other, table.c["count"]), else_=0)
    sums = [
        cast(func.sum(column), BigInteger)
        for column in (of_other, table.c["count"], table.c.accesses)
    ]
    query = select(*columns, *sums)
    for dimension in CountDimension:
        value = _filter(asked, dimension)
        if value is not None:
            query = query.where(_column(table, dimension, asked.of, str(dimension)) == str(value))
    if asked.since is not None:
        query = query.where(table.c.hour >= asked.since)
    if asked.until is not None:
        query = query.where(table.c.hour < asked.until)
    return query.group_by(*columns).order_by(*columns).limit(MAX_GROUPS + 1)


def _shown(dimension: CountDimension, value: Any) -> Any:
    return None if dimension is CountDimension.KIND and value == NO_KIND else value


def counts_routes(database: Transactions) -> APIRouter:
    """The route of /counts."""
    router = APIRouter(tags=["counts"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/counts")
    async def get_counts(asked: Annotated[CountFilters, Query()]) -> Counts:
        """Exact counts. Repeats are counted once; id conflicts and dead letters are not in them."""
        by = list(dict.fromkeys(asked.by))
        async with database.snapshot() as connection:
            table = _table(await HourSums.read(connection), asked)
            rows = (await connection.execute(_query(table, asked, by))).all()
        if len(rows) > MAX_GROUPS:
            detail = f"more than {MAX_GROUPS} groups; group by less, or filter"
            too_many = invalid("by", detail)
            raise too_many
        groups = [
            {
                **{
                    str(dimension): _shown(dimension, value)
                    for dimension, value in zip(by, row, strict=False)
                },
                "count": row[-2],
                "accesses": row[-1],
            }
            for row in rows
            if row[-2] is not None  # the sum of no rows at all
        ]
        total, accesses = (sum(group[name] for group in groups) for name in ("count", "accesses"))
        other = sum(row[-3] or 0 for row in rows)
        return Counts(
            of=asked.of, by=by, total=total, accesses=accesses, other=other, groups=groups
        )

    return router
