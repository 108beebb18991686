"""The route of erasures, and what the OpenAPI document says about it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from purposewatch_ingest.content_modes import BINARY
from purposewatch_ingest.http.description import (
    BEARER,
    ENCODING_HEADER,
    RECEIVING,
    problems,
    reference,
)
from purposewatch_ingest.http.erasures.endpoint import (
    RAW_UNTIL_RETENTION,
    Erased,
    Erasure,
    ErasuresEndpoint,
)
from purposewatch_ingest.http.problems import ProblemKind

_ERASE = """With the right to it. Deletes what was stated about the subject, and then, where
pseudonyms are kept for each subject, what leads from the subject to its pseudonym: nobody can link
what is left to the subject any more. Says what was done and what is left. Nothing is done while the
reporter, which knows the facts, does not answer. A repeat is harmless."""
_EXAMPLE = {"controller": "wework-labs", "subject_id": "customer-4711"}
_ERASED_EXAMPLE: Mapping[str, Any] = {
    "complete": True,
    "facts_deleted": 2,
    "pseudonym_forgotten": True,
    "remains": [RAW_UNTIL_RETENTION],
}


def add_erasure_route(app: FastAPI, erasures: ErasuresEndpoint) -> None:
    """Add the route that forgets a data subject."""
    app.post(
        "/v1/erasures",
        summary="Forget a data subject",
        description=_ERASE,
        openapi_extra={
            **BEARER,
            "parameters": [ENCODING_HEADER],
            "requestBody": {
                "required": True,
                "content": {BINARY: {"schema": reference("Erasure"), "example": _EXAMPLE}},
            },
        },
        responses={
            200: {
                "description": "What was done, and what is left.",
                "model": Erased,
                "content": {BINARY: {"example": _ERASED_EXAMPLE}},
            },
            **problems(
                *RECEIVING,
                ProblemKind.NOT_FOUND,
                ProblemKind.INVALID_ERASURE,
                ProblemKind.SUBJECTS_UNAVAILABLE,
                ProblemKind.REPORTER_UNAVAILABLE,
                ProblemKind.KAFKA_UNAVAILABLE,
            ),
        },
    )(erasures.erase)


def describe_erasure(schemas: dict[str, dict[str, Any]]) -> None:
    """Add the schema of what is asked: the framework does not read it."""
    schemas["Erasure"] = Erasure.model_json_schema()
