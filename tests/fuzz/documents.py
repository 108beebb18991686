"""Both services answer what their OpenAPI documents say, whoever asks and whatever is asked.

`python -m tests.fuzz` runs it, with other requests each time. The documents are used as they are
published. That each accepts what is valid and refuses what is not is tested in the unit tier, with
documents that also say what an installation declares, and as somebody who may do everything.
"""

import asyncio
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.schemas import BaseSchema

from tests.fuzz.target import assert_silent
from tests.fuzz.targets.http_ingest import KEYS, application
from tests.harness.openapi import under_test
from tests.unit.reporter import test_openapi as reporter

pytest_plugins = ["schemathesis.pytest.plugin"]

_EXAMPLES = 40
_DIRECTORY = TemporaryDirectory()
_FOR_INGEST = "a token with which ingest asks"
_INGEST = application()
_REPORTER, _RECONCILER = reporter.application(
    _DIRECTORY.name, reporter_event_status_token=_FOR_INGEST
)


def _as(app: FastAPI, token: str | None) -> BaseSchema:
    return under_test(
        app,
        app.openapi(),
        token=token,
        examples=_EXAMPLES,
        deterministic=False,
        says_what_is_valid=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _filled() -> Iterator[None]:
    with _DIRECTORY:
        asyncio.run(reporter.fill(_DIRECTORY.name, _RECONCILER))
        yield


_ALL = {
    "ingest": {**KEYS, "stranger": "pwk_a-key-of-nobody"},
    "reporter": {"token": reporter.TOKEN, "ingest": _FOR_INGEST, "stranger": "another token"},
}
_SERVICES = {"ingest": _INGEST, "reporter": _REPORTER}


@schemathesis.pytest.parametrize(
    **{
        f"{service}_{name}": _as(_SERVICES[service], token)
        for service, tokens in _ALL.items()
        for name, token in tokens.items()
    }
)
def test_every_answer_is_described(case: schemathesis.Case[Any]) -> None:
    """None is an error of ours, and a problem shows nothing of what was sent."""
    response = case.call_and_validate()
    if response.status_code >= 400:
        assert_silent(response.content)
