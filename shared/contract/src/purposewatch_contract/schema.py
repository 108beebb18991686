"""JSON Schemas of the messages, generated from the models and committed beside them.

`python -m purposewatch_contract` writes them; with `--check` it only compares. A schema
changes compatibly (new optional fields) or its message gets a new version.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from purposewatch_contract.dead_letter import DeadLetter
from purposewatch_contract.dead_letter_action import Disposition
from purposewatch_contract.event import CanonicalEvent, SubmittedEvent
from purposewatch_contract.fact import CanonicalFact, SubmittedFact
from purposewatch_contract.gap import Gap
from purposewatch_contract.verdict import Verdict

MESSAGES: Mapping[str, type[BaseModel]] = {
    "submitted-event": SubmittedEvent,
    "canonical-event": CanonicalEvent,
    "verdict": Verdict,
    "dead-letter": DeadLetter,
    "disposition": Disposition,
    "gap": Gap,
    "submitted-fact": SubmittedFact,
    "canonical-fact": CanonicalFact,
}

SCHEMA_DIR = Path(__file__).parent / "schemas"
EXAMPLE_DIR = Path(__file__).parent / "examples"


def read_example(name: str) -> dict[str, Any]:
    """The example of the message called `name`."""
    example: dict[str, Any] = json.loads((EXAMPLE_DIR / f"{name}.json").read_text("utf-8"))
    return example


def render_schema(name: str) -> str:
    """The JSON Schema of the message called `name`, as it is committed."""
    model = MESSAGES[name]
    schema = model.model_json_schema(mode="validation")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": model.model_fields["dataschema"].default,
        **schema,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
