"""Gaps: what publishers saw and could not state as events."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from purposewatch_contract import GapKind
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import ControllerName, Name, PublisherName
from purposewatch_reporter.gaps.queries import read_trends
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import gaps

_g = gaps.c
_FILTERS = {name: _g[name] for name in ("kind", "publisher", "controller", "name")}


class GapFilters(PageRange):
    """Which gaps; all given filters must match. Times are those of the latest recording."""

    kind: GapKind | None = None
    publisher: PublisherName | None = None
    controller: ControllerName | None = None
    name: Name | None = None


class GapCounts(BaseModel):
    """How often a publisher could not state accesses to one thing as events."""

    id: str
    publisher: str
    controller: str | None = Field(description="Null if the publisher does not know it.")
    kind: GapKind
    name: str = Field(description="Of the dataset, service or term; `(other)` beyond the limit.")
    count: int = Field(description="Accesses or events that it stands for, since it was first seen")
    last_7_days: int = Field(description="Of these, today's and those of the six days before.")
    previous_7_days: int = Field(description="Those of the seven days before that.")
    first_time: datetime
    last_time: datetime
    first_recorded_time: datetime
    last_recorded_time: datetime


def gaps_routes(database: Transactions, clock: Callable[[], datetime]) -> APIRouter:
    """The route of /gaps."""
    router = APIRouter(tags=["gaps"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    @router.get("/gaps")
    async def list_gaps(asked: Annotated[GapFilters, Query()]) -> Page[GapCounts]:
        """Gaps, by the time of their latest recording, newest first.

        One that is added to while pages are being read moves to the front.
        """
        query = filtered(select(gaps), asked, _FILTERS)
        query = page_query(query, _g.last_recorded_time, _g.id, asked)
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
            cursor = next_cursor(rows, _g.last_recorded_time, _g.id, asked)
            trends = await read_trends(connection, (row.id for row in rows), clock())
        items = [
            GapCounts(
                **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name for it
                last_7_days=trends[row.id].week,
                previous_7_days=trends[row.id].week_before,
            )
            for row in rows
        ]
        return Page(items=items, next=cursor)

    return router
