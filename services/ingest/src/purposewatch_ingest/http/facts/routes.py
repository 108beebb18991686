"""The routes of facts, and what the OpenAPI document says about them."""

from typing import Any

from fastapi import FastAPI

from purposewatch_contract import SubjectFacts, SubmittedFact
from purposewatch_ingest.http.cloudevents.description import accepted, publishing
from purposewatch_ingest.http.cloudevents.partial_success import Accepted
from purposewatch_ingest.http.description import BEARER, PUBLISHING_OF_SUBJECTS, READING, problems
from purposewatch_ingest.http.facts.consent_record import CONSENT_RECORDS_EXAMPLE
from purposewatch_ingest.http.facts.endpoint import FactsEndpoint
from purposewatch_ingest.http.facts.lookup import (
    JSON_LD,
    MAX_SUBJECT,
    SUBJECT_PATTERN,
    FactLookupEndpoint,
)
from purposewatch_ingest.http.problems import ProblemKind
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN

_STATE = """For systems that know a fact, and may state it. An event is decided with every fact that
was acknowledged before the event was, as of the event's own time. Answers 202 once Kafka has
acknowledged every fact. One that is refused refuses the whole request, unless it has the header
`Prefer: handling=lenient`. After a 503, or no answer at all, send the same facts again with the
same ids: a repeat changes nothing."""


_LOOK_UP = """With the right to it. Shows the statements effective at `as_of`, and which of them is
in force. With `Accept: application/ld+json`, consents are given as records of ISO/IEC TS 27560 in
the terms of the W3C Data Privacy Vocabulary."""
_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "controller",
        "in": "query",
        "required": True,
        "schema": {"type": "string", "pattern": CONTROLLER_PATTERN},
        "example": "wework-labs",
    },
    {
        "name": "subject_id",
        "in": "query",
        "required": True,
        "description": "The identifier of the data subject, as in events and facts.",
        "schema": {
            "type": "string",
            "pattern": SUBJECT_PATTERN,
            "minLength": 1,
            "maxLength": MAX_SUBJECT,
        },
        "example": "customer-4711",
    },
    {
        "name": "fact",
        "in": "query",
        "description": "This fact only.",
        "schema": {"type": "string", "pattern": TERM_PATTERN},
    },
    {
        "name": "as_of",
        "in": "query",
        "description": "RFC 3339 with zone; now if it is left out.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-03-02T09:00:00Z",
    },
]
_STATED_EXAMPLE: dict[str, Any] = {
    "as_of": "2026-03-02T09:00:00Z",
    "statements": [
        {
            "fact": "consent.marketing",
            "value": True,
            "effective_from": "2026-03-02T08:14:58Z",
            "until": "2028-03-02T00:00:00Z",
            "statement": "consent-71",
            "source": "/crm/consents",
            "publisher": "crm",
            "evidence": "consents/71",
            "stated_time": "2026-03-02T08:15:00Z",
            "accepted_time": "2026-03-02T08:15:01Z",
            "in_force": True,
        }
    ],
}


def add_fact_routes(app: FastAPI, facts: FactsEndpoint, lookup: FactLookupEndpoint) -> None:
    """Add the routes that state facts and look them up."""
    app.post(
        "/v1/facts",
        status_code=202,
        summary="State one fact or a batch",
        description=_STATE,
        openapi_extra=publishing(SubmittedFact, "submitted-fact", facts.max_batch_events),
        responses={
            202: accepted("fact", Accepted),
            **problems(*PUBLISHING_OF_SUBJECTS, ProblemKind.INVALID_FACT),
        },
    )(facts.publish)
    app.get(
        "/v1/facts",
        summary="Look up what is stated about a subject",
        description=_LOOK_UP,
        openapi_extra={**BEARER, "parameters": _PARAMETERS},
        responses={
            200: {
                "description": "What is stated, or consents as records.",
                "model": SubjectFacts,
                "content": {
                    "application/json": {"example": _STATED_EXAMPLE},
                    JSON_LD: {"example": CONSENT_RECORDS_EXAMPLE},
                },
            },
            **problems(
                *READING,
                ProblemKind.INVALID_QUERY,
                ProblemKind.FORBIDDEN,
                ProblemKind.NOT_FOUND,
                ProblemKind.INTERNAL,
                ProblemKind.BUSY,
                ProblemKind.SUBJECTS_UNAVAILABLE,
                ProblemKind.REPORTER_UNAVAILABLE,
            ),
        },
    )(lookup.show)
