"""The route of gaps, and what the OpenAPI document says about it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from purposewatch_contract import SubmittedGap, read_example
from purposewatch_ingest.content_modes import BINARY
from purposewatch_ingest.http.description import (
    BEARER,
    ENCODING_HEADER,
    LIMIT_HEADERS,
    PUBLISHING,
    problems,
    reference,
)
from purposewatch_ingest.http.gaps.endpoint import AcceptedGaps, GapsEndpoint
from purposewatch_ingest.http.problems import ProblemKind

_REPORT = """For what you saw and could not state as an event: a dataset without a mapping, a
service without a purpose, a subject that can't be resolved, events that you had to drop. Name
things, never values. Answers 202 once Kafka has acknowledged every gap, all or nothing. After a
503, or no answer at all, send the same gaps again with the same ids: a repeat is counted once."""
_ACCEPTED: Mapping[str, Any] = {
    "description": "Every gap is acknowledged.",
    "model": AcceptedGaps,
    "headers": LIMIT_HEADERS,
    "content": {"application/json": {"example": {"accepted": 1}}},
}


def add_gap_route(app: FastAPI, gaps: GapsEndpoint) -> None:
    """Add the route that reports gaps."""
    app.post(
        "/v1/gaps",
        status_code=202,
        summary="Report what you could not state as events",
        description=_REPORT,
        openapi_extra=_reporting(gaps.max_batch),
        responses={202: dict(_ACCEPTED), **problems(*PUBLISHING, ProblemKind.INVALID_GAP)},
    )(gaps.publish_gaps)


def _reporting(max_batch: int) -> dict[str, Any]:
    """What requests with gaps hold."""
    gap = reference("SubmittedGap")
    example = {
        name: value
        for name, value in read_example("gap").items()
        if name in SubmittedGap.model_fields
    }
    return {
        **BEARER,
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
