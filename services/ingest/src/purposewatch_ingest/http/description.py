"""What the routes share in the OpenAPI document: bodies, headers, refusals, the key, schemas."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from purposewatch_contract import (
    ErrorClass,
    SubmittedData,
    SubmittedEvent,
    SubmittedFact,
    SubmittedFactData,
    SubmittedGap,
)
from purposewatch_ingest.content_modes import BATCHED, BINARY, STRUCTURED
from purposewatch_ingest.http.problems import MEDIA_TYPE, FieldProblem, Problem, ProblemKind
from purposewatch_runtime.http import ContentEncoding

_MODELS = (
    SubmittedEvent,
    SubmittedData,
    SubmittedFact,
    SubmittedFactData,
    SubmittedGap,
    Problem,
)
_REF = "#/components/schemas/{model}"
BEARER: Mapping[str, Any] = {"security": [{"bearer": []}]}
"""What a route needs: the key of a publisher."""
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "The publisher's key, or a token of the configured identity provider (OpenID "
    "Connect, client credentials). Over TLS, a registered client certificate stands for both.",
}
_DETAILS = {
    ProblemKind.NOT_JSON: "the event was refused: the content is not valid JSON (line 1 column 1)",
    ProblemKind.CORRUPT: "the content is not one complete `gzip` stream; compress it again, or "
    "send it without `Content-Encoding`",
    ProblemKind.INCOMPLETE: "the connection ended before the content did",
    ProblemKind.INVALID_EVALUATION: "the request was refused: `/action` must be an object; add it",
    ProblemKind.INVALID_QUERY: "`limit` must be a whole number from 1 to 50",
    ProblemKind.UNAUTHORIZED: "send a registered key as `Authorization: Bearer <key>`",
    ProblemKind.FORBIDDEN: "the event was refused: /source is not the publisher's own",
    ProblemKind.NOT_FOUND: "the controller has no declared policy or is not among the publisher's",
    ProblemKind.METHOD_NOT_ALLOWED: "see /docs for what there is",
    ProblemKind.BODY_TIMEOUT: "the content took more than 10 s; send smaller batches",
    ProblemKind.TOO_LARGE: "the batch has 1001 events; send at most 1000 in one request",
    ProblemKind.UNSUPPORTED_MEDIA_TYPE: f"send `{STRUCTURED}`, `{BATCHED}`, or `{BINARY}` with "
    "`ce-` headers",
    ProblemKind.INVALID_EVENT: "the event was refused: /data/role is missing; add it",
    ProblemKind.INVALID_FACT: "the fact was refused: /data/fact is missing; add it",
    ProblemKind.INVALID_GAP: "the gap was refused: /kind is missing; add it",
    ProblemKind.INVALID_ERASURE: "`subject_id` is not right: state `controller` and `subject_id`",
    ProblemKind.RATE_LIMITED: "the publisher has sent as many events as its rate allows; keep the "
    "events and send them again later",
    ProblemKind.QUOTA_EXCEEDED: "the publisher has sent as many events today as its quota allows; "
    "keep the events and send them again later",
    ProblemKind.PAUSED: "the publisher is paused: it sends test data; keep the events and send "
    "them again later",
    ProblemKind.INTERNAL: "nothing was accepted for certain; send the same events again, with the "
    "same ids",
    ProblemKind.IDENTITY_UNAVAILABLE: "the identity provider does not answer; keep the events and "
    "send them again later",
    ProblemKind.BUSY: "ingest handles as many requests as it can; send the same events again later",
    ProblemKind.SUBJECTS_UNAVAILABLE: "the pseudonyms of subjects can't be looked up; send the "
    "same again later",
    ProblemKind.REPORTER_UNAVAILABLE: "the reporter does not answer; ask again later",
    ProblemKind.KAFKA_UNAVAILABLE: "Kafka did not acknowledge the events; send them again with the "
    "same ids",
}
READING = (
    ProblemKind.UNAUTHORIZED,
    ProblemKind.METHOD_NOT_ALLOWED,
    ProblemKind.IDENTITY_UNAVAILABLE,
)
"""The problems of every request of a publisher."""
RECEIVING = (
    *READING,
    ProblemKind.NOT_JSON,
    ProblemKind.CORRUPT,
    ProblemKind.INCOMPLETE,
    ProblemKind.FORBIDDEN,
    ProblemKind.BODY_TIMEOUT,
    ProblemKind.TOO_LARGE,
    ProblemKind.UNSUPPORTED_MEDIA_TYPE,
    ProblemKind.INTERNAL,
    ProblemKind.BUSY,
)
"""The problems of requests with content."""
PUBLISHING = (
    *RECEIVING,
    ProblemKind.RATE_LIMITED,
    ProblemKind.QUOTA_EXCEEDED,
    ProblemKind.PAUSED,
    ProblemKind.KAFKA_UNAVAILABLE,
)
"""The problems of requests whose content is published."""
PUBLISHING_OF_SUBJECTS = (*PUBLISHING, ProblemKind.SUBJECTS_UNAVAILABLE)
"""The same for content about subjects."""
_RETRY_AFTER = {
    "schema": {"type": "integer", "minimum": 0},
    "description": "Seconds to wait.",
}
LIMIT_HEADERS: Mapping[str, Any] = {
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": "The publisher's limits, if it has any: events (`q`) in seconds (`w`).",
        "example": '"rate";q=1000;qu="events";w=10, "day";q=1000000;qu="events";w=86400',
    },
    "RateLimit": {
        "schema": {"type": "string"},
        "description": "What is left of them (`r`), and in how many seconds all is (`t`).",
        "example": '"rate";r=899;t=2, "day";r=412731;t=31337',
    },
}
_HEADERS: Mapping[int, tuple[str, dict[str, Any]]] = {
    401: ("WWW-Authenticate", {"schema": {"type": "string"}}),
    405: ("Allow", {"schema": {"type": "string"}, "description": "The methods that there are."}),
    429: ("Retry-After", _RETRY_AFTER),
    503: ("Retry-After", _RETRY_AFTER),
}
MISSING_FIELD: Mapping[str, FieldProblem] = {
    noun: FieldProblem(
        index=0,
        field=field,
        detail="is missing; add it",
        error_class=ErrorClass.INVALID_EVENT,
    )
    for noun, field in {"event": "/data/role", "fact": "/data/fact", "gap": "/kind"}.items()
}
_INVALID = {
    ProblemKind.INVALID_EVENT: "event",
    ProblemKind.INVALID_FACT: "fact",
    ProblemKind.INVALID_GAP: "gap",
}


def problems(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that may answer with these problems, by status."""
    ordered = (kind for kind in ProblemKind if kind in kinds)
    return {
        status: _response(status, list(alike))
        for status, alike in groupby(ordered, key=lambda kind: kind.status)
    }


