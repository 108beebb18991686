"""Ingest answers what its OpenAPI document says, whatever it is sent."""

import copy
import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest
import schemathesis
from fastapi import FastAPI
from pydantic import BaseModel

from purposewatch_contract import SubmittedEvent, SubmittedFact
from purposewatch_ingest import app as composition
from purposewatch_ingest.http.events.status import EVENT_STATUS_EXAMPLE
from purposewatch_ingest.http.problems import Problem, ProblemKind
from purposewatch_ingest.reporter import ReporterClient
from purposewatch_ingest.settings import IngestSettings
from purposewatch_policy.vocabulary import load_vocabularies
from purposewatch_runtime.kafka import AcknowledgedProducer, OutgoingRecord, Tombstone
from tests.harness.environment import POLICIES
from tests.harness.openapi import EARLIER, call_and_validate, described_problems, under_test
from tests.unit.ingest.conftest import KEY

pytest_plugins = ["schemathesis.pytest.plugin"]

CONTROLLER = "wework-labs"
LEDGER_FACT = "consent.marketing"
OWN_SOURCE = r"^/crm(/[A-Za-z0-9]{1,8}){0,4}$"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
BINARY = "application/json"


class AcknowledgingProducer(AcknowledgedProducer):
    """Stands in for Kafka."""

    async def publish(self, records: Sequence[OutgoingRecord | Tombstone]) -> None:
        """Acknowledge at once."""


class KnowingReporter(ReporterClient):
    """Stands in for the reporter."""

    async def status_of(self, source: str, event_id: str) -> bytes | None:
        """Tell the same of every event."""
        return json.dumps(EVENT_STATUS_EXAMPLE).encode()

    async def facts_of(
        self, controller: str, subject: str, *, as_of: datetime, fact: str | None = None
    ) -> bytes:
        """Know of no fact."""
        return json.dumps({"as_of": as_of.isoformat(), "statements": []}).encode()


def application() -> FastAPI:
    """Ingest as it is put together for production, with one publisher and our policies."""
    with TemporaryDirectory() as directory:
        register = Path(directory) / "publishers.yaml"
        digest = sha256(KEY.encode()).hexdigest()
        register.write_text(
            f"publishers: {{crm: {{key_sha256: [{digest}], controllers: [{CONTROLLER}], "
            "states_facts: ['*'], reads_facts: ['*'], erases_subjects: true}}"
        )
        settings = IngestSettings.model_validate(
            {
                "pseudonym_key": "ab" * 32,
                "publishers_file": register,
                "policies_dir": POLICIES,
                "ingest_public_url": "https://ingest.example.com",
                "ingest_reporter_url": "http://127.0.0.1:1",
            }
        )
        with (
            patch.object(composition, "AcknowledgedProducer", AcknowledgingProducer),
            patch.object(composition, "ReporterClient", KnowingReporter),
        ):
            app, _ = composition.build_app(settings)
    return app


APP = application()


def document_of(mode: str) -> dict[str, Any]:
    """The document narrowed to one content mode, and to the publisher's own source and vocabulary.

    OpenAPI can't say that a header is required in one content type, and no document knows which
    controllers an installation has and who is registered.
    """
    document = copy.deepcopy(APP.openapi())
    publishing = [document["paths"][path]["post"] for path in ("/v1/events", "/v1/facts")]
    publishing[1]["requestBody"]["content"][STRUCTURED]["example"]["source"] = "/crm"  # its own
    [controller, *_] = document["paths"]["/v1/facts"]["get"]["parameters"]
    controller["schema"] = {"enum": [CONTROLLER]}
    _narrow_to_paths(document["paths"], mode)
    for path, operations in document["paths"].items():
        if "post" in operations:
            if not path.startswith(("/access/", "/v1/gaps", "/v1/erasures")):
                _narrow_to_mode(operations["post"]["requestBody"]["content"], mode)
            _narrow_to_plain_content(operations["post"]["parameters"])
    schemas = document["components"]["schemas"]
    for operation, model in zip(publishing, ("SubmittedEvent", "SubmittedFact"), strict=True):
        _narrow_attribute_headers(operation["parameters"], schemas[model]["required"], mode)
        _narrow_attributes(schemas[model]["properties"])
    _narrow_attributes(schemas["AskedEvent"]["properties"])
    fact = schemas["SubmittedFactData"]["properties"]
    fact["controller"] = {"enum": [CONTROLLER]}
    fact["fact"] = {"enum": [LEDGER_FACT]}
    fact["until"] = {"enum": [None]}  # no schema can say that it is after another field
    fact["effective_from"] = {"type": ["string", "null"], "format": EARLIER}
    schemas["Erasure"]["properties"]["controller"] = {"enum": [CONTROLLER]}
    gap = schemas["SubmittedGap"]["properties"]
    gap["time"]["format"] = EARLIER
    gap["controller"] = {"enum": [CONTROLLER, None]}
    _narrow_to_vocabulary(schemas["SubmittedData"])
    _narrow_to_vocabulary(schemas["AskedData"])
    _narrow_evaluations(schemas["EvaluationRequest"]["properties"], schemas["AskedData"])
    return document


def _narrow_attribute_headers(
    parameters: list[dict[str, Any]], required: Sequence[str], mode: str
) -> None:
    """Attributes are headers in binary mode alone, and then some are required."""
    for header in [each for each in parameters if each["name"].startswith("ce-")]:
        if mode != BINARY:
            parameters.remove(header)
            continue
        name = header["name"].removeprefix("ce-")
        header["required"] = name in required
        _narrow_attributes({name: header["schema"]})


