"""The reporter answers what its OpenAPI document says, whatever it is sent."""

import asyncio
import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import settings

from purposewatch_reporter import app as composition
from purposewatch_reporter.api.problems import Problem
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.web import app as web_app
from purposewatch_reporter.wiring import LedgerComponents, build_ledger
from tests.harness.openapi import (
    COMING,
    EARLIER,
    LATER,
    call_and_validate,
    described_problems,
    under_test,
)
from tests.unit.reporter.conftest import empty_database, ledger_writer_of
from tests.unit.reporter.facts.records import at, fact, in_facts, in_verdicts, used
from tests.unit.reporter.records import dead_letter, in_topic, verdict
from tests.unit.reporter.what_if.borrowers import CONTROLLER, POLICIES, POLICY, ReadPolicies

pytest_plugins = ["schemathesis.pytest.plugin"]

TOKEN = "a token of enough letters"
DIRECTORY = TemporaryDirectory()
CURSOR = base64.urlsafe_b64encode(json.dumps(["2026-03-02T08:15:00Z", "0" * 32]).encode()).decode()
KEPT = {
    "events": ("hour", "controller", "publisher", "outcome", "kind"),
    "decisions": (
        *("hour", "controller", "role", "category", "purpose", "recipient", "outcome", "kind"),
    ),
}
"""The dimensions that counts are kept by."""


def application(directory: str, **more: object) -> tuple[FastAPI, Reconciler]:
    """The reporter as it is put together for production, on a database that is filled later."""
    built: list[LedgerComponents] = []

    def build(*arguments: Any, **options: Any) -> LedgerComponents:
        built.append(build_ledger(*arguments, **options))
        return built[-1]

    given = {
        "database_url": f"sqlite+aiosqlite:///{directory}/ledger.db",
        "reporter_api_token": TOKEN,
        "policies_dir": POLICIES,
        **more,
    }
    with (
        patch.object(composition, "build_ledger", build),
        patch.object(web_app, "DeclaredPolicies", ReadPolicies),
    ):
        app, _ = composition.build_app(ReporterSettings.model_validate(given))
    return app, built[0].reconciler


APP, RECONCILER = application(DIRECTORY.name)


async def fill(directory: str, reconciler: Reconciler) -> None:
    """Record violations, unknown flows, permitted ones, a conflict and a dead letter, facts."""
    database = empty_database(Path(directory))
    writer = ledger_writer_of(database)
    values = [
        verdict(0, offset, outcome=outcome, categories={"user.name": outcome})
        for offset, outcome in enumerate(["violation", "unknown", "permitted"] * 4)
    ]
    values.append(verdict(0, 12, event_id="event-0-0", content="other"))
    await writer.record_verdicts(in_topic("verdicts", values))
    await writer.record_dead_letters(in_topic("dead-letters", [dead_letter(0, 13)]))
    late = used(13, at(9))
    await writer.record_verdicts(in_verdicts([late], start=13))
    await writer.record_facts(in_facts([fact(), fact("s-2", value=False, effective_from=at(10))]))
    await database.stop()
    with pytest.raises(ConnectionError):  # without Kafka, what it would know is unknown
        await reconciler.refresh()
    await reconciler._database.stop()  # its connections belong to this event loop


@pytest.fixture(scope="module", autouse=True)
def _filled() -> Iterator[None]:
    with DIRECTORY:
        asyncio.run(fill(DIRECTORY.name, RECONCILER))
        yield


def document_of(counted: str) -> dict[str, Any]:
    """The document with the rules that OpenAPI can't express.

    `since` is before `until`, both are whole hours for counts, a cursor is the `next` of a page, a
    silence ends within a year, a policy is valid, and counts of either kind are kept by some
    dimensions only.
    """
    document = copy.deepcopy(APP.openapi())
    hours = {"since": EARLIER, "until": LATER}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "cursor":
                    parameter["schema"] = {"enum": [CURSOR]}
                elif parameter["name"] in hours:
                    parameter["schema"] = {"type": "string", "format": hours[parameter["name"]]}
                    del parameter["example"]
    schemas = document["components"]["schemas"]
    schemas["SilenceRequest"]["properties"]["expires_time"]["format"] = COMING
    what_if = schemas["WhatIfRequest"]["properties"]
    what_if["policy"] = {"enum": [POLICY, None]}
    what_if["parts"] = {"enum": [[]]}
    what_if["controller"] = {"enum": [CONTROLLER, None]}
    for name, value in hours.items():
        what_if[name]["anyOf"][0]["format"] = value
    schemas["Counted"]["enum"] = [counted]
    schemas["CountDimension"]["enum"] = list(KEPT[counted])
    counts = document["paths"]["/api/v1/counts"]["get"]
    names = {"of", "by", "since", "until", *KEPT[counted]}
    counts["parameters"] = [each for each in counts["parameters"] if each["name"] in names]
    for parameter in counts["parameters"]:
        parameter["required"] = parameter["name"] == "of"
    return document


EVENTS = under_test(APP, document_of("events"), token=TOKEN)
DECISIONS = under_test(APP, document_of("decisions"), token=TOKEN).include(path="/api/v1/counts")


@schemathesis.pytest.parametrize(events=EVENTS, decisions=DECISIONS)
def test_reporter_does_what_its_document_says(case: schemathesis.Case[Any]) -> None:
    """Valid requests are accepted, invalid ones refused, and every response is described."""
    call_and_validate(case)


def test_silences_that_were_added_can_be_ended() -> None:
    """Along the document's link from the one to the other; what was added is found at once."""
    ended: list[str] = []

    class Silencing(EVENTS.include(path_regex="/silences").as_state_machine()):  # type: ignore[misc]  # made by schemathesis
        def after_call(self, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
            if case.path.endswith("/end") and response.status_code == 200:
                ended.append(response.json()["id"])

    bounds = settings(
        Silencing.TestCase.settings,
        max_examples=5,
        stateful_step_count=4,
        derandomize=True,
        database=None,
    )
    Silencing.run(settings=bounds)
    assert ended


def test_parameters_have_examples_unless_their_values_are_listed() -> None:
    """The documentation page fills its form with them."""
    without = {
        parameter["name"]
        for operations in APP.openapi()["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if "example" not in parameter
    }
    listed = {
        "of",
        "by",
        "kind",
        "outcome",
        "severity",
        "state",
        "error_class",
        "active",
        "exceptions",
        "limit",
        "format",
        "lang",
    }
    assert without == listed | {"cursor"}  # which comes from the page before


def test_every_problem_is_described_with_an_example() -> None:
    """With the status that it is answered with; every operation asks for the token."""
    document = APP.openapi()
    for status, example in described_problems(document):
        assert Problem.model_validate(example).status == status
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["security"] == [{"HTTPBearer": []}]
            assert {"401", "405", "503"} <= operation["responses"].keys()
