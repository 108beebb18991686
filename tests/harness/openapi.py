"""Schemathesis sends an application what its OpenAPI document allows, and what it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import ignored_auth

EARLIER, LATER, COMING = "earlier-hour", "later-hour", "coming-hour"
"""Formats for documents under test: whole hours before and from 2020 on, and of the next months."""

_DIVIDE = datetime(2020, 1, 1, tzinfo=UTC)
_ACCEPTANCE = ("positive_data_acceptance", "negative_data_rejection", "missing_required_header")
_REFUSALS = ("400", "401", "403", "404", "405", "408", "413", "415", "422")


def _hours(first: int, last: int, *, since: datetime = _DIVIDE) -> st.SearchStrategy[str]:
    hours = st.integers(first, last).map(lambda number: since + timedelta(hours=number))
    return hours.map(lambda time: time.isoformat().replace("+00:00", "Z"))


schemathesis.openapi.format(EARLIER, _hours(-10_000, -1))
schemathesis.openapi.format(LATER, _hours(0, 10_000))
schemathesis.openapi.format(COMING, _hours(24, 5_000, since=datetime.now(UTC)))


def under_test(
    app: FastAPI,
    document: dict[str, Any],
    *,
    token: str | None,
    examples: int = 10,
    deterministic: bool = True,
    says_what_is_valid: bool = True,
) -> BaseSchema:
    """The operations of the document, which get the same requests in every run.

    All checks of schemathesis are on, but for those of whether a request is accepted where the
    document does not say it. The application is not started: what needs Kafka is the caller's to
    replace. Unless `deterministic`, the requests depend on the seed of hypothesis.
    """

    @asynccontextmanager
    async def not_started(_: FastAPI) -> AsyncIterator[None]:
        yield

    app.router.lifespan_context = not_started
    schemes = document["components"]["securitySchemes"] if token is not None else ()
    checks: dict[str, Any] = {"negative_data_rejection": {"expected-statuses": list(_REFUSALS)}}
    if not says_what_is_valid:
        checks = {name: {"enabled": False} for name in _ACCEPTANCE}
    config = SchemathesisConfig.from_dict(
        {
            "auth": {"openapi": {name: {"bearer": token} for name in schemes}},
            "checks": checks,
            "analysis": {"constants": {"enabled": False}},  # requests depend on the document alone
            "suppress-health-check": ["all"],  # they are about schemathesis, not about the service
            "generation": {
                "max-examples": examples,
                "deterministic": deterministic,
                "database": "none",
            },
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = app
    return schema


_probed: set[str] = set()


def call_and_validate(case: schemathesis.Case[Any]) -> None:
    """Send the request and check the response.

    That an operation asks for its token is checked once: each such check sends two more requests.
    """
    operation = case.operation.label
    excluded = [ignored_auth] if operation in _probed else []
    response = case.call_and_validate(excluded_checks=excluded)
    if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        _probed.add(operation)


def described_problems(document: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Status and example of every problem that is described; fails for one without an example.

    Every response of a status from 400 on must be described as problem details.
    """
    described = []
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    [(media_type, content)] = response["content"].items()
                    assert media_type == "application/problem+json"
                    examples = content.get("examples") or {"": {"value": content["example"]}}
                    described += [(int(status), each["value"]) for each in examples.values()]
    return described
