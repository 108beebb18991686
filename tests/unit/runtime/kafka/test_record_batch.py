"""What can be read of a record that can't be decoded is kept."""

import struct

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.record.default_records import (
    _DefaultRecordBatchBuilderPy,
    _DefaultRecordBatchPy,
)
from aiokafka.record.util import calc_crc32c

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka import Record, RejectedRecord
from purposewatch_runtime.kafka.record_batch import salvage_fetched

PLACE = TopicPartition("raw", 3)
BASE = 100
NONE, GZIP = _DefaultRecordBatchPy.CODEC_NONE, _DefaultRecordBatchPy.CODEC_GZIP
ZSTD = _DefaultRecordBatchPy.CODEC_ZSTD


class NoText(str):
    """A header's name that is not UTF-8 on the wire."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        """Bytes that are not UTF-8."""
        return b"\xff\xfe"


def batch(count: int = 3, *, bad: int | None = None, codec: int = NONE) -> bytes:
    """A batch of records as Kafka has it, from offset 100 on; `bad` has the invalid header."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        name = NoText("x") if number == bad else "name"
        headers = [("a", None), (name, b"\x00\xff")]
        builder.append(number, 1_000 + number, b"", b"value %d" % number, headers)
    return placed(bytes(builder.build()))


def placed(data: bytes) -> bytes:
    """The batch at its offset; the checksum does not cover that."""
    return struct.pack(">q", BASE) + data[8:]


def resealed(data: bytes) -> bytes:
    """The same batch with its checksum corrected."""
    crc = calc_crc32c(data[_DefaultRecordBatchPy.ATTRIBUTES_OFFSET :])
    return data[:17] + struct.pack(">I", crc) + data[21:]


def taken(data: bytes, offset: int, *, end: int = BASE + 3, most: int = 10) -> list[Record]:
    """What is salvaged of a batch from an offset on."""
    return list(salvage_fetched(PLACE, data, offset, end=end, most=most))


def all_rejected(found: list[Record]) -> list[RejectedRecord]:
    """The same records, all of which are rejected."""
    rejected = [each for each in found if isinstance(each, RejectedRecord)]
    assert len(rejected) == len(found)
    return rejected


@pytest.mark.parametrize("codec", [NONE, GZIP, ZSTD])
def test_one_invalid_header_costs_one_record(codec: int) -> None:
    """Key, value and headers are kept, the invalid name in a readable form beside its bytes."""
    data = batch(bad=1, codec=codec)
    assert data[22] & _DefaultRecordBatchPy.CODEC_MASK == codec

    [one] = all_rejected(taken(data, BASE + 1)[:1])

    assert (one.topic, one.partition, one.offset, one.timestamp) == ("raw", 3, BASE + 1, 1_001)
    assert (one.key, one.value) == (b"", b"value 1")
    assert one.headers == (("a", None), ("\\xff\\xfe", b"\x00\xff"))
    assert one.error_class is ErrorClass.UNDECODABLE
    assert one.raw is not None
    assert b"\xff\xfe" in one.raw
    assert "header's name is not UTF-8" in one.reason


