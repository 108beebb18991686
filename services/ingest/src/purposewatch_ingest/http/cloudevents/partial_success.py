"""Partial success: the valid events of a batch are accepted although others are refused.

A publisher asks for it with `Prefer: handling=lenient` (RFC 7240, section 4.4). The status stays
202, as it stays 2xx with OTLP and with the bulk interfaces of Elasticsearch, BigQuery and Kinesis,
and the body says which events were refused: a client that only looks at the status must not send
the accepted ones again and again because of one that can never be accepted.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request

from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.http.problems import FieldProblem, field_problems

APPLIED: Final = {"Preference-Applied": "handling=lenient"}
MAX_FAULTS_PER_EVENT: Final = 4
"""Bounds the answer; every refused one is named with at least one fault."""


class Accepted(BaseModel):
    """How many are acknowledged, and with partial success, which ones are refused."""

    accepted: int
    refused: int = Field(default=0, description="With `Prefer: handling=lenient`.")
    errors: list[FieldProblem] = Field(
        default_factory=list,
        description="With `Prefer: handling=lenient`: why. Names every refused one by its index.",
    )


def is_partial_success_preferred(request: Request) -> bool:
    """Whether the request says `Prefer: handling=lenient`; the first `handling` counts."""
    for header in request.headers.getlist("prefer"):
        for preference in header.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "handling":
                return value.strip().strip('"').lower() == "lenient"
    return False


def partial_success(accepted: int, refused: Mapping[int, RefusedError]) -> dict[str, Any]:
    """The answer to a request some of whose events or facts, by index, are refused."""
    errors = field_problems(refused, max_faults=MAX_FAULTS_PER_EVENT)
    return Accepted(accepted=accepted, refused=len(refused), errors=errors).model_dump(
        exclude_unset=True
    )
