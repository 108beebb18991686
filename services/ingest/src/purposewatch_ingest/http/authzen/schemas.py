"""The schemas of AuthZEN's answers, and examples, for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from purposewatch_ingest.evaluations import RESOURCE_TYPE, Semantic
from purposewatch_ingest.http.decisions.answers import DECISIONS_EXAMPLE, Decided


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
