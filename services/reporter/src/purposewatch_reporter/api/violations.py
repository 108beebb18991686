"""Violations and unknown flows: what the compliance team looks at."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, computed_field
from sqlalchemy import Row, Select, select

from purposewatch_contract import Position
from purposewatch_policy import Grade, Kind, Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import (
    ControllerName,
    Name,
    PublisherName,
    TermName,
)
from purposewatch_reporter.api.problems import not_found
from purposewatch_reporter.parameters import Id
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import violation_categories, violations

_v = violations.c
_FILTERS = (
    "controller",
    "publisher",
    "role",
    "purpose",
    "recipient",
    "outcome",
    "kind",
    "event_id",
)


class ViolationFilters(PageRange):
    """Which violations; all given filters must match. Times are those of the events."""

    controller: ControllerName | None = None
    publisher: PublisherName | None = None
    role: TermName | None = None
    purpose: TermName | None = None
    recipient: TermName | None = None
    category: TermName | None = Field(
        default=None, description="A data category that was not permitted."
    )
    outcome: Outcome | None = Field(default=None, description="`violation` or `unknown`.")
    kind: Kind | None = None
    event_id: Name | None = None


class Violation(BaseModel):
    """A flow that the policy does not cover, or that could not be judged."""

    id: str
    event_time: datetime
    recorded_time: datetime
    event_id: str
    event_source: str
    publisher: str
    subject: str = Field(description="Keyed pseudonym of the data subject.")
    controller: str
    role: str
    operation: str
    purpose: str
    recipient: str
    categories: list[str] = Field(description="Data categories that were not permitted.")
    outcome: Outcome
    kind: Kind | None
    grade: Grade | None
    policy_version: str | None
    statement: str | None = Field(description="The deciding statement, or the nearest miss.")
    clause: str | None = Field(description="Where it stands in the policy's text.")
    summary: str = Field(description="The reason, in one sentence.")
    accesses: int = Field(description="How many accesses the event stands for.")
    origin: str
    position: Position = Field(description="The event's place in Kafka.")

    @computed_field(json_schema_extra={"deprecated": True})  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def booked_time(self) -> datetime:
        """The name of `recorded_time` until 0.2."""
        return self.recorded_time


class ViolationDetail(Violation):
    """A violation with the whole verdict."""

    verdict: dict[str, Any] = Field(description="The verdict as the auditor published it.")


def _fields(row: Row[Any], categories: list[str]) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    place = Position(
        topic=values.pop("topic"),
        partition=values.pop("partition"),
        offset=values.pop("event_offset"),
    )
    return {**values, "categories": categories, "position": place}


def _filtered(asked: ViolationFilters) -> Select[Any]:
    query = select(*(column for column in violations.c if column is not _v.verdict))
    query = filtered(query, asked, {name: _v[name] for name in _FILTERS})
    if asked.category is not None:
        of_category = violation_categories.c.data_category == asked.category
        query = query.where(
            _v.id.in_(select(violation_categories.c.violation_id).where(of_category))
        )
    return query


def violations_routes(database: Transactions) -> APIRouter:
    """The routes of /violations."""
    router = APIRouter(tags=["violations"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    async def categories_of(connection: Any, names: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in names}
        rows = await connection.execute(
            select(violation_categories)
            .where(violation_categories.c.violation_id.in_(names))
            .order_by(violation_categories.c.data_category)
        )
        for row in rows:
            found[row.violation_id].append(row.data_category)
        return found

    @router.get("/violations")
    async def list_violations(asked: Annotated[ViolationFilters, Query()]) -> Page[Violation]:
        """Violations and unknown flows, by the time of the event, newest first."""
        query = page_query(_filtered(asked), _v.event_time, _v.id, asked)
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
            cursor = next_cursor(rows, _v.event_time, _v.id, asked)
            categories = await categories_of(connection, [row.id for row in rows])
        items = [Violation(**_fields(row, categories[row.id])) for row in rows]
        return Page(items=items, next=cursor)

    @router.get("/violations/{id}", responses=problems(HTTPStatus.NOT_FOUND))
    async def get_violation(
        name: Annotated[Id, Path(alias="id")],
    ) -> ViolationDetail:
        """One violation with the whole verdict: the reasons for each data category."""
        async with database.reading() as connection:
            found = await connection.execute(select(violations).where(_v.id == name))
            row = found.one_or_none()
            categories = await categories_of(connection, [name])
        if row is None:
            raise not_found(name, "violation")
        fields = _fields(row, categories[name])
        return ViolationDetail(**{**fields, "verdict": json.loads(fields["verdict"])})

    return router