def _response(status: int, kinds: Sequence[ProblemKind]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; or ".join(kind.title for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": reference("Problem"),
                "examples": {
                    kind.label: {"summary": kind.title, "value": _example(kind).model_dump()}
                    for kind in kinds
                },
            }
        },
    }
    if status in _HEADERS:
        name, header = _HEADERS[status]
        response["headers"] = {name: {"required": True, **header}}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        response["headers"].update(LIMIT_HEADERS)
    return response


def _example(kind: ProblemKind) -> Problem:
    problem = Problem(
        type=f"urn:purposewatch:problem:{kind.label}",
        title=kind.title,
        status=kind.status,
        detail=_DETAILS[kind],
    )
    if kind in _INVALID:
        return problem.model_copy(update={"errors": [MISSING_FIELD[_INVALID[kind]]]})
    return problem


def reference(model: str) -> dict[str, str]:
    """The schema of this name among the components."""
    return {"$ref": _REF.format(model=model)}


def events_in_modes(
    event_schema: str, data_schema: str, example: Mapping[str, Any], max_events: int
) -> dict[str, Any]:
    """The body of a request with events, in each content mode."""
    event = reference(event_schema)
    batch = {"type": "array", "items": event, "maxItems": max_events}
    return {
        "required": True,
        "content": {
            STRUCTURED: {"schema": event, "example": example},
            BATCHED: {"schema": batch, "example": [example]},
            BINARY: {"schema": reference(data_schema), "example": example["data"]},
        },
    }


ENCODING_HEADER = {
    "name": "Content-Encoding",
    "in": "header",
    "required": False,
    "description": "How the content is compressed, if it is.",
    "schema": {"enum": [*(encoding.value for encoding in ContentEncoding), "identity"]},
    "example": "identity",
}


def describe(app: FastAPI, *describers: Callable[[dict[str, dict[str, Any]]], None]) -> None:
    """Complete the document with the key and the schemas that routes refer to.

    `describers` add the schemas that derive from those of events, in this order.
    """
    document = app.openapi()
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": _KEY}
    schemas: dict[str, dict[str, Any]] = components.setdefault("schemas", {})
    for model in _MODELS:
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for add_schemas in describers:
        add_schemas(schemas)
    _restore_examples(app, document["paths"])
    app.openapi_schema = document


def _restore_examples(app: FastAPI, paths: dict[str, Any]) -> None:
    """Show the examples of answers as their routes state them: FastAPI leaves nulls out."""
    for route in app.routes:
        if not isinstance(route, APIRoute):
            continue
        for method in route.methods or ():
            described = paths[route.path][method.lower()]["responses"]
            for status, response in route.responses.items():
                for media_type, content in response.get("content", {}).items():
                    shown = described[str(status)]["content"][media_type]
                    shown.update((name, content[name]) for name in content if "example" in name)
