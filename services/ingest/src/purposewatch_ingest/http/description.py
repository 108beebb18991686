"""What the OpenAPI document says about ingest that its routes can't declare.

The events are read by the contract's codec and not by the framework, so their schemas, the headers
of binary mode and all refusals are described here.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from purposewatch_contract import (
    ErrorClass,
    SubmittedData,
    SubmittedEvent,
    SubmittedGap,
    read_example,
)
from purposewatch_ingest.content_modes import BATCHED, BINARY, STRUCTURED
from purposewatch_ingest.http.decision_answers import describe_asked
from purposewatch_ingest.http.evaluation_schemas import describe_evaluations
from purposewatch_ingest.http.gaps import AcceptedGaps
from purposewatch_ingest.http.hints import EventHint
from purposewatch_ingest.http.partial_success import Accepted
from purposewatch_ingest.http.problems import MEDIA_TYPE, FieldProblem, Problem, ProblemKind
from purposewatch_policy import CONTROLLER_PATTERN
from purposewatch_runtime.http import ContentEncoding

_REF = "#/components/schemas/{model}"
_BEARER = {
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
    ProblemKind.INVALID_GAP: "the gap was refused: /kind is missing; add it",
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
    ProblemKind.REPORTER_UNAVAILABLE: "the reporter does not answer; ask again later",
    ProblemKind.KAFKA_UNAVAILABLE: "Kafka did not acknowledge the events; send them again with the "
    "same ids",
}
_RETRY_AFTER = {
    "schema": {"type": "integer", "minimum": 0},
    "description": "Seconds to wait.",
}
_LIMIT_HEADERS: Mapping[str, Any] = {
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
_MISSING = FieldProblem(
    index=0,
    field="/data/role",
    detail="is missing; add it",
    error_class=ErrorClass.INVALID_EVENT,
)
_BINARY_MODE = (
    "In binary mode (`application/json`) the context attribute of this name, percent-encoded, and "
    "not read in the other modes."
)


_HINT = EventHint(
    index=0,
    field="/data/source",
    detail="`member_employee` data in `user.contact.email` was collected; the source was not "
    "stated, and `member_employees.contact.collect` names `employer` as source.",
)
ACCEPTED: Mapping[str, Any] = {
    "description": "Every event that `accepted` counts is acknowledged.",
    "model": Accepted,
    "headers": {
        "Preference-Applied": {
            "schema": {"type": "string"},
            "description": "`handling=lenient` if that was preferred.",
        },
        **_LIMIT_HEADERS,
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
                        "errors": [_MISSING.model_copy(update={"index": 1}).model_dump()],
                    },
                },
            }
        }
    },
}
ACCEPTED_GAPS: Mapping[str, Any] = {
    "description": "Every gap is acknowledged.",
    "model": AcceptedGaps,
    "headers": _LIMIT_HEADERS,
    "content": {"application/json": {"example": {"accepted": 1}}},
}


def problems(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that may answer with these problems, by status."""
    return {
        status: _response(status, list(alike))
        for status, alike in groupby(
            sorted(kinds, key=lambda kind: kind.status), key=lambda kind: kind.status
        )
    }


def _response(status: int, kinds: Sequence[ProblemKind]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; or ".join(kind.title for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(model="Problem")},
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
        response["headers"].update(_LIMIT_HEADERS)
    return response


def _example(kind: ProblemKind) -> Problem:
    problem = Problem(
        type=f"urn:purposewatch:problem:{kind.label}",
        title=kind.title,
        status=kind.status,
        detail=_DETAILS[kind],
    )
    if kind is ProblemKind.INVALID_EVENT:
        return problem.model_copy(update={"errors": [_MISSING]})
    if kind is ProblemKind.INVALID_GAP:
        missing = _MISSING.model_copy(update={"field": "/kind"})
        return problem.model_copy(update={"errors": [missing]})
    return problem


def publishing(max_batch_events: int) -> dict[str, Any]:
    """What requests with events hold: the body in each content mode, and the headers."""
    event = {"$ref": _REF.format(model="SubmittedEvent")}
    data = {"$ref": _REF.format(model="SubmittedData")}
    example = read_example("submitted-event")
    batch = {"type": "array", "items": event, "maxItems": max_batch_events}
    return {
        "security": [{"bearer": []}],
        "parameters": [
            *_attribute_headers(example),
            _TRACEPARENT_HEADER,
            _PREFER_HEADER,
            ENCODING_HEADER,
        ],
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": event, "example": example},
                BATCHED: {"schema": batch, "example": [example]},
                BINARY: {"schema": data, "example": example["data"]},
            },
        },
    }


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


ENCODING_HEADER = {
    "name": "Content-Encoding",
    "in": "header",
    "required": False,
    "description": "How the content is compressed, if it is.",
    "schema": {"enum": [*(encoding.value for encoding in ContentEncoding), "identity"]},
    "example": "identity",
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


def reporting_gaps(max_batch: int) -> dict[str, Any]:
    """What requests with gaps hold."""
    gap = {"$ref": _REF.format(model="SubmittedGap")}
    example = {
        name: value
        for name, value in read_example("gap").items()
        if name in SubmittedGap.model_fields
    }
    return {
        "security": [{"bearer": []}],
        "parameters": [ENCODING_HEADER],
        "requestBody": {
            "required": True,
            "content": {
                BINARY: {
                    "schema": {"type": "array", "items": gap, "maxItems": max_batch},
                    "example": [example],
                }
            },
        },
    }


def controller_parameter() -> dict[str, Any]:
    """The path parameter that names a controller."""
    return {
        "name": "controller",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": CONTROLLER_PATTERN},
        "example": "wework-labs",
    }


def describe(app: FastAPI) -> None:
    """Complete the document with the schemas and the key that routes refer to."""
    document = app.openapi()
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": _BEARER}
    schemas: dict[str, dict[str, Any]] = components.setdefault("schemas", {})
    for model in (SubmittedEvent, SubmittedData, SubmittedGap, Problem):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    describe_asked(schemas)
    describe_evaluations(schemas)
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
