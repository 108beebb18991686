"""What the OpenAPI document says about problems, which routes raise instead of declaring them."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from purposewatch_reporter.api.problems import MEDIA_TYPE, FieldError, Problem

_REF = "#/components/schemas/{model}"
_PROBLEMS: dict[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("bad-request", "There was an error parsing the body"),
    HTTPStatus.UNAUTHORIZED: (
        "unauthorized",
        "send the API's token as `Authorization: Bearer <token>`",
    ),
    HTTPStatus.NOT_FOUND: ("not-found", "there is no violation `9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8`"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method-not-allowed", "Method Not Allowed"),
    HTTPStatus.REQUEST_TIMEOUT: (
        "body-timeout",
        "the body took more than 10 s to arrive; send it at once",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "too-large",
        "the body exceeds 65536 bytes; send less",
    ),
    HTTPStatus.MISDIRECTED_REQUEST: (
        "unknown-host",
        "this reporter has no API token, so it answers only under its own names",
    ),
    HTTPStatus.CONFLICT: ("silence-refused", "`expires_time` must be in the future"),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "invalid-parameters",
        "the request's parameters are not valid; see `errors`",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "database-unavailable",
        "the database does not respond; try again later",
    ),
}
BODY_PROBLEMS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
"""What can be wrong with the body of a request before its content is validated."""

_HEADERS: dict[HTTPStatus, tuple[str, dict[str, Any]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", {"schema": {"type": "string"}}),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        "Allow",
        {"schema": {"type": "string"}, "description": "The methods that there are."},
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Retry-After",
        {"schema": {"type": "integer", "minimum": 0}, "description": "Seconds to wait."},
    ),
}
_DEPRECATED = {
    "Deprecation": {
        "required": True,
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
        "description": "RFC 9745: since when, in seconds of Unix time.",
    },
    "Link": {
        "required": True,
        "schema": {"type": "string"},
        "description": "What replaces it, as `successor-version`.",
    },
}
_EXAMPLES = {
    "id": "9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8",
    "fingerprint": "9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8",
    "since": "2026-03-02T08:00:00Z",
    "until": "2026-03-02T12:00:00Z",
    "controller": "wework-labs",
    "publisher": "crm",
    "name": "crm.public.loyalty_cards",
    "event_id": "6f0e2c1a-newsletter-1",
    "source": "/crm/newsletter",
    "role": "member",
    "category": "user.contact.email",
    "purpose": "marketing.advertising",
    "recipient": "third_party.advertising",
    "operation": "share",
    "location": "eu",
    "legal_basis": "consent",
    "topic": "data-access.raw",
    "fact": "consent.marketing",
    "subject": "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350",
    "as_of": "2026-03-02T08:15:00Z",
    "consumer": "ingest",
    "candidate": "2018-05-25+shadow",
}
"""Of parameters that can have any value of their kind, by name."""
_EXAMPLES_OF = {("/api/v1/flows", "source"): "employer"}
"""Of those that mean something else in one resource than elsewhere."""


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that may answer with problems of these statuses."""
    return {int(status): _response(status) for status in statuses}


def _response(status: HTTPStatus) -> dict[str, Any]:
    name, detail = _PROBLEMS[status]
    problem = Problem(
        type=f"urn:purposewatch:problem:{name}",
        title=status.phrase,
        status=status,
        detail=detail,
    )
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        fault = FieldError(field="limit", detail="input should be less than or equal to 500")
        problem.errors = [fault]
    response: dict[str, Any] = {
        "description": status.phrase,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(model="Problem")},
                "example": problem.model_dump(mode="json", exclude_none=True),
            }
        },
    }
    if status in _HEADERS:
        header, description = _HEADERS[status]
        response["headers"] = {header: {"required": True, **description}}
    return response


def describe(app: FastAPI) -> None:
    """Complete the document, once it is asked for, with what no route declares.

    This is the schema of problems, which responses refer to, the headers of deprecated routes, and
    the examples of parameters that several routes have.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schema = Problem.model_json_schema(ref_template=_REF)
        document["components"]["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if operation.get("deprecated"):
                    _state_deprecation(operation["responses"])
                for parameter in operation.get("parameters", ()):
                    name = parameter["name"]
                    if name in _EXAMPLES:
                        parameter["example"] = _EXAMPLES_OF.get((path, name), _EXAMPLES[name])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _state_deprecation(responses: dict[str, dict[str, Any]]) -> None:
    for status, response in responses.items():
        if status.startswith("2"):
            response["headers"] = _DEPRECATED
