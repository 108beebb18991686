"""Salvage a record batch that the client library can't decode.

The library decodes a whole batch or raises. This module reads one fetch field by field, as the
format of record batches (version 2) describes it, as far as the bytes allow.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.record.util import calc_crc32c, decode_varint

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka.aiokafka_internals import RecordBatch, fetch_bytes
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord

_LOG_OVERHEAD = 12  # a batch's first offset and its length
_MAGIC = 2
_INVALID_HEADER_NAME = (
    "a header's name is not UTF-8; key, value and headers are kept, and the record's bytes in Kafka"
)
_INVALID_LAYOUT = "the record does not follow Kafka's format; its bytes in Kafka are kept"


@dataclass(frozen=True, slots=True)
class _ParsedRecord:
    offset: int
    timestamp: int
    raw: bytes
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    fault: str | None = None
    """Why the client can't decode it; `None` when it could, but for others in its batch."""


class _InvalidBatchError(Exception):
    """The batch can't be parsed; the message says why."""


async def salvage(
    consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int, *, most: int
) -> Sequence[Record]:
    """Return what the batch at `offset` holds from there on, at most `most` records.

    Records that can't be decoded are `RejectedRecord`s, and all of them when the batch can't be.

    The client decodes a batch from its beginning, so that it would reach none of the good records
    behind a bad one. Empty when Kafka has nothing there or doesn't answer. Raises `KafkaError`.
    """
    fetched = await fetch_bytes(consumer, partition, offset)
    if fetched is None:
        return ()
    data, end = fetched
    return salvage_fetched(partition, data, offset, end=end, most=most)


def salvage_fetched(
    partition: TopicPartition, fetched: bytes, offset: int, *, end: int, most: int
) -> Sequence[Record]:
    """Do what `salvage` does with fetched bytes; `end` is the partition's end. Never raises."""
    found = _batch_at(fetched, offset)
    if found is None:
        return ()
    data, behind = found
    try:
        return _records_from(partition, data, offset, most)
    except _InvalidBatchError as error:
        if behind is not None and behind > offset:
            end = min(end, behind)
        return _rest_of_batch(partition, data, offset, min(end, offset + most), str(error))


def _batch_at(fetched: bytes, offset: int) -> tuple[bytes, int | None] | None:
    """Return the batch that holds `offset`, and where the next one begins if it was fetched too.

    Kafka's answer may begin with earlier batches.
    """
    at = 0
    while len(fetched) - at > _LOG_OVERHEAD:
        first, length = struct.unpack_from(">qi", fetched, at)
        data = fetched[at : at + _LOG_OVERHEAD + max(0, length)]
        if length <= 0 or _last_offset(data, first) >= offset:
            behind = fetched[at + len(data) :][:8]
            return data, struct.unpack(">q", behind)[0] if len(behind) == 8 else None  # noqa: PLR2004
        at += len(data)
    return None


def _last_offset(data: bytes, first: int) -> int:
    if len(data) < RecordBatch.HEADER_STRUCT.size:
        return first
    delta: int = RecordBatch(data[: RecordBatch.HEADER_STRUCT.size]).last_offset_delta
    return first + max(0, delta)


def _records_from(
    partition: TopicPartition, data: bytes, offset: int, most: int
) -> Sequence[Record]:
    found: list[Record] = []
    try:
        for parsed in _records(_verified(data)):
            if parsed.offset >= offset and len(found) < most:
                found.append(_record(partition, parsed))
    except _InvalidBatchError:
        if not found:
            raise
        return found  # the next poll fails at the others
    if not found:
        message = "the batch has fewer records than it says"
        raise _InvalidBatchError(message)
    return found


def _verified(data: bytes) -> RecordBatch:
    """Return the batch; raises `_InvalidBatchError` when its bytes can't be trusted."""
    if len(data) < RecordBatch.HEADER_STRUCT.size or RecordBatch(data).magic != _MAGIC:
        message = "the batch has no known format"
        raise _InvalidBatchError(message)
    batch = RecordBatch(data)
    if calc_crc32c(data[RecordBatch.ATTRIBUTES_OFFSET :]) != batch.crc:
        message = "the batch's checksum is wrong: its bytes have changed since they were produced"
        raise _InvalidBatchError(message)
    return batch


