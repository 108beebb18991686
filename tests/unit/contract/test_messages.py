"""The messages: schemas, examples, and what the contract refuses."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from purposewatch_contract import (
    EXAMPLE_DIR,
    MESSAGES,
    SCHEMA_DIR,
    CanonicalEvent,
    SubmittedEvent,
    declared_topics,
    render_schema,
)

ESC = "\x1b"


def submitted(**changes: object) -> dict[str, object]:
    """The example event as a publisher sends it, with changes in `data` or the envelope."""
    event = json.loads((EXAMPLE_DIR / "submitted-event.json").read_text())
    for name, value in changes.items():
        target = event["data"] if name in event["data"] or name not in event else event
        target[name] = value
    return event  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", MESSAGES)
def test_committed_schema_is_what_the_model_says(name: str) -> None:
    """A committed schema that differs from its model fails; `make schemas` writes it."""
    assert (SCHEMA_DIR / f"{name}.json").read_text(encoding="utf-8") == render_schema(name)


@pytest.mark.parametrize("name", MESSAGES)
def test_example_is_valid_for_model_and_schema(name: str) -> None:
    """Each message's example is accepted by its model and by its published JSON Schema."""
    text = (EXAMPLE_DIR / f"{name}.json").read_text(encoding="utf-8")

    MESSAGES[name].model_validate_json(text)
    jsonschema.validate(json.loads(text), json.loads(render_schema(name)))


def test_no_orphans() -> None:
    """Every schema, every example and every topic belongs to a message, and the reverse."""
    names = set(MESSAGES)

    assert names == {path.stem for path in SCHEMA_DIR.glob("*.json")}
    assert names == {path.stem for path in EXAMPLE_DIR.glob("*.json")}
    assert names == {each for topic in declared_topics().values() for each in topic.schemas}


@pytest.mark.parametrize("name", MESSAGES)
def test_round_trip_keeps_every_byte_of_meaning(name: str) -> None:
    """A message that is written and read again is equal to itself."""
    model = MESSAGES[name]
    message = model.model_validate_json((EXAMPLE_DIR / f"{name}.json").read_bytes())

    assert message == model.model_validate_json(message.model_dump_json())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "a\nb"}, "id"),
        ({"id": f"{ESC}[31mred"}, "id"),
        ({"id": "someone@example.org"}, "id"),
        ({"id": "nul\x00"}, "id"),
        ({"purpose": "Marketing"}, "purpose"),
        ({"purpose": "marketing\n"}, "purpose"),
        ({"role": ""}, "role"),
        ({"data_categories": []}, "data_categories"),
        ({"data_categories": ["user.name", "user.name"]}, ""),
        ({"time": "2026-03-02T09:15:00"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"specversion": "0.3"}, "specversion"),
        ({"type": "something.else"}, "type"),
        ({"source": "https://example.org/crm"}, "source"),
        ({"retention_days": -1}, "retention_days"),
        ({"data": {**submitted()["data"], "count": 0}}, "count"),  # type: ignore[dict-item]
        ({"data": {**submitted()["data"], "count": 1_000_001}}, "count"),  # type: ignore[dict-item]
        ({"email": "a value"}, "email"),
        ({"subject_id": ""}, "subject_id"),
    ],
)
def test_contract_refuses(change: dict[str, object], field: str) -> None:
    """A value outside a field's alphabet, and a field the contract does not know, are refused."""
    with pytest.raises(ValidationError) as refused:
        SubmittedEvent.model_validate_json(json.dumps(submitted(**change)))

    assert field in ".".join(str(part) for part in refused.value.errors()[0]["loc"])


TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("id", "13800138000", False),
        ("id", "0049.30.1234567", False),
        ("id", "138-0013-8000", False),
        ("id", "1234567", False),
        ("id", "1:2:3:4:5:6:7--", False),
        ("id", "1" * 15, False),
        ("id", "123456", True),
        ("id", "1" * 16, True),
        ("id", "e13800138000", True),
        ("id", "6f0e2c1a-0001", True),
        ("id", "a" * 128, True),
        ("id", "a" * 129, False),
        ("source", "/crm/.", False),
        ("source", "/crm/..", False),
        ("source", "/crm/../shop", False),
        ("source", "/crm/a/./b", False),
        ("source", "/crm/...", True),
        ("source", "/crm/.a", True),
        ("source", "/crm/a..", True),
        ("traceparent", f"00-{'0' * 32}-{PARENT_ID}-01", False),
        ("traceparent", f"00-{TRACE_ID}-{'0' * 16}-01", False),
        ("traceparent", f"ff-{TRACE_ID}-{PARENT_ID}-01", False),
        ("traceparent", f"00-{'0' * 31}1-{'0' * 15}1-00", True),
        ("traceparent", f"00-{'0' * 16}{'f' * 16}-{PARENT_ID}-00", True),
        ("traceparent", f"fe-{TRACE_ID}-{PARENT_ID}-01", True),
    ],
)
def test_model_and_schema_refuse_the_same_identifiers(
    field: str, value: str, *, accepted: bool
) -> None:
    """Telephone numbers as ids, dot segments, and trace contexts that W3C calls invalid."""
    event = submitted(**{field: value})
    schema = jsonschema.Draft202012Validator(json.loads(render_schema("submitted-event")))
    try:
        SubmittedEvent.model_validate_json(json.dumps(event))
    except ValidationError as refused:
        found = [problem["loc"] for problem in refused.errors()]
    else:
        found = []

    assert found == ([] if accepted else [(field,)])
    assert schema.is_valid(event) == accepted


def test_services_still_read_what_publishers_may_no_longer_send() -> None:
    """Events that were accepted before are in the topics and in the ledger."""
    event = json.loads((EXAMPLE_DIR / "canonical-event.json").read_text(encoding="utf-8"))
    trace = f"00-{'0' * 32}-{PARENT_ID}-01"
    event |= {"id": "13800138000", "source": "/crm/..", "traceparent": trace}

    read = CanonicalEvent.model_validate(event)
    assert (read.id, read.source, read.traceparent) == ("13800138000", "/crm/..", trace)


@pytest.mark.parametrize(
    "field", ["controller", "role", "operation", "purpose", "recipient", "subject_id"]
)
def test_contract_needs(field: str) -> None:
    """An event without one of the fields that a verdict depends on is refused."""
    event = submitted()
    del event["data"][field]  # type: ignore[attr-defined]

    with pytest.raises(ValidationError) as refused:
        SubmittedEvent.model_validate_json(json.dumps(event))

    assert [("data", field)] == [problem["loc"] for problem in refused.value.errors()]


def test_topics_retain_dead_letters_in_full() -> None:
    """The dead-letters topic takes the largest raw record in base64 together with its headers."""
    topics = declared_topics()
    largest = int(topics["raw"].config["max.message.bytes"])

    assert largest * 4 / 3 * 2 < int(topics["dead-letters"].config["max.message.bytes"])


def test_every_file_of_the_package_ships() -> None:
    """The declarations that are read at run time are part of the package."""
    package = Path(SCHEMA_DIR).parent

    assert (package / "topics.yaml").is_file()
