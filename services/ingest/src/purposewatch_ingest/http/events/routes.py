"""The routes of events, and what the OpenAPI document says about them.

The events are read by the contract's codec and not by the framework, so their schemas and the
headers of binary mode are described here.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from purposewatch_contract import SubmittedEvent, read_example
from purposewatch_ingest.http.description import (
    BEARER,
    ENCODING_HEADER,
    LIMIT_HEADERS,
    MISSING_FIELD,
    PUBLISHING,
    READING,
    events_in_modes,
    problems,
)
from purposewatch_ingest.http.events.endpoint import EventsEndpoint
from purposewatch_ingest.http.events.hints import EventHint
from purposewatch_ingest.http.events.partial_success import Accepted
from purposewatch_ingest.http.events.status import EVENT_STATUS_EXAMPLE, EventStatusEndpoint
from purposewatch_ingest.http.problems import ProblemKind

_PUBLISH = """Answers 202 once Kafka has acknowledged every event. One event that is refused
refuses the whole request, unless it has the header `Prefer: handling=lenient`. After a 503, or no
answer at all, send the same events again with the same ids: a repeat is recorded once."""
_BINARY_MODE = (
    "In binary mode (`application/json`) the context attribute of this name, percent-encoded, and "
    "not read in the other modes."
)
_TRACEPARENT_HEADER = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "W3C Trace Context of the request, for events without one of their own. An "
    "invalid one is ignored.",
    "schema": {"type": "string"},
    "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
_PREFER_HEADER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`handling=lenient` accepts the valid events of a batch although others are "
    "refused (RFC 7240).",
    "schema": {"type": "string"},
    "example": "handling=lenient",
}
_HINT = EventHint(
    index=0,
    field="/data/source",
    detail="`member_employee` data in `user.contact.email` was collected; the source was not "
    "stated, and `member_employees.contact.collect` names `employer` as source.",
)
_ACCEPTED: Mapping[str, Any] = {
    "description": "Every event that `accepted` counts is acknowledged.",
    "model": Accepted,
    "headers": {
        "Preference-Applied": {
            "schema": {"type": "string"},
            "description": "`handling=lenient` if that was preferred.",
        },
        **LIMIT_HEADERS,
    },
    "content": {
        "application/json": {
            "examples": {
                "all": {"summary": "Every event is accepted", "value": {"accepted": 1}},
                "hint": {
                    "summary": "An event lacks what a statement requires",
                    "value": {"accepted": 1, "hints": [_HINT.model_dump()]},
                },
                "partial": {
                    "summary": "With `Prefer: handling=lenient`",
                    "value": {
                        "accepted": 2,
                        "refused": 1,
                        "errors": [MISSING_FIELD.model_copy(update={"index": 1}).model_dump()],
                    },
                },
            }
        }
    },
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
        openapi_extra=_publishing(events.max_batch_events),
        responses={202: dict(_ACCEPTED), **problems(*PUBLISHING, ProblemKind.INVALID_EVENT)},
    )(events.publish_events)
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


def _publishing(max_batch_events: int) -> dict[str, Any]:
    """What requests with events hold: the body in each content mode, and the headers."""
    example = read_example("submitted-event")
    return {
        **BEARER,
        "parameters": [
            *_attribute_headers(example),
            _TRACEPARENT_HEADER,
            _PREFER_HEADER,
            ENCODING_HEADER,
        ],
        "requestBody": events_in_modes("Submitted", example, max_batch_events),
    }


def _attribute_headers(example: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = SubmittedEvent.model_json_schema()
    headers = []
    for name, attribute in schema["properties"].items():
        if name in {"data", "datacontenttype"}:
            continue  # the content, and its Content-Type
        required = name in schema["required"]
        headers.append(
            {
                "name": f"ce-{name}",
                "in": "header",
                "required": False,  # in the other modes the attributes are in the content
                "description": ("Required. " if required else "") + _BINARY_MODE,
                "schema": _text_schema(attribute),
                **({"example": example[name]} if name in example else {}),
            }
        )
    return headers


def _text_schema(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an attribute as a header, which can't be null."""
    schema = next(
        (each for each in attribute.get("anyOf", ()) if each.get("type") == "string"), attribute
    )
    return {
        key: value
        for key, value in schema.items()
        if key not in {"title", "description", "default"}
    }