def _records(batch: RecordBatch) -> Iterator[_ParsedRecord]:
    try:
        data, at, count = batch.decompress()
    except Exception as error:  # noqa: BLE001 - each codec raises its own
        message = f"the batch can't be decompressed ({type(error).__name__})"
        raise _InvalidBatchError(message) from None
    last, end = batch.base_offset - 1, batch.base_offset + batch.last_offset_delta
    for _ in range(count):
        try:
            length, begin = decode_varint(data, at)
            at = begin + length
            if length < 0 or at > len(data):
                raise IndexError  # noqa: TRY301
            parsed = _parse_record(batch, data[begin:at])
            if not last < parsed.offset <= end:
                raise ValueError  # noqa: TRY301
        except (IndexError, ValueError) as error:
            message = "the batch's records do not follow Kafka's format"
            raise _InvalidBatchError(message) from error
        last = parsed.offset
        yield parsed


def _parse_record(batch: RecordBatch, body: bytearray) -> _ParsedRecord:
    """Parse one record; of one that does not follow the format, only its offset and timestamp."""
    delta, at = decode_varint(body, 1)
    number, at = decode_varint(body, at)
    offset, timestamp = batch.base_offset + number, batch.first_timestamp + delta
    if batch.timestamp_type:
        timestamp = batch.max_timestamp
    fault = None
    try:
        key, at = _bytes(body, at)
        value, at = _bytes(body, at)
        count, at = decode_varint(body, at)
        headers = []
        for _ in range(count):
            name, at = _bytes(body, at)
            header, at = _bytes(body, at)
            text = (name or b"").decode("utf-8", "backslashreplace")
            if text.encode() != name:
                fault = _INVALID_HEADER_NAME
            headers.append((text, header))
    except (IndexError, ValueError):
        return _ParsedRecord(offset, timestamp, bytes(body), fault=_INVALID_LAYOUT)
    if count < 0 or at != len(body):
        fault = _INVALID_LAYOUT
    return _ParsedRecord(offset, timestamp, bytes(body), key, value, tuple(headers), fault)


def _bytes(body: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise IndexError
    return bytes(body[at : at + length]), at + length


def _rest_of_batch(
    partition: TopicPartition, data: bytes, offset: int, end: int, reason: str
) -> Sequence[Record]:
    """Return a rejected record for each offset of the batch from `offset` on, the first with bytes.

    The batch's header may be wrong: it is trusted up to the next batch or the partition's end.
    """
    first = struct.unpack_from(">q", data)[0]
    last = min(_last_offset(data, first), end - 1)
    timestamp = 0
    if len(data) >= RecordBatch.HEADER_STRUCT.size:
        timestamp = RecordBatch(data[: RecordBatch.HEADER_STRUCT.size]).first_timestamp
    reasons = [f"{reason}; the whole batch, offsets {first} to {max(first, last)}, is kept here"]
    reasons += [f"{reason}; it is kept with offset {offset}"] * (last - offset)
    return [
        _record(
            partition, _ParsedRecord(each, timestamp, b"" if each > offset else data, fault=why)
        )
        for each, why in enumerate(reasons, offset)
    ]


def _record(partition: TopicPartition, parsed: _ParsedRecord) -> Record:
    record: Record = ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=parsed.offset,
        timestamp=parsed.timestamp,
        timestamp_type=0,
        key=parsed.key,
        value=parsed.value,
        checksum=None,
        serialized_key_size=-1 if parsed.key is None else len(parsed.key),
        serialized_value_size=-1 if parsed.value is None else len(parsed.value),
        headers=parsed.headers,
    )
    if parsed.fault is None:
        return record
    reason = f"it can't be decoded: {parsed.fault}"
    return RejectedRecord.of(record, ErrorClass.UNDECODABLE, reason, raw=parsed.raw or None)
