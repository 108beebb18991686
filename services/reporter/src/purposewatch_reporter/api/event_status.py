"""What became of one event, by its source and id. Ingest asks this for publishers."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import EventDeadLetter, EventStatus, Position, Status
from purposewatch_policy import Outcome
from purposewatch_reporter.api.description import problems
from purposewatch_reporter.api.parameters import Name
from purposewatch_reporter.api.problems import ProblemError
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.event_ids import id_hash
from purposewatch_reporter.store.tables import dead_letters, event_ids, id_conflicts, violations

EVENT_STATUS_PATH = "/api/v1/event-status"
MAX_DEAD_LETTERS = 10

_v, _d, _c = violations.c, dead_letters.c, id_conflicts.c


class EventName(BaseModel):
    """Which event."""

    model_config = ConfigDict(extra="forbid")

    source: Name = Field(description="The event's `source`.", examples=["/crm/newsletter"])
    event_id: Name = Field(description="The event's `id`.")


def event_status_routes(database: Transactions, *, events_topic: str) -> APIRouter:
    """The route of /event-status."""
    router = APIRouter(
        tags=["events"],
        responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    )

    @router.get("/event-status")
    async def get_event_status(asked: Annotated[EventName, Query()]) -> EventStatus:
        """What became of the event with this source and id.

        404 if nothing is recorded: it was never accepted, its verdict is not recorded yet, or it
        was permitted longer ago than ids are remembered.
        """
        name = id_hash(asked.source, asked.event_id)
        async with database.reading() as connection:
            recorded = await _recorded(connection, asked, name, events_topic)
            letters = await _dead_letters(connection, name)
            conflicts = await connection.scalar(
                select(func.count())
                .select_from(id_conflicts)
                .where(_c.event_id == asked.event_id, _c.event_source == asked.source)
            )
        if recorded is None and not letters:
            message = "nothing is recorded about an event with this source and id"
            raise ProblemError(HTTPStatus.NOT_FOUND, "not-found", message)
        found: dict[str, Any] = recorded or dict.fromkeys(
            ("outcome", "kind", "summary", "position", "recorded_time")
        )
        return EventStatus(
            status=Status.DEAD_LETTERED if recorded is None else Status.RECORDED,
            conflicts=conflicts or 0,
            dead_letters=letters,
            **found,
        )

    return router


async def _recorded(
    connection: AsyncConnection, asked: EventName, name: bytes, events_topic: str
) -> dict[str, Any] | None:
    """What the verdict was: what is not permitted is stored whole, and of the rest the ids."""
    query = (
        select(violations)
        .where(_v.event_id == asked.event_id, _v.event_source == asked.source)
        .order_by(_v.recorded_time.desc())
        .limit(1)
    )
    violation = (await connection.execute(query)).one_or_none()
    if violation is not None:
        return {
            "outcome": violation.outcome,
            "kind": violation.kind,
            "summary": violation.summary,
            "position": _position(violation, violation.topic),
            "recorded_time": violation.recorded_time,
        }
    used = (
        await connection.execute(select(event_ids).where(event_ids.c.id_hash == name))
    ).one_or_none()
    if used is None:
        return None
    return {
        "outcome": Outcome.PERMITTED,
        "kind": None,
        "summary": None,
        "position": _position(used, events_topic),
        "recorded_time": used.recorded_time,
    }


def _position(row: Row[Any], topic: str) -> Position:
    return Position(topic=topic, partition=row.partition, offset=row.event_offset)


async def _dead_letters(connection: AsyncConnection, name: bytes) -> list[EventDeadLetter]:
    query = (
        select(dead_letters)
        .where(_d.event_hash == name)
        .order_by(_d.failed_time.desc(), _d.id)
        .limit(MAX_DEAD_LETTERS)
    )
    return [
        EventDeadLetter(
            failed_time=row.failed_time,
            error_class=row.error_class,
            reason=row.reason,
            origin=Position(
                topic=row.origin_topic, partition=row.origin_partition, offset=row.origin_offset
            ),
        )
        for row in await connection.execute(query)
    ]