@pytest.mark.parametrize("codec", [NONE, GZIP, ZSTD])
def test_good_records_behind_a_bad_one_are_good(codec: int) -> None:
    """They come exactly as the client would have read them, except for the bad one before them."""
    client = _DefaultRecordBatchPy(batch(4, codec=codec))
    expected = [
        (each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in client
    ]

    found = taken(batch(4, bad=1, codec=codec), BASE + 1)

    assert [type(each) for each in found] == [RejectedRecord, ConsumerRecord, ConsumerRecord]
    assert expected[2:] == [
        (each.offset, each.timestamp, each.key, each.value, list(each.headers))
        for each in found[1:]
    ]


def test_no_more_than_requested() -> None:
    """The rest of the batch is salvaged from where the first part ends."""
    data = batch(5, bad=0)

    assert [each.offset for each in taken(data, BASE, most=2)] == [BASE, BASE + 1]
    assert [each.offset for each in taken(data, BASE + 2, most=2)] == [BASE + 2, BASE + 3]


def test_log_append_time_is_the_timestamp() -> None:
    """With `LogAppendTime` the records' own timestamps do not count."""
    data = bytearray(batch(2, bad=0))
    data[22] |= _DefaultRecordBatchPy.TIMESTAMP_TYPE_MASK

    assert [each.timestamp for each in taken(resealed(bytes(data)), BASE)] == [1_001, 1_001]


def test_answer_may_begin_with_earlier_batches() -> None:
    """Kafka answers whole batches; those that end before the record are skipped."""
    second = struct.pack(">q", BASE + 3) + batch(bad=0)[8:]

    one, *others = taken(batch() + second, BASE + 3, end=BASE + 6)

    assert (one.offset, one.value) == (BASE + 3, b"value 0")
    assert [each.offset for each in others] == [BASE + 4, BASE + 5]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (batch()[:-1] + b"?", "checksum is wrong"),
        (resealed(batch()[:22] + b"\x07" + batch()[23:]), "can't be decompressed"),
        (resealed(batch(codec=ZSTD)[:-9]), "can't be decompressed"),
        (resealed(batch(codec=ZSTD)[:61] + b"not zstd"), "can't be decompressed"),
        (batch()[:16] + b"\x09" + batch()[17:], "no known format"),
    ],
    ids=["checksum", "codec", "cut", "other bytes", "format"],
)
def test_broken_batch_is_kept_once_and_rejects_its_own_records(data: bytes, reason: str) -> None:
    """Every offset of the batch is rejected, the first with all its bytes."""
    found = all_rejected(taken(data, BASE + 1))

    assert [one.offset for one in found] == [BASE + 1, BASE + 2]
    assert [one.raw for one in found] == [data, None]
    assert all(reason in one.reason for one in found)
    assert all((one.key, one.value, one.headers) == (None, None, ()) for one in found)


def test_broken_header_is_not_trusted_beyond_the_end() -> None:
    """A length from damaged bytes rejects neither records that are not there yet nor too many."""
    data = batch()
    damaged = data[:23] + struct.pack(">i", 1_000_000) + data[27:]

    assert len(salvage_fetched(PLACE, damaged, BASE, end=BASE + 3, most=10)) == 3
    assert len(salvage_fetched(PLACE, damaged, BASE, end=BASE + 900, most=10)) == 10


def test_broken_header_rejects_no_record_of_the_next_batch() -> None:
    """The beginning of the next batch is trusted more than what the damaged one says."""
    data = batch()
    damaged = data[:23] + struct.pack(">i", 1_000_000) + data[27:]
    behind = struct.pack(">q", BASE + 3) + batch()[8:]

    found = salvage_fetched(PLACE, damaged + behind, BASE + 1, end=BASE + 6, most=10)

    assert [one.offset for one in found] == [BASE + 1, BASE + 2]


def test_record_with_invalid_layout_is_kept_as_bytes() -> None:
    """A record whose fields exceed it has no fields, and the other records are not affected."""
    data = bytearray(batch())
    at = data.index(b"value 1") - 1
    data[at] = 0x7E  # its value would be 63 bytes long

    one, other = taken(resealed(bytes(data)), BASE + 1)
    [one] = all_rejected([one])

    assert (other.offset, other.value) == (BASE + 2, b"value 2")
    assert (one.offset, one.value) == (BASE + 1, None)
    assert "does not follow Kafka's format" in one.reason
    assert one.raw is not None
    assert b"alue 1" in one.raw


@pytest.mark.parametrize("data", [b"", b"\x00" * 12])
def test_no_answer_rejects_nothing(data: bytes) -> None:
    """Without an answer from Kafka no record is rejected."""
    assert salvage_fetched(PLACE, data, BASE, end=BASE, most=10) == ()


def test_truncated_batches_raise_nothing() -> None:
    """However much of a batch arrives, no error is raised."""
    data = batch(bad=1)

    for length in range(len(data)):
        salvage_fetched(PLACE, data[:length], BASE + 1, end=BASE + 3, most=10)


def test_records_out_of_order_are_not_trusted() -> None:
    """Offsets that go back, or beyond the batch, would skip records."""
    data = bytearray(batch(bad=0))
    at = data.index(b"value 1") - 3  # before the key's length and the value's
    assert data[at] == 2  # 1, in Kafka's way of writing it
    data[at] = 100

    found = taken(resealed(bytes(data)), BASE)

    assert [each.offset for each in found] == [BASE]
