"""Valid messages of every kind, with personal values where a publisher could put some."""

import json
from typing import Any

from purposewatch_contract import EXAMPLE_DIR
from tests.fuzz.target import PERSONAL

MAIL, PHONE, OTHER = PERSONAL


def example(name: str) -> dict[str, Any]:
    """A published example."""
    document: dict[str, Any] = json.loads((EXAMPLE_DIR / f"{name}.json").read_text("utf-8"))
    return document


def compact(document: object) -> bytes:
    """As services encode it."""
    return json.dumps(document, separators=(",", ":")).encode()


def spaced(document: object) -> bytes:
    """As a person writes it."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


EVENT = {
    **example("submitted-event"),
    "source": "/crm",
    "time": "2026-03-02T08:15:00Z",
    "data": {
        "controller": "wework-labs",
        "role": "member",
        "operation": "share",
        "purpose": "marketing.advertising",
        "recipient": "third_party.advertising",
        "data_categories": ["user.contact.email", "user.name"],
        "subject_id": MAIL,
        "facts": {"consent.marketing": True},
        "count": 17,
        "retention_days": 30,
        "source": "employer",
    },
}
STRANGE_EVENT = {**EVENT, "note": OTHER, "data": {**EVENT["data"], "email": MAIL, "role": PHONE}}
FACT = {
    **example("submitted-fact"),
    "source": "/crm",
    "time": "2026-03-02T08:15:00Z",
    "data": {
        "controller": "wework-labs",
        "fact": "consent.marketing",
        "value": True,
        "effective_from": "2026-03-01T08:15:00Z",
        "until": "2028-03-01T08:15:00Z",
        "evidence": "receipt/17",
        "subject_id": MAIL,
    },
}
STRANGE_FACT = {**FACT, "data": {**FACT["data"], "value": OTHER, "evidence": MAIL}}
FACT_KEY = (
    b"psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350/wework-labs/consent.marketing/-17/"
    b"9f2c1d7e5b8a4036c1e2f3a4b5c6d7e8"
)
GAP = {
    "id": "g-1",
    "kind": "unmapped_dataset",
    "name": "crm.members",
    "count": 3,
    "time": "2026-03-02T08:15:00Z",
    "controller": "wework-labs",
}
WORDS = tuple(
    each.encode()
    for each in (
        *("specversion", "id", "source", "type", "time", "data", "datacontenttype", "dataschema"),
        *("traceparent", "subject_id", "subject", "count", "facts", "data_categories", "role"),
        *("user.contact.email", "user.name", "user.", "wework-labs", "consent.marketing", "/crm"),
        *("purposewatch.data_access.v1", "purposewatch.fact.v1", "first_party", "employer", "eu"),
        *("psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350", "data-access.raw/3/17", "http", "permitted"),
        *("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "2026-03-02T08:15:00.5Z"),
        *('"id":"x",', '"facts":{},', '},"data":{', ',"subject_id":"x"', *PERSONAL),
    )
)
