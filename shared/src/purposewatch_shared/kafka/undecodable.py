"""Get out of Kafka what can be had of a record that the client library can't decode.

The library decodes a batch or raises. Here one fetch is read by hand, as the format of record
batches (version 2) lays it out, as far as that leads.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy as Batch
from aiokafka.record.util import calc_crc32c, decode_varint

from purposewatch_shared.dead_letter import ErrorClass
from purposewatch_shared.kafka.condemned import CondemnedRecord

_LOG_OVERHEAD = 12  # a batch's first offset and its length
_MAX_BYTES = 8 * 1024 * 1024
_WAIT_MS = 500
_MAGIC = 2


@dataclass(frozen=True, slots=True)
class _Parts:
    offset: int
    timestamp: int
    raw: bytes
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    whole: bool = False


class _UnexplainedError(Exception):
    """The batch can't be taken apart; the message says why in plain words."""


async def rescue(
    consumer: AIOKafkaConsumer, position: TopicPartition, offset: int, *, most: int
) -> Sequence[CondemnedRecord]:
    """What stands from `offset` on as far as it can't be decoded, at most `most` records.

    One record when only that one is strange; all the rest of its batch when the batch is. Empty
    when Kafka has nothing there or doesn't answer now. Raises `KafkaError`.
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
    return condemn(position, bytes(rest[-1] or b""), offset, end=end, most=most)


def condemn(
    position: TopicPartition, fetched: bytes, offset: int, *, end: int, most: int
) -> Sequence[CondemnedRecord]:
    """The records for `rescue` in what was fetched; `end` is the partition's end. Never raises."""
    found = _batch_at(fetched, offset)
    if found is None:
        return ()
    data, behind = found
    try:
        return [_one_record(position, data, offset)]
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


def _one_record(position: TopicPartition, data: bytes, offset: int) -> CondemnedRecord:
    for parts in _records(_opened(data)):
        if parts.offset >= offset:
            reason = "a header's name is not UTF-8; key, value and headers are kept"
            if not parts.whole:
                reason = "the record is not laid out as Kafka's format says"
            return _condemned(position, parts, f"{reason}, and its bytes as Kafka has them")
    message = "the batch has fewer records than it says"
    raise _UnexplainedError(message)


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
    for _ in range(batch._num_records):  # noqa: SLF001
        try:
            length, begin = decode_varint(data, at)
            at = begin + length
            if length < 0 or at > len(data):
                raise IndexError  # noqa: TRY301
            yield _parts(batch, data[begin:at])
        except (IndexError, ValueError) as error:
            message = "the batch's records are not laid out as Kafka's format says"
            raise _UnexplainedError(message) from error


def _parts(batch: Batch, body: bytearray) -> _Parts:
    """One record; of one that is laid out wrongly only where it stands."""
    delta, at = decode_varint(body, 1)
    number, at = decode_varint(body, at)
    offset, timestamp = batch.base_offset + number, batch.first_timestamp + delta
    try:
        key, at = _bytes(body, at)
        value, at = _bytes(body, at)
        count, at = decode_varint(body, at)
        headers = []
        for _ in range(count):
            name, at = _bytes(body, at)
            header, at = _bytes(body, at)
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), header))
    except (IndexError, ValueError):
        return _Parts(offset, timestamp, bytes(body))
    return _Parts(
        offset,
        timestamp,
        bytes(body),
        key,
        value,
        tuple(headers),
        whole=at == len(body),
    )


def _bytes(body: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise IndexError
    return bytes(body[at : at + length]), at + length


def _rest_of_batch(
    position: TopicPartition, data: bytes, offset: int, end: int, reason: str
) -> Sequence[CondemnedRecord]:
    """A condemned record for every offset of the batch from `offset` on, the first with its bytes.

    A header that can't be trusted is believed no further than the next batch, or the partition's
    end.
    """
    first = struct.unpack_from(">q", data)[0]
    last = min(_last_offset(data, first), end - 1)
    timestamp = 0
    if len(data) >= Batch.HEADER_STRUCT.size:
        timestamp = Batch(data[: Batch.HEADER_STRUCT.size]).first_timestamp
    found = [
        _condemned(
            position,
            _Parts(offset, timestamp, data),
            f"{reason}; the whole batch, offsets {first} to {max(first, last)}, is kept here",
        )
    ]
    found += [
        _condemned(
            position, _Parts(each, timestamp, b""), f"{reason}; it is kept with offset {offset}"
        )
        for each in range(offset + 1, last + 1)
    ]
    return found


def _condemned(position: TopicPartition, parts: _Parts, reason: str) -> CondemnedRecord:
    return CondemnedRecord(
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
        error_class=ErrorClass.UNDECODABLE,
        reason=f"it can't be decoded: {reason}",
        raw=parts.raw or None,
    )
