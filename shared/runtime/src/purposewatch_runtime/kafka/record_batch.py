"""Get out of Kafka what can be had of a record that the client library can't decode.

The library decodes a batch or raises. Here one fetch is read by hand, as the format of record
batches (version 2) lays it out, as far as that leads.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy as Batch
from aiokafka.record.util import calc_crc32c, decode_varint

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord

_LOG_OVERHEAD = 12  # a batch's first offset and its length
_MAX_BYTES = 8 * 1024 * 1024
_WAIT_MS = 500
_MAGIC = 2
_STRANGE_NAME = (
    "a header's name is not UTF-8; key, value and headers are kept, and its bytes as Kafka has them"
)
_WRONG_LAYOUT = (
    "the record is not laid out as Kafka's format says, and its bytes as Kafka has them are kept"
)


@dataclass(frozen=True, slots=True)
class _Parts:
    offset: int
    timestamp: int
    raw: bytes
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    fault: str | None = None
    """Why the client can't take it; `None` when it could, but for others in its batch."""


class _UnexplainedError(Exception):
    """The batch can't be taken apart; the message says why in plain words."""


async def rescue(
    consumer: AIOKafkaConsumer, position: TopicPartition, offset: int, *, most: int
) -> Sequence[Record]:
    """What the batch there holds from `offset` on, at most `most` records.

    Those that are strange are condemned, and all of them when the batch is.

    The client decodes a batch from its beginning, so that it would reach none of the good ones
    behind a strange one. Empty when Kafka has nothing there or doesn't answer now. Raises
    `KafkaError`.
    """
    client = consumer._client  # noqa: SLF001 - there is no public way to the bytes
    node = client.cluster.leader_for_partition(position)
    if node is None or node == -1:
        return ()
    request = FetchRequest(
        _WAIT_MS, 1, _MAX_BYTES, 0, [(position.topic, [(position.partition, offset, _MAX_BYTES)])]
    )
    response = await client.send(node, request)
    _, error_code, end, *rest = response.topics[0][1][0]
    if error_code:
        return ()
    return take_apart(position, bytes(rest[-1] or b""), offset, end=end, most=most)


def take_apart(
    position: TopicPartition, fetched: bytes, offset: int, *, end: int, most: int
) -> Sequence[Record]:
    """The records for `rescue` in what was fetched; `end` is the partition's end. Never raises."""
    found = _batch_at(fetched, offset)
    if found is None:
        return ()
    data, behind = found
    try:
        return _records_from(position, data, offset, most)
    except _UnexplainedError as error:
        if behind is not None and behind > offset:
            end = min(end, behind)
        return _rest_of_batch(position, data, offset, min(end, offset + most), str(error))


def _batch_at(fetched: bytes, offset: int) -> tuple[bytes, int | None] | None:
    """The batch that holds `offset`, and where the one behind it begins, if that was fetched too.

    Kafka's answer may begin with batches before it.
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
    if len(data) < Batch.HEADER_STRUCT.size:
        return first
    delta: int = Batch(data[: Batch.HEADER_STRUCT.size]).last_offset_delta
    return first + max(0, delta)


def _records_from(
    position: TopicPartition, data: bytes, offset: int, most: int
) -> Sequence[Record]:
    found: list[Record] = []
    try:
        for parts in _records(_opened(data)):
            if parts.offset >= offset and len(found) < most:
                found.append(_record(position, parts))
    except _UnexplainedError:
        if not found:
            raise
        return found  # the others are the next that can't be decoded
    if not found:
        message = "the batch has fewer records than it says"
        raise _UnexplainedError(message)
    return found


def _opened(data: bytes) -> Batch:
    """The batch, decompressed; raises `_UnexplainedError` when it can't be trusted or opened."""
    if len(data) < Batch.HEADER_STRUCT.size or Batch(data).magic != _MAGIC:
        message = "the batch has no known format"
        raise _UnexplainedError(message)
    batch = Batch(data)
    if calc_crc32c(data[Batch.ATTRIBUTES_OFFSET :]) != batch.crc:
        message = "the batch's checksum is wrong: its bytes have changed since they were produced"
        raise _UnexplainedError(message)
    try:
        batch._maybe_uncompress()  # noqa: SLF001 - the library's own decompression
    except Exception as error:  # noqa: BLE001 - each codec raises its own
        message = f"the batch can't be decompressed ({type(error).__name__})"
        raise _UnexplainedError(message) from None
    return batch


def _records(batch: Batch) -> Iterator[_Parts]:
    data = batch._buffer  # noqa: SLF001
    at = batch._pos  # noqa: SLF001
    last, end = batch.base_offset - 1, batch.base_offset + batch.last_offset_delta
    for _ in range(batch._num_records):  # noqa: SLF001
        try:
            length, begin = decode_varint(data, at)
            at = begin + length
            if length < 0 or at > len(data):
                raise IndexError  # noqa: TRY301
            parts = _parts(batch, data[begin:at])
            if not last < parts.offset <= end:
                raise ValueError  # noqa: TRY301
        except (IndexError, ValueError) as error:
            message = "the batch's records are not laid out as Kafka's format says"
            raise _UnexplainedError(message) from error
        last = parts.offset
        yield parts


def _parts(batch: Batch, body: bytearray) -> _Parts:
    """One record; of one that is laid out wrongly only where it stands."""
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
                fault = _STRANGE_NAME
            headers.append((text, header))
    except (IndexError, ValueError):
        return _Parts(offset, timestamp, bytes(body), fault=_WRONG_LAYOUT)
    if count < 0 or at != len(body):
        fault = _WRONG_LAYOUT
    return _Parts(offset, timestamp, bytes(body), key, value, tuple(headers), fault)


def _bytes(body: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise IndexError
    return bytes(body[at : at + length]), at + length


def _rest_of_batch(
    position: TopicPartition, data: bytes, offset: int, end: int, reason: str
) -> Sequence[Record]:
    """A condemned record for every offset of the batch from `offset` on, the first with its bytes.

    A header that can't be trusted is believed no further than the next batch, or the partition's
    end.
    """
    first = struct.unpack_from(">q", data)[0]
    last = min(_last_offset(data, first), end - 1)
    timestamp = 0
    if len(data) >= Batch.HEADER_STRUCT.size:
        timestamp = Batch(data[: Batch.HEADER_STRUCT.size]).first_timestamp
    reasons = [f"{reason}; the whole batch, offsets {first} to {max(first, last)}, is kept here"]
    reasons += [f"{reason}; it is kept with offset {offset}"] * (last - offset)
    return [
        _record(position, _Parts(each, timestamp, b"" if each > offset else data, fault=why))
        for each, why in enumerate(reasons, offset)
    ]


def _record(position: TopicPartition, parts: _Parts) -> Record:
    record: Record = ConsumerRecord(
        topic=position.topic,
        partition=position.partition,
        offset=parts.offset,
        timestamp=parts.timestamp,
        timestamp_type=0,
        key=parts.key,
        value=parts.value,
        checksum=None,
        serialized_key_size=-1 if parts.key is None else len(parts.key),
        serialized_value_size=-1 if parts.value is None else len(parts.value),
        headers=parts.headers,
    )
    if parts.fault is None:
        return record
    reason = f"it can't be decoded: {parts.fault}"
    return RejectedRecord.of(record, ErrorClass.UNDECODABLE, reason, raw=parts.raw or None)
