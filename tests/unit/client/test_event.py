"""Events are encoded as the contract reads them, and a wrong field is named."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from purposewatch_client import EventError, EventFields
from purposewatch_client.event import EventEncoder
from purposewatch_contract.submission import parse_json, read_event

USUAL: EventFields = {
    "subject": "customer-4711",
    "controller": "wework-labs",
    "role": "member",
    "operation": "use",
    "purpose": "essential.service",
    "categories": ["user.name"],
}


def encode(**fields: Any) -> dict[str, Any]:
    """The decoded event of the usual fields and these; ingest's reader accepts it."""
    event_id, event = EventEncoder("/portal").encode({**USUAL, **fields})
    read_event(parse_json(event))
    decoded: dict[str, Any] = json.loads(event)
    assert decoded["id"] == event_id
    return decoded


def test_count_is_stated_unless_it_is_one() -> None:
    """An event stands for several accesses, and shares its flow with others."""
    for count in (2, 1_000_000):
        assert encode(count=count)["data"]["count"] == count
    for same in (1, None):
        assert "count" not in encode(count=same)["data"]
    encoder = EventEncoder("/portal")
    for each in (None, 2, 3):
        encoder.encode({**USUAL, "count": each})
    assert len(encoder._flows) == 1


@pytest.mark.parametrize("count", [0, -1, 1_000_001, 2.0, "2", True])
def test_count_out_of_range_is_refused(count: object) -> None:
    """It is named, with its range."""
    with pytest.raises(EventError, match="`count` must be a whole number of accesses from 1 to"):
        encode(count=count)


def test_every_field_arrives() -> None:
    """Under the contract's names."""
    event = encode(
        subject='a"b\\ü',
        recipient="processor",
        categories=("user.name", "user.contact.email", "user.name"),
        data_source="employer",
        location="eu",
        retention_days=30,
        legal_basis="consent",
        facts={"consent.marketing": True},
        actor="jobs/newsletter",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        time=datetime(2026, 3, 2, 9, 15, tzinfo=timezone(timedelta(hours=1))),
        id="e-1",
    )
    assert event == {
        "specversion": "1.0",
        "type": "purposewatch.data_access.v1",
        "source": "/portal/jobs/newsletter",
        "id": "e-1",
        "time": "2026-03-02T08:15:00Z",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data": {
            "controller": "wework-labs",
            "role": "member",
            "operation": "use",
            "purpose": "essential.service",
            "recipient": "processor",
            "source": "employer",
            "location": "eu",
            "legal_basis": "consent",
            "data_categories": ["user.name", "user.contact.email"],
            "retention_days": 30,
            "facts": {"consent.marketing": True},
            "subject_id": 'a"b\\ü',
        },
    }


def test_what_is_left_out_is_filled_in() -> None:
    """Id, time and recipient."""
    before = datetime.now(UTC)
    event = encode(categories="user.name")
    assert before <= datetime.fromisoformat(event["time"]) <= datetime.now(UTC)
    assert event["id"] != encode()["id"]
    assert event["data"]["recipient"] == "first_party"
    assert event["data"]["data_categories"] == ["user.name"]


def test_a_list_that_changes_is_read_again() -> None:
    """What is cached does not depend on the caller's own objects."""
    encoder, categories, facts = EventEncoder("/portal"), ["user.name"], {"loan.overdue": True}
    encoder.encode({**USUAL, "categories": categories, "facts": facts})
    categories.append("user.contact.email")
    facts["loan.overdue"] = False
    data = json.loads(encoder.encode({**USUAL, "categories": categories, "facts": facts})[1])[
        "data"
    ]
    assert data["data_categories"] == ["user.name", "user.contact.email"]
    assert data["facts"] == {"loan.overdue": False}


@pytest.mark.parametrize("subject", [4711, UUID(int=7), "x" * 256])
def test_a_subject_may_be_a_number(subject: Any) -> None:
    """Identifiers in databases are numbers and UUIDs."""
    assert encode(subject=subject)["data"]["subject_id"] == str(subject)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"subject": None}, "`subject` is missing"),
        ({"subject": True}, "`subject` must be"),
        ({"subject": "a\nb"}, "`subject` must be"),
        ({"subject": "\ud800"}, "`subject` must be"),
        ({"subject": "x" * 257}, "`subject` must be"),
        ({"controller": None}, "`controller` is missing"),
        ({"controller": "WeWork"}, "`controller` must be"),
        ({"role": None}, "`role` is missing"),
        ({"role": "Member"}, "`role` must be"),
        ({"role": ["member"]}, "`role` must be"),
        ({"purpose": "a" * 129}, "`purpose` must be"),
        ({"operation": "share"}, "`recipient` is missing"),
        ({"categories": None}, "`categories` must be"),
        ({"categories": []}, "`categories` must be"),
        ({"categories": 5}, "`categories` must be"),
        ({"categories": ["mail@example.org"]}, "`categories` must be"),
        ({"categories": [["user"]]}, "`categories` must be"),
        ({"categories": [f"user.c{number}" for number in range(65)]}, "`categories` must be"),
        ({"retention_days": True}, "`retention_days` must be"),
        ({"retention_days": -1}, "`retention_days` must be"),
        ({"facts": {"consent": 1}}, "`facts` must be"),
        ({"facts": ["consent"]}, "`facts` must be"),
        ({"actor": "../up"}, "`actor` must be"),
        ({"actor": "a/b/c/d/e"}, "`actor` must be"),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, "`traceparent` must be"),
        ({"time": datetime(2026, 1, 1)}, "`time` must be"),  # noqa: DTZ001
        ({"time": "2026-03-02T08:15:00Z"}, "`time` must be"),
        ({"id": "0171-1234567"}, "`id` must be"),
        ({"id": "a b"}, "`id` must be"),
        ({"value": "x"}, "`value` is not a field"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], said: str) -> None:
    """And its value is not quoted, whether the flow is cached or not."""
    encoder = EventEncoder("/portal")
    encoder.encode({**USUAL})
    with pytest.raises(EventError, match=said) as raised:
        encoder.encode({**USUAL, **fields})
    assert "example.org" not in str(raised.value)


def test_an_unknown_field_is_found_though_the_flow_is_cached() -> None:
    """A misspelt optional field must not be dropped without a word."""
    encoder = EventEncoder("/portal")
    encoder.encode({**USUAL})
    with pytest.raises(EventError, match="`legalbasis` is not a field"):
        encoder.encode({**USUAL, "legalbasis": "consent"})


def test_the_cache_is_bounded() -> None:
    """However many flows there are."""
    encoder = EventEncoder("/portal")
    for number in range(5000):
        encoder.encode({**USUAL, "retention_days": number})
    assert len(encoder._flows) <= 4096
