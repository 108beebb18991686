"""Verdicts and dead letters to record, as records of their topics."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from purposewatch_contract import VERDICT_SCHEMA
from purposewatch_reporter.store.event_ids import FirstUse, Uses
from purposewatch_runtime.kafka import Record

PREFIX = "data-access"
SUBJECT = "psn:1:3f5a9c0e7b1d48266a4f8e2b9d7c1350"


def verdict(
    partition: int = 0,
    offset: int = 0,
    *,
    event_id: str | None = None,
    content: str = "first",
    outcome: str = "permitted",
    kind: str | None = None,
    categories: Mapping[str, str] | None = None,
    event_time: str = "2026-03-02T08:15:00Z",
    publisher: str = "crm",
    role: str = "member",
    prefix: str = PREFIX,
    count: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """A verdict; `categories` maps a data category to its outcome, by default the verdict's."""
    if outcome == "violation":
        kind = kind or "undeclared_purpose"
    outcomes = categories or {"user.contact.email": outcome}
    return {
        "dataschema": VERDICT_SCHEMA,
        "position": {"topic": f"{prefix}.events", "partition": partition, "offset": offset},
        "origin": "http",
        "event_id": event_id or f"event-{partition}-{offset}",
        "event_source": f"/{publisher}",
        "event_time": event_time,
        "accepted_time": "2026-03-02T08:15:01Z",
        "decided_time": "2026-03-02T08:15:02Z",
        "publisher": publisher,
        "content_digest": hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        "data": {
            "controller": "wework-labs",
            "role": role,
            "operation": "use",
            "purpose": "marketing.advertising",
            "recipient": "first_party",
            "data_categories": list(outcomes),
            "subject": SUBJECT,
            **({} if count == 1 else {"count": count}),
        },
        "outcome": outcome,
        "kind": kind,
        "policy": {"version": "2018-05-25", "digest": "0" * 64},
        "categories": [
            {
                "data_category": category,
                "outcome": found,
                "kind": kind if found == "violation" else None,
                "grade": {"permitted": "clear", "violation": "omitted", "unknown": None}[found],
                "distance": 0 if found == "permitted" else None,
                "statement": "members.contact.use",
                "clause": "members.1",
                "failed": [],
                "sentence": f"`{category}` is {found}.",
            }
            for category, found in outcomes.items()
        ],
        **more,
    }


def dead_letter(
    partition: int = 0,
    offset: int = 0,
    *,
    topic: str = "events",
    error_class: str = "invalid_event",
    failed_time: str = "2026-03-02T08:15:01Z",
    prefix: str = PREFIX,
) -> dict[str, Any]:
    """A dead letter about the record at that position of `topic`."""
    return {
        "position": {"topic": f"{prefix}.{topic}", "partition": partition, "offset": offset},
        "timestamp": "2026-03-02T08:15:00Z",
        "key": None,
        "value": "bm90IGpzb24=",
        "consumer": "auditor",
        "error_class": error_class,
        "reason": "the record breaks the contract",
        "failed_time": failed_time,
    }


def record(topic: str, partition: int, offset: int, value: Any, key: bytes | None = None) -> Record:
    """A record; a `value` that isn't bytes or None is written as JSON."""
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return ConsumerRecord(
        topic, partition, offset, 1_772_439_300_000, 0, key, raw, None, 0, len(raw or b""), ()
    )


def in_topic(topic: str, values: Sequence[Any], *, start: int = 0) -> list[Record]:
    """The values as records of the topic, each in the partition that its position names, or in 0.

    In each partition they follow each other from `start` on.
    """
    offsets: Counter[int] = Counter()
    records = []
    for value in values:
        partition = value["position"]["partition"] if isinstance(value, dict) else 0
        records.append(record(f"{PREFIX}.{topic}", partition, start + offsets[partition], value))
        offsets[partition] += 1
    return records


def uses(of_ids: Mapping[bytes, FirstUse]) -> Uses:
    """A batch that uses these ids, in this order."""
    each = of_ids.values()
    return Uses(
        names=list(of_ids),
        digests=b"".join(use.content_digest for use in each),
        positions=[(use.partition, use.offset) for use in each],
    )
