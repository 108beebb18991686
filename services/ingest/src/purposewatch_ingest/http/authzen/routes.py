"""The routes of AuthZEN, and what the OpenAPI document says about them.

Fields beside those listed are ignored in requests, as AuthZEN demands.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from purposewatch_ingest.content_modes import BINARY
from purposewatch_ingest.evaluations import CONTEXT_FIELDS, RESOURCE_TYPE, Semantic
from purposewatch_ingest.http.authzen.endpoint import (
    EVALUATION_PATH,
    EVALUATIONS_PATH,
    REQUEST_ID,
    AuthzenEndpoint,
)
from purposewatch_ingest.http.authzen.schemas import (
    EVALUATION_EXAMPLE,
    EVALUATIONS_EXAMPLE,
    METADATA_EXAMPLE,
    REQUEST_EXAMPLE,
    REQUESTS_EXAMPLE,
    Evaluation,
    Evaluations,
)
from purposewatch_ingest.http.decisions.routes import QUESTION_HEADERS
from purposewatch_ingest.http.description import BEARER, RECEIVING, problems, reference
from purposewatch_ingest.http.problems import ProblemKind
from purposewatch_policy import MAX_DATA_CATEGORIES

_REQUEST = reference("EvaluationRequest")
_DEFAULT = {"description": "For evaluations without one of their own; see `EvaluationRequest`."}
_ENTITIES = ("subject", "action", "resource", "context")
_REQUEST_ID_HEADER = {
    "name": REQUEST_ID,
    "in": "header",
    "required": False,
    "description": "Comes back in the answer.",
    "schema": {"type": "string"},
    "example": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
}


def add_authzen_routes(app: FastAPI, authzen: AuthzenEndpoint) -> None:
    """Add the routes that evaluate accesses, and the one that tells where they are."""
    refusals = problems(*RECEIVING, ProblemKind.INVALID_EVALUATION)
    app.post(
        EVALUATION_PATH,
        summary="Evaluate an access (OpenID AuthZEN)",
        openapi_extra=_evaluating(_REQUEST, REQUEST_EXAMPLE),
        responses={
            200: {
                "description": "The decision.",
                "model": Evaluation,
                "content": {"application/json": {"example": EVALUATION_EXAMPLE}},
            },
            **refusals,
        },
    )(authzen.evaluate)
    app.post(
        EVALUATIONS_PATH,
        summary="Evaluate several accesses (OpenID AuthZEN)",
        description="Without `evaluations` it is handled as a single evaluation.",
        openapi_extra=_evaluating(_several(authzen.max_evaluations), REQUESTS_EXAMPLE),
        responses={
            200: {
                "description": "The decisions, in the order of the requests.",
                "model": Evaluations,
                "content": {"application/json": {"example": EVALUATIONS_EXAMPLE}},
            },
            **refusals,
        },
    )(authzen.evaluate_several)
    app.get(
        "/.well-known/authzen-configuration",
        summary="Where to evaluate accesses (OpenID AuthZEN)",
        responses={
            200: {
                "description": "The endpoints of this policy decision point.",
                "content": {"application/json": {"example": METADATA_EXAMPLE}},
            },
            **problems(ProblemKind.NOT_FOUND, ProblemKind.METHOD_NOT_ALLOWED),
        },
    )(authzen.show_metadata)


def _several(max_evaluations: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["evaluations"],
        "properties": {
            **dict.fromkeys(_ENTITIES, _DEFAULT),
            "evaluations": {
                "type": "array",
                "items": {"type": "object"},
                "minItems": 1,
                "maxItems": max_evaluations,
            },
            "options": {
                "type": "object",
                "properties": {"evaluations_semantic": {"enum": list(Semantic)}},
            },
        },
    }


def _evaluating(schema: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """What requests with this content hold."""
    return {
        **BEARER,
        "parameters": [*QUESTION_HEADERS, _REQUEST_ID_HEADER],
        "requestBody": {
            "required": True,
            "content": {BINARY: {"schema": schema, "example": example}},
        },
    }


def describe_evaluations(schemas: dict[str, dict[str, Any]]) -> None:
    """Add the schemas of evaluation requests, with the terms as events have them."""
    fields = schemas["AskedData"]["properties"]
    term = fields["role"]
    categories = {
        "type": "array",
        "items": fields["data_categories"]["items"],
        "maxItems": MAX_DATA_CATEGORIES - 1,
    }
    properties = {
        "subject": _object({"type": term, "id": {"type": "string"}}, "type", "id"),
        "action": _object({"name": fields["operation"]}, "name"),
        "resource": _object(
            {
                "type": {"const": RESOURCE_TYPE},
                "id": fields["data_categories"]["items"],
                "properties": _object({"data_categories": categories}),
            },
            "type",
            "id",
        ),
        "context": _object(
            {
                **{name: fields[name] for name in CONTEXT_FIELDS},
                "time": schemas["AskedEvent"]["properties"]["time"],
            },
            "controller",
            "purpose",
            "recipient",
        ),
    }
    schemas["EvaluationRequest"] = _object(properties, *_ENTITIES)


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    return {**schema, "required": list(required)} if required else schema
