"""The schemas and examples of AuthZEN's requests and answers, for the OpenAPI document.

Fields beside those listed are ignored in requests, as AuthZEN demands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from purposewatch_ingest.content_modes import BINARY
from purposewatch_ingest.evaluations import CONTEXT_FIELDS, RESOURCE_TYPE, Semantic
from purposewatch_ingest.http.decision_answers import DECISIONS_EXAMPLE, Decided
from purposewatch_policy import MAX_DATA_CATEGORIES

_REQUEST = {"$ref": "#/components/schemas/EvaluationRequest"}
_DEFAULT = {"description": "For evaluations without one of their own; see `EvaluationRequest`."}
_ENTITIES = ("subject", "action", "resource", "context")


class EvaluationError(BaseModel):
    """Why one of several requests is denied without a decision."""

    status: int
    message: str


class RefusedContext(BaseModel):
    """Stands for the reasons where there is no decision."""

    error: EvaluationError


class Evaluation(BaseModel):
    """Whether the flow is permitted, and why."""

    decision: bool
    context: Decided


class EvaluationOfSeveral(BaseModel):
    """Whether one of several flows is permitted, and why."""

    decision: bool
    context: Decided | RefusedContext


class Evaluations(BaseModel):
    """The decisions in the order of the requests, up to the one that ends them."""

    evaluations: list[EvaluationOfSeveral]


REQUEST_EXAMPLE: Mapping[str, Any] = {
    "subject": {"type": "member_employee", "id": "customer-4711"},
    "action": {"name": "collect"},
    "resource": {"type": RESOURCE_TYPE, "id": "user.contact.email"},
    "context": {
        "controller": "wework-labs",
        "purpose": "essential.service.access_control",
        "recipient": "first_party",
    },
}
REQUESTS_EXAMPLE: Mapping[str, Any] = {
    "subject": REQUEST_EXAMPLE["subject"],
    "action": REQUEST_EXAMPLE["action"],
    "context": REQUEST_EXAMPLE["context"],
    "evaluations": [
        {"resource": REQUEST_EXAMPLE["resource"]},
        {"resource": {"type": RESOURCE_TYPE, "id": "user.name"}},
    ],
    "options": {"evaluations_semantic": Semantic.EXECUTE_ALL},
}
_DECIDED = {
    name: value for name, value in DECISIONS_EXAMPLE["decisions"][0].items() if name != "index"
}
EVALUATION_EXAMPLE = {"decision": False, "context": _DECIDED}
EVALUATIONS_EXAMPLE = {
    "evaluations": [
        EVALUATION_EXAMPLE,
        {
            "decision": False,
            "context": {
                "error": {"status": 400, "message": "`/resource/id` must be a text; add it"}
            },
        },
    ]
}
METADATA_EXAMPLE = {
    "policy_decision_point": "https://ingest.example.com",
    "access_evaluation_endpoint": "https://ingest.example.com/access/v1/evaluation",
    "access_evaluations_endpoint": "https://ingest.example.com/access/v1/evaluations",
}


def evaluating(
    headers: Sequence[Mapping[str, Any]], max_evaluations: int | None = None
) -> dict[str, Any]:
    """What evaluation requests hold: one, or, with a maximum, several; and further headers."""
    schema: dict[str, Any] = _REQUEST
    example = REQUEST_EXAMPLE
    if max_evaluations is not None:
        several = {"type": "array", "items": {"type": "object"}, "minItems": 1}
        several["maxItems"] = max_evaluations
        schema = {
            "type": "object",
            "required": ["evaluations"],
            "properties": {
                **dict.fromkeys(_ENTITIES, _DEFAULT),
                "evaluations": several,
                "options": {
                    "type": "object",
                    "properties": {"evaluations_semantic": {"enum": list(Semantic)}},
                },
            },
        }
        example = REQUESTS_EXAMPLE
    identifier = {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "description": "Comes back in the answer.",
        "schema": {"type": "string"},
        "example": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
    }
    return {
        "security": [{"bearer": []}],
        "parameters": [*headers, identifier],
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
