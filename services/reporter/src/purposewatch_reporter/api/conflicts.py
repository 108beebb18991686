"""Event ids that were used twice, with different content."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, computed_field
from sqlalchemy import Row, select

from purposewatch_contract import Position
from purposewatch_policy import Kind, Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import Name, PublisherName
from purposewatch_reporter.api.problems import not_found
from purposewatch_reporter.parameters import Id
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import id_conflicts

_c = id_conflicts.c


class ConflictFilters(PageRange):
    """Which conflicts; all given filters must match. Times are those of the recording."""

    publisher: PublisherName | None = None
    event_id: Name | None = None


class Conflict(BaseModel):
    """An event whose id had been used with other content. It is not in the counts."""

    id: str
    event_time: datetime
    recorded_time: datetime
    event_id: str
    event_source: str
    publisher: str
    controller: str
    outcome: Outcome
    kind: Kind | None
    summary: str
    position: Position = Field(description="The event's place in Kafka.")
    first: Position = Field(description="The place of the event that used the id first.")

    @computed_field(json_schema_extra={"deprecated": True})  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def booked_time(self) -> datetime:
        """The name of `recorded_time` until 0.2."""
        return self.recorded_time


class ConflictDetail(Conflict):
    """A conflict with the whole verdict."""

    verdict: dict[str, Any] = Field(description="The verdict as the auditor published it.")


def _fields(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    topic = values.pop("topic")
    place = Position(
        topic=topic, partition=values.pop("partition"), offset=values.pop("event_offset")
    )
    first = Position(
        topic=topic, partition=values.pop("first_partition"), offset=values.pop("first_offset")
    )
    return {**values, "position": place, "first": first}


def conflicts_routes(database: Transactions) -> APIRouter:
    """The routes of /conflicts."""
    router = APIRouter(tags=["conflicts"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/conflicts")
    async def list_conflicts(asked: Annotated[ConflictFilters, Query()]) -> Page[Conflict]:
        """Ids used twice with different content, by the time of recording, newest first."""
        query = select(*(column for column in id_conflicts.c if column is not _c.verdict))
        query = filtered(query, asked, {name: _c[name] for name in ("publisher", "event_id")})
        query = page_query(query, _c.recorded_time, _c.id, asked)
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
        cursor = next_cursor(rows, _c.recorded_time, _c.id, asked)
        return Page(items=[Conflict(**_fields(row)) for row in rows], next=cursor)

    @router.get("/conflicts/{id}", responses=problems(HTTPStatus.NOT_FOUND))
    async def get_conflict(
        name: Annotated[Id, Path(alias="id")],
    ) -> ConflictDetail:
        """One conflict with the whole verdict about the later event."""
        async with database.reading() as connection:
            found = await connection.execute(select(id_conflicts).where(_c.id == name))
            row = found.one_or_none()
        if row is None:
            raise not_found(name, "conflict")
        fields = _fields(row)
        return ConflictDetail(**{**fields, "verdict": json.loads(fields["verdict"])})

    return router
