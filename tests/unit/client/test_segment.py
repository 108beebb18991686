"""Segments are read as they were written; what is damaged is skipped, counted, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_client.spool.segment import (
    DROPPED_AT,
    HEADER_SIZE,
    MAX_PAYLOAD,
    MAX_RECORD,
    SETTLED_AT,
    End,
    Scan,
    encode_cell,
    encode_dropped,
    encode_record,
    new_header,
    read_dropped,
    read_settled,
    scan,
)

ALL = {"max_records": 1000, "max_bytes": 1 << 20}
RECORDS = [encode_record(f'{{"id":"{number}"}}'.encode(), 1000 + number) for number in range(5)]


def payloads(found: Scan) -> list[bytes]:
    """The payloads of the records."""
    return [record.payload for record in found.records]


def test_records_are_read_in_order() -> None:
    """With the time at which each was written."""
    found = scan(b"".join(RECORDS), End.FINAL, **ALL)
    assert [(each.written_ms, each.payload) for each in found.records] == [
        (1000 + number, f'{{"id":"{number}"}}'.encode()) for number in range(5)
    ]
    assert (found.consumed, found.damaged, found.torn) == (len(b"".join(RECORDS)), 0, False)


def test_limits_hold() -> None:
    """The rest is read from where this ended."""
    buffer = b"".join(RECORDS)
    assert len(scan(buffer, End.FINAL, max_records=2, max_bytes=1000).records) == 2
    two = scan(buffer, End.FINAL, max_records=9, max_bytes=2 * (len(b'{"id":"0"}') + 1))
    assert len(two.records) == 2
    rest = scan(buffer[two.consumed :], End.FINAL, **ALL)
    assert len(rest.records) == 3
    assert len(scan(buffer, End.FINAL, max_records=9, max_bytes=1).records) == 1


@pytest.mark.parametrize("kept", range(1, len(RECORDS[0])))
def test_an_unfinished_record_at_the_end(kept: int) -> None:
    """It waits while the file grows, and is skipped and counted once nobody writes any more."""
    buffer = RECORDS[0] + RECORDS[1][:kept]
    for end in (End.GROWING, End.MORE):
        waiting = scan(buffer, end, **ALL)
        assert (len(waiting.records), waiting.consumed) == (1, len(RECORDS[0]))
    torn = scan(buffer, End.FINAL, **ALL)
    assert (len(torn.records), torn.consumed, torn.torn) == (1, len(buffer), True)


@given(st.integers(0, 4), st.data())
def test_damage_costs_one_record(which: int, data: st.DataObject) -> None:
    """Whatever byte of a record is changed, all others are read, and the damage is counted."""
    record = bytearray(RECORDS[which])
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    parts = [*RECORDS[:which], bytes(record), *RECORDS[which + 1 :]]
    found = scan(b"".join(parts), End.FINAL, **ALL)
    assert payloads(found) == [
        f'{{"id":"{number}"}}'.encode() for number in range(5) if number != which
    ]
    assert found.damaged + found.torn == 1
    assert found.consumed == len(b"".join(parts))


def test_damage_larger_than_a_buffer_is_passed() -> None:
    """The scan goes on, whatever the size of what is not a record."""
    file = b"\0" * (4 * MAX_RECORD) + RECORDS[0]
    at, found = 0, Scan()
    for _ in range(20):
        chunk = file[at : at + 2 * MAX_RECORD]
        end = End.FINAL if at + len(chunk) == len(file) else End.MORE
        found = scan(chunk, end, **ALL)
        at += found.consumed
        if found.records:
            break
    assert payloads(found) == [b'{"id":"0"}']
    assert at == len(file)


def test_the_largest_record_fits_a_buffer() -> None:
    """Else a reader would stop at it."""
    record = encode_record(b"x" * MAX_PAYLOAD, 0)
    assert len(record) == MAX_RECORD
    assert len(scan(record, End.MORE, **ALL).records) == 1


def test_the_settled_position_is_overwritten_in_place() -> None:
    """A header with a damaged cell has none."""
    header = bytearray(new_header())
    assert read_settled(bytes(header)) == HEADER_SIZE == len(header)
    header[SETTLED_AT:DROPPED_AT] = encode_cell(1234)
    assert read_settled(bytes(header)) == 1234
    header[SETTLED_AT] ^= 1
    assert read_settled(bytes(header)) is None
    assert read_settled(b"") is None


def test_the_numbers_of_dropped_events_are_overwritten_in_place() -> None:
    """By reason; a damaged cell says nothing."""
    header = bytearray(new_header())
    assert read_dropped(bytes(header)) == {}
    counts = {"full": 3, "too_large": 1}
    header[DROPPED_AT:HEADER_SIZE] = encode_dropped(counts)
    assert read_dropped(bytes(header)) == counts
    assert read_settled(bytes(header)) == HEADER_SIZE
    header[DROPPED_AT] ^= 1
    assert read_dropped(bytes(header)) == {}
    assert read_dropped(b"") == {}
