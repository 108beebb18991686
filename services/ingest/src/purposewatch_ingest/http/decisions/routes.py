"""The route of decisions, and what the OpenAPI document says about it."""

import copy
from typing import Any

from fastapi import FastAPI

from purposewatch_contract import read_example
from purposewatch_ingest.http.decisions.answers import DECISIONS_EXAMPLE, Decisions
from purposewatch_ingest.http.decisions.endpoint import DecisionsEndpoint
from purposewatch_ingest.http.description import (
    BEARER,
    ENCODING_HEADER,
    RECEIVING,
    events_in_modes,
    problems,
    reference,
)
from purposewatch_ingest.http.problems import ProblemKind
from purposewatch_policy.languages import TAGS

_DECIDE = """Answers what the events would be decided if they were published, with the reasons and
the smallest change that would permit them. Publishes nothing. `data.subject_id` can be left out.
Without `ce-` headers, `application/json` is the data of one event that happens now."""
_LANGUAGE = {"required": True, "schema": {"type": "string", "enum": list(TAGS)}}
_ACCEPT_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": "Of labels and sentences; `en` unless stated.",
    "schema": {"type": "string"},
    "example": "en",
}
QUESTION_HEADERS = (ENCODING_HEADER, _ACCEPT_LANGUAGE)


def add_decision_route(app: FastAPI, decisions: DecisionsEndpoint) -> None:
    """Add the route that decides events without publishing them."""
    app.post(
        "/v1/decisions",
        summary="Ask what one event or a batch would be decided",
        description=_DECIDE,
        openapi_extra=_asking(decisions.max_batch_events),
        responses={
            200: {
                "description": "The decisions, in the order of the events.",
                "model": Decisions,
                "headers": {"Content-Language": _LANGUAGE},
                "content": {"application/json": {"example": DECISIONS_EXAMPLE}},
            },
            **problems(*RECEIVING, ProblemKind.INVALID_EVENT),
        },
    )(decisions.decide_events)


def _asking(max_batch_events: int) -> dict[str, Any]:
    """What requests for decisions hold: events that need no subject, or data alone."""
    example = copy.deepcopy(read_example("submitted-event"))
    del example["data"]["subject_id"]
    return {
        **BEARER,
        "parameters": [*QUESTION_HEADERS],
        "requestBody": events_in_modes("AskedEvent", "AskedData", example, max_batch_events),
    }


def describe_asked(schemas: dict[str, dict[str, Any]]) -> None:
    """Add the schemas of events about which is only asked: they need no subject."""
    data, event = (copy.deepcopy(schemas[each]) for each in ("SubmittedData", "SubmittedEvent"))
    data["required"].remove("subject_id")
    event["properties"]["data"] = reference("AskedData")
    schemas["AskedData"] = data | {"title": "AskedData"}
    schemas["AskedEvent"] = event | {"title": "AskedEvent"}
