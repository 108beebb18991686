"""Marks as columns."""

from typing import Any

from sqlalchemy import Row

from purposewatch_reporter.ledger.fingerprint import Mark, Marks


def marks_of(row: Row[Any]) -> Marks:
    """The marks in a row."""
    first = None if row.first_offset is None else Mark(row.first_offset, row.first_digest)
    latest = None if row.mark_offset is None else Mark(row.mark_offset, row.mark_digest)
    return Marks(first, latest)


def mark_values(marks: Marks) -> dict[str, Any]:
    """The columns of marks."""
    first, latest = marks.first, marks.latest
    return {
        "first_offset": first and first.offset,
        "first_digest": first and first.digest,
        "mark_offset": latest and latest.offset,
        "mark_digest": latest and latest.digest,
    }
