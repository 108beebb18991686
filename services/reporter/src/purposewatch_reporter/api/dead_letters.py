"""Records that were dead-lettered, and why. The records themselves stay in Kafka."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, computed_field
from sqlalchemy import Row, select

from purposewatch_contract import ErrorClass, Position
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.paging import Page, PageRange, filtered, next_cursor, page_query
from purposewatch_reporter.api.parameters import Name
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import dead_letters

_d = dead_letters.c


class DeadLetterFilters(PageRange):
    """Which dead letters; all given filters must match. Times are those of the failure."""

    topic: Name | None = Field(default=None, description="Topic of the original record.")
    consumer: Name | None = Field(default=None, description="The service that dead-lettered it.")
    error_class: ErrorClass | None = None


class StoredDeadLetter(BaseModel):
    """Why a record was dead-lettered, and where it is kept."""

    id: str
    origin: Position = Field(description="Where the original record stands.")
    record_time: datetime
    failed_time: datetime
    recorded_time: datetime
    consumer: str
    error_class: ErrorClass
    reason: str
    policy_version: str | None
    kept: Position | None = Field(
        description="Where the dead letter stands; null when there is only the original."
    )

    @computed_field(json_schema_extra={"deprecated": True})  # type: ignore[prop-decorator]  # pydantic's way
    @property
    def booked_time(self) -> datetime:
        """The name of `recorded_time` until 0.2."""
        return self.recorded_time


def dead_letters_routes(database: Transactions, *, dead_letters_topic: str) -> APIRouter:
    """The routes of /dead-letters."""
    router = APIRouter(tags=["dead letters"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))

    def shown(row: Row[Any]) -> StoredDeadLetter:
        kept = None
        if row.kept_offset is not None:
            kept = Position(
                topic=dead_letters_topic, partition=row.kept_partition, offset=row.kept_offset
            )
        return StoredDeadLetter(
            id=row.id,
            origin=Position(
                topic=row.origin_topic, partition=row.origin_partition, offset=row.origin_offset
            ),
            record_time=row.record_time,
            failed_time=row.failed_time,
            recorded_time=row.recorded_time,
            consumer=row.consumer,
            error_class=row.error_class,
            reason=row.reason,
            policy_version=row.policy_version,
            kept=kept,
        )

    @router.get("/dead-letters")
    async def list_dead_letters(
        asked: Annotated[DeadLetterFilters, Query()],
    ) -> Page[StoredDeadLetter]:
        """Dead-lettered records, by the time of the failure, newest first."""
        query = select(dead_letters)
        columns = {
            "topic": _d.origin_topic,
            "consumer": _d.consumer,
            "error_class": _d.error_class,
        }
        query = filtered(query, asked, columns)
        query = page_query(query, _d.failed_time, _d.id, asked)
        async with database.reading() as connection:
            rows = list(await connection.execute(query))
        cursor = next_cursor(rows, _d.failed_time, _d.id, asked)
        return Page(items=[shown(row) for row in rows], next=cursor)

    return router
