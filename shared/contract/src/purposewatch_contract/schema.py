"""JSON Schemas of the messages, generated from the models and committed beside them.

`python -m purposewatch_contract.schema` writes them; with `--check` it only compares. A schema
changes compatibly (new optional fields) or its message gets a new version.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from purposewatch_contract.dead_letter import DeadLetter
from purposewatch_contract.dead_letter_action import Disposition
from purposewatch_contract.event import CanonicalEvent, SubmittedEvent
from purposewatch_contract.verdict import Verdict

MESSAGES: Mapping[str, type[BaseModel]] = {
    "submitted-event": SubmittedEvent,
    "canonical-event": CanonicalEvent,
    "verdict": Verdict,
    "dead-letter": DeadLetter,
    "disposition": Disposition,
}

SCHEMA_DIR = Path(__file__).parent / "schemas"
EXAMPLE_DIR = Path(__file__).parent / "examples"


def render(name: str) -> str:
    """The JSON Schema of the message called `name`, as it is committed."""
    model = MESSAGES[name]
    schema = model.model_json_schema(mode="validation")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": model.model_fields["dataschema"].default,
        **schema,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` return 1 when a committed one differs."""
    drifted = []
    for name in MESSAGES:
        path = SCHEMA_DIR / f"{name}.json"
        text = render(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        drifted.append(name)
        if "--check" not in arguments:
            SCHEMA_DIR.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in drifted:
        sys.stdout.write(f"{name}: {'differs' if '--check' in arguments else 'written'}\n")
    return int(bool(drifted) and "--check" in arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
