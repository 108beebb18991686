"""`GET /v1/events/{id}`: what became of an event, for its own publisher."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from purposewatch_contract import ErrorClass, Position
from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.http.request_shares import RETRY_SECONDS, RequestShares
from purposewatch_ingest.reporter import ReporterUnavailableError, StatusSource
from purposewatch_policy import Kind, Outcome
from purposewatch_runtime.logs import get_logger

MAX_ID = 128
MAX_SOURCE = 256

_log = get_logger(__name__)


class Status(StrEnum):
    """What became of an event: it has a verdict, or a record that states its id was refused."""

    RECORDED = "recorded"
    DEAD_LETTERED = "dead_lettered"


class EventDeadLetter(BaseModel):
    """Why a record that states the event's id was dead-lettered."""

    failed_time: datetime
    error_class: ErrorClass
    reason: str
    origin: Position = Field(description="Where the original record stands in Kafka.")


class EventStatus(BaseModel):
    """What became of an event."""

    status: Status
    outcome: Outcome | None = Field(description="Of the verdict; null without one.")
    kind: Kind | None = Field(description="Of a violation.")
    summary: str | None = Field(description="The reason, unless it is permitted.")
    position: Position | None = Field(description="The event's place in Kafka.")
    recorded_time: datetime | None = Field(description="When its verdict was recorded.")
    conflicts: int = Field(description="How often the id came again with other content.")
    dead_letters: list[EventDeadLetter] = Field(description="The latest, at most 10.")


EVENT_STATUS_EXAMPLE: dict[str, Any] = {
    "status": "recorded",
    "outcome": "violation",
    "kind": "undeclared_source",
    "summary": "`member_employee` data in `user.contact.email` was collected; the source was not "
    "stated, and `member_employees.contact.collect` names `employer` as source.",
    "position": {"topic": "data-access.events", "partition": 3, "offset": 4711},
    "recorded_time": "2026-03-02T08:15:01Z",
    "conflicts": 0,
    "dead_letters": [],
}


class EventStatusEndpoint:
    """Asks the reporter on behalf of publishers, each about its own events alone."""

    def __init__(
        self, authenticator: Authenticator, shares: RequestShares, reporter: StatusSource | None
    ) -> None:
        self._authenticator = authenticator
        self._shares = shares
        self._reporter = reporter

    async def show(self, request: Request) -> EventStatus:
        """Return what became of the event that the path names."""
        publisher = (await self._authenticator.publisher_of(request)).name
        source = request.query_params.get("source", f"/{publisher}")
        if source != f"/{publisher}" and not source.startswith(f"/{publisher}/"):
            detail = (
                f"`source` is not the publisher's own; make it `/{publisher}` or a path below it"
            )
            raise ProblemError(ProblemKind.FORBIDDEN, detail)
        if self._reporter is None:
            detail = "this ingest knows no reporter; set PURPOSEWATCH_INGEST_REPORTER_URL"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        event_id = request.path_params["id"]
        found = None
        if len(event_id) <= MAX_ID and len(source) <= MAX_SOURCE:
            async with self._shares.handle(publisher, 1):
                found = await self._ask(self._reporter, source, event_id)
        if found is None:
            detail = (
                "nothing is recorded about an event with this id and source: it was not accepted, "
                "its verdict is not recorded yet, or ids are not remembered for that long"
            )
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        return found

    async def _ask(self, reporter: StatusSource, source: str, event_id: str) -> EventStatus | None:
        try:
            status = await reporter.status_of(source, event_id)
            return None if status is None else EventStatus.model_validate_json(status)
        except (ReporterUnavailableError, ValidationError) as error:
            reason = str(error) if isinstance(error, ReporterUnavailableError) else "not a status"
            _log.warning("reporter did not tell the status of an event", reason=reason)
            raise ProblemError(
                ProblemKind.REPORTER_UNAVAILABLE,
                "the reporter does not answer; ask again later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from None


def event_status_parameters() -> list[dict[str, Any]]:
    """Describe the parameters in OpenAPI."""
    return [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "The event's `id`.",
            "schema": {"type": "string", "minLength": 1},
            "example": "6f0e2c1a-newsletter-1",
        },
        {
            "name": "source",
            "in": "query",
            "description": "The event's `source`; `/<publisher>` unless stated.",
            "schema": {"type": "string"},
            "example": "/crm/newsletter",
        },
    ]
