"""The routes of events, and what the OpenAPI document says about them."""

from typing import Any

from fastapi import FastAPI

from purposewatch_contract import SubmittedEvent
from purposewatch_ingest.http.cloudevents.description import accepted, publishing
from purposewatch_ingest.http.description import BEARER, PUBLISHING_OF_SUBJECTS, READING, problems
from purposewatch_ingest.http.events.endpoint import AcceptedEvents, EventsEndpoint
from purposewatch_ingest.http.events.hints import EventHint
from purposewatch_ingest.http.events.status import EVENT_STATUS_EXAMPLE, EventStatusEndpoint
from purposewatch_ingest.http.problems import ProblemKind

_PUBLISH = """Answers 202 once Kafka has acknowledged every event. One event that is refused
refuses the whole request, unless it has the header `Prefer: handling=lenient`. After a 503, or no
answer at all, send the same events again with the same ids: a repeat is recorded once."""
_HINT = EventHint(
    index=0,
    field="/data/source",
    detail="`member_employee` data in `user.contact.email` was collected; the source was not "
    "stated, and `member_employees.contact.collect` names `employer` as source.",
)
_WITH_HINT = {
    "summary": "An event lacks what a statement requires",
    "value": {"accepted": 1, "hints": [_HINT.model_dump()]},
}
_STATUS_PARAMETERS: list[dict[str, Any]] = [
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


def add_event_routes(app: FastAPI, events: EventsEndpoint, status: EventStatusEndpoint) -> None:
    """Add the routes that publish events, and that tell what became of them."""
    app.post(
        "/v1/events",
        status_code=202,
        summary="Publish one event or a batch",
        description=_PUBLISH,
        openapi_extra=publishing(SubmittedEvent, "submitted-event", events.max_batch_events),
        responses={
            202: accepted("event", AcceptedEvents, hint=_WITH_HINT),
            **problems(*PUBLISHING_OF_SUBJECTS, ProblemKind.INVALID_EVENT),
        },
    )(events.publish)
    app.get(
        "/v1/events/{id}",
        summary="Look up what became of an event",
        description="Of your own events alone. 404 until its verdict is recorded.",
        openapi_extra={**BEARER, "parameters": _STATUS_PARAMETERS},
        responses={
            200: {
                "description": "What became of it.",
                "content": {"application/json": {"example": EVENT_STATUS_EXAMPLE}},
            },
            **problems(
                *READING,
                ProblemKind.FORBIDDEN,
                ProblemKind.NOT_FOUND,
                ProblemKind.BUSY,
                ProblemKind.REPORTER_UNAVAILABLE,
            ),
        },
    )(status.show)
