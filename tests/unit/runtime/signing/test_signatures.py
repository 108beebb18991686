"""A signature counts for the record that it was made for, where it was written."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime.kafka import OutgoingRecord, Record, Tombstone
from purposewatch_runtime.signing import (
    SIGNATURE_HEADER,
    Refusal,
    Signer,
    TrustedKey,
    TrustedKeys,
    Verifier,
    key_id,
)

VERDICTS, LETTERS = "data-access.verdicts", "data-access.dead-letters"
WRITTEN = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
SIGNER = Signer(KEY)


def trusted(
    key: Ed25519PrivateKey = KEY, *, until: datetime | None = None, required: str = VERDICTS
) -> TrustedKeys:
    """One key of the auditor."""
    public = key.public_key()
    entry = TrustedKey("auditor", frozenset({VERDICTS}), public, until)
    return TrustedKeys(frozenset({required}), {key_id(public): entry})


def outgoing(count: int) -> list[OutgoingRecord]:
    """So many verdicts in three partitions."""
    return [
        OutgoingRecord(VERDICTS, b"verdict %d" % number, b"subject", number % 3)
        for number in range(count)
    ]


def read(record: OutgoingRecord | Tombstone, *headers: bytes) -> Record:
    """The record as it is read."""
    return ConsumerRecord(
        record.topic,
        record.partition or 0,
        7,
        int(WRITTEN.timestamp() * 1000),
        0,
        record.key,
        record.value,
        None,
        0,
        0,
        [("content-type", b"application/json"), *((SIGNATURE_HEADER, each) for each in headers)],
    )


def signed(*records: OutgoingRecord | Tombstone) -> list[Record]:
    """The records as they are read, with their signatures."""
    headers = SIGNER.headers(records)
    return [read(record, header) for record, header in zip(records, headers, strict=True)]


def refusal(record: Record, keys: TrustedKeys | None = None) -> Refusal | None:
    """What a new verifier says."""
    return Verifier().refusal(record, keys or trusted())


@pytest.mark.parametrize("count", [*range(1, 20), 63, 64, 65, 130])
def test_each_record_of_a_batch_is_verified_by_itself(count: int) -> None:
    """Whatever the number, and in any order."""
    records = signed(*outgoing(count))
    assert [refusal(record) for record in reversed(records)] == [None] * count


def test_one_signature_serves_sixty_four_records() -> None:
    """So signing and verifying cost little for each."""
    headers = SIGNER.headers(outgoing(130))
    assert len({header[:72] for header in headers}) == 3
    assert max(map(len, headers)) == 72 + 6 * 32


@pytest.mark.parametrize(
    "changed",
    [
        {"value": b"verdict 3!"},
        {"value": None},
        {"value": b""},
        {"key": b"another"},
        {"key": None},
        {"partition": 1},
        {"topic": LETTERS},
    ],
    ids=str,
)
def test_what_is_altered_or_moved_is_refused(changed: dict[str, Any]) -> None:
    """A valid verdict can't be moved to another partition or topic."""
    record = signed(*outgoing(10))[3]
    keys = trusted()
    both = replace(
        trusted().keys[SIGNER.key_id], topics=frozenset({VERDICTS, LETTERS}), service="any"
    )
    keys = TrustedKeys(frozenset({VERDICTS, LETTERS}), {SIGNER.key_id: both})
    assert refusal(record, keys) is None
    assert refusal(replace(record, **changed), keys) is Refusal.INVALID


def test_a_tombstone_is_no_empty_record() -> None:
    """Nor the reverse."""
    tombstone, empty = Tombstone(VERDICTS, b"k", 0), OutgoingRecord(VERDICTS, b"", b"k", 0)
    of_tombstone, of_empty = SIGNER.headers([tombstone])[0], SIGNER.headers([empty])[0]
    assert refusal(read(tombstone, of_tombstone)) is None
    assert refusal(read(empty, of_empty)) is None
    assert refusal(read(tombstone, of_empty)) is Refusal.INVALID
    assert refusal(read(empty, of_tombstone)) is Refusal.INVALID


def test_a_signature_of_another_record_does_not_count() -> None:
    """Not even of the same batch, nor after the batch was verified."""
    records = outgoing(5)
    headers = SIGNER.headers(records)
    assert refusal(read(records[0], headers[1])) is Refusal.INVALID
    verifier = Verifier()
    for record, header in zip(records, headers, strict=True):
        assert verifier.refusal(read(record, header), trusted()) is None
    forged = OutgoingRecord(VERDICTS, b"forged", b"subject", 0)
    node = SIGNER.headers([forged])[0][72:]  # none: of one record alone
    for header in (*headers, headers[0][:72] + node, headers[0][:72] + headers[1][72:104]):
        assert verifier.refusal(read(forged, header), trusted()) is Refusal.INVALID


def test_why_a_signature_does_not_count() -> None:
    """Each reason by its own name."""
    [record] = outgoing(1)
    [header] = SIGNER.headers([record])
    other = Ed25519PrivateKey.generate()
    assert refusal(read(record)) is Refusal.MISSING
    assert refusal(read(record, header), trusted(other)) is Refusal.UNKNOWN_KEY
    assert refusal(read(record, header), trusted(until=WRITTEN)) is None
    early = WRITTEN.replace(hour=8)
    assert refusal(read(record, header), trusted(until=early)) is Refusal.RETIRED_KEY
    letter = OutgoingRecord(LETTERS, b"letter", None, 0)
    [of_letter] = SIGNER.headers([letter])
    keys = trusted(required=LETTERS)
    assert refusal(read(letter, of_letter), keys) is Refusal.FOREIGN_KEY
    # made with another key, under the id of the trusted one
    forged = SIGNER.key_id + Signer(other).headers([record])[0][8:]
    assert refusal(read(record, forged)) is Refusal.INVALID


def test_topics_that_need_no_signature_are_not_checked() -> None:
    """Whatever the header holds."""
    [record] = outgoing(1)
    assert refusal(read(record), trusted(required=LETTERS)) is None
    assert refusal(read(record, b"nonsense"), trusted(required=LETTERS)) is None


@given(st.binary(max_size=800))
def test_no_other_header_counts(header: bytes) -> None:
    """Of any length and content, behind the id of a trusted key, too."""
    [record] = outgoing(1)
    assert refusal(read(record, header)) in (Refusal.INVALID, Refusal.UNKNOWN_KEY)
    assert refusal(read(record, SIGNER.key_id + header)) is Refusal.INVALID