def _narrow_evaluations(entities: dict[str, Any], data: dict[str, Any]) -> None:
    fields = data["properties"]
    categories = fields["data_categories"]["items"]
    entities["subject"]["properties"]["type"] = fields["role"]
    entities["action"]["properties"]["name"] = fields["operation"]
    resource = entities["resource"]["properties"]
    resource["id"] = categories
    # one that is named twice is refused, which no schema can say of two places
    resource["properties"]["properties"]["data_categories"]["maxItems"] = 0
    context = entities["context"]["properties"]
    context |= {name: fields[name] for name in context.keys() & fields.keys()}
    context["time"]["format"] = EARLIER


def _narrow_to_plain_content(parameters: list[dict[str, Any]]) -> None:
    """What is sent here is not compressed."""
    [encoding] = (each for each in parameters if each["name"] == "Content-Encoding")
    encoding["schema"] = {"enum": ["identity"]}


def _narrow_to_paths(paths: dict[str, Any], mode: str) -> None:
    """Leave each address to one mode, if its answers do not depend on the mode."""
    if mode != STRUCTURED:
        del paths["/v1/vocabulary/{controller}"]
        del paths["/v1/gaps"]
        del paths["/v1/erasures"]
        del paths["/v1/facts"]  # in the other modes, they are handled as events
        del paths["/v1/events/{id}"]
    if mode == BATCHED:  # many events are decided like one
        del paths["/v1/decisions"]
    if mode != BINARY:  # evaluations have its content type
        for path in [each for each in paths if each.startswith("/access/")]:
            del paths[path]


def _narrow_attributes(schemas: dict[str, Any]) -> None:
    if "source" in schemas:
        schemas["source"]["pattern"] = OWN_SOURCE
    if "time" in schemas:
        schemas["time"]["format"] = EARLIER


def _narrow_to_mode(content: dict[str, Any], mode: str) -> None:
    for other in content.keys() - {mode}:
        del content[other]
    if mode == BATCHED:  # what an event and its data may hold is tested in structured mode
        content[mode]["schema"]["items"] = {"enum": content[mode]["example"]}
    elif mode == BINARY:
        content[mode]["schema"] = {"enum": [content[mode]["example"]]}


def _narrow_to_vocabulary(data: dict[str, Any]) -> None:
    taxonomies = load_vocabularies(POLICIES)[CONTROLLER].taxonomies()
    fields = data["properties"]
    fields["controller"] = {"enum": [CONTROLLER]}
    fields["facts"]["propertyNames"] = {"enum": list(taxonomies["facts"])}
    fields["data_categories"]["items"] = {"enum": list(taxonomies["data_categories"])}
    for field in ("role", "operation", "purpose", "recipient", "source", "location", "legal_basis"):
        terms = taxonomies["legal_bases" if field == "legal_basis" else f"{field}s"]
        absent = [] if field in data["required"] else [None]
        fields[field] = {"enum": [*terms, *absent]}


def without_fractions(value: Any) -> Any:
    """JSON Schema takes 30.0 for a whole number; the contract does not."""
    if isinstance(value, dict):
        return {name: without_fractions(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_fractions(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


MODES = {"structured": STRUCTURED, "batched": BATCHED, "binary": BINARY}


@schemathesis.pytest.parametrize(
    **{name: under_test(APP, document_of(mode), token=KEY) for name, mode in MODES.items()}
)
def test_ingest_does_what_its_document_says(case: schemathesis.Case[Any]) -> None:
    """Valid requests are accepted, invalid ones refused, and every response is described."""
    # What is assigned is judged again by its schema alone, which does not know our formats: an
    # invalid time would count as valid. So what is invalid stays as it is.
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.body = without_fractions(case.body)
    call_and_validate(case)


def test_every_problem_is_described_with_an_example() -> None:
    """All kinds of them, with their statuses."""
    described = described_problems(APP.openapi())
    assert {f"urn:purposewatch:problem:{kind.label}" for kind in ProblemKind} == {
        example["type"] for _, example in described
    }
    for status, example in described:
        assert Problem.model_validate(example, strict=True).status == status


def test_examples_of_answers_satisfy_their_schemas() -> None:
    """Those of success; problems are checked above."""
    document = APP.openapi()
    checked = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {})
                examples = [each["value"] for each in content.get("examples", {}).values()]
                examples += [content["example"]] if "example" in content else []
                for example in examples:
                    schema = {**content.get("schema", {}), "components": document["components"]}
                    jsonschema.validate(example, schema)
                    checked.add((path, status))
    assert checked >= {
        ("/v1/events", "202"),
        ("/v1/facts", "202"),
        ("/v1/facts", "200"),
        ("/v1/erasures", "200"),
        ("/v1/events/{id}", "200"),
        ("/v1/decisions", "200"),
        ("/access/v1/evaluation", "200"),
        ("/access/v1/evaluations", "200"),
        ("/.well-known/authzen-configuration", "200"),
    }


@pytest.mark.parametrize(
    ("path", "model"), [("/v1/events", SubmittedEvent), ("/v1/facts", SubmittedFact)]
)
def test_binary_mode_has_a_header_for_every_attribute(path: str, model: type[BaseModel]) -> None:
    """With the schema that the attribute has in the content, and an example that satisfies it."""
    publishing = APP.openapi()["paths"][path]["post"]
    headers = {header["name"]: header for header in publishing["parameters"]}
    attributes = set(model.model_fields) - {"data", "datacontenttype"}
    assert headers.keys() == {f"ce-{name}" for name in attributes} | {
        "traceparent",
        "Prefer",
        "Content-Encoding",
    }
    for header in headers.values():
        jsonschema.validate(header["example"], header["schema"])
