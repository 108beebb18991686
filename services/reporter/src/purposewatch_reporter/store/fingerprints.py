"""Fingerprints as columns."""

from typing import Any

from sqlalchemy import Row

from purposewatch_reporter.ledger.fingerprint import LogFingerprint, RecordFingerprint


def fingerprint_of(row: Row[Any]) -> LogFingerprint:
    """The fingerprints in a row."""
    first = (
        None if row.first_offset is None else RecordFingerprint(row.first_offset, row.first_digest)
    )
    latest = (
        None
        if row.latest_offset is None
        else RecordFingerprint(row.latest_offset, row.latest_digest)
    )
    return LogFingerprint(first, latest)


def fingerprint_values(fingerprint: LogFingerprint) -> dict[str, Any]:
    """The columns of fingerprints."""
    first, latest = fingerprint.first, fingerprint.latest
    return {
        "first_offset": first and first.offset,
        "first_digest": first and first.digest,
        "latest_offset": latest and latest.offset,
        "latest_digest": latest and latest.digest,
    }
