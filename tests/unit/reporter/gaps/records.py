"""Gaps to record, as records of their topic."""

from collections.abc import Sequence
from typing import Any

from purposewatch_contract import GAP_SCHEMA
from purposewatch_runtime.kafka import Record
from tests.unit.reporter.records import PREFIX, record


def gap(name: str = "crm.cards", **changes: Any) -> dict[str, Any]:
    """A gap as ingest passes it on."""
    return {
        "dataschema": GAP_SCHEMA,
        "id": f"id-{name}",
        "kind": "unmapped_dataset",
        "name": name,
        "count": 1,
        "time": "2026-03-02T08:15:00Z",
        "publisher": "crm",
        "accepted_time": "2026-03-02T08:15:01Z",
        **changes,
    }


def in_gaps(values: Sequence[Any], *, start: int = 0) -> list[Record]:
    """The values as records of the gaps topic."""
    return [
        record(f"{PREFIX}.gaps", 0, offset, value) for offset, value in enumerate(values, start)
    ]
