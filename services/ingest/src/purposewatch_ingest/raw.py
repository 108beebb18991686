"""The raw topic: every record becomes a canonical event or a dead letter, both confirmed."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from purposewatch_contract import TRACEPARENT_PATTERN, ErrorClass, SubmittedEvent
from purposewatch_contract.submission import FieldError, RefusedError, parse_json, read_event
from purposewatch_ingest.acceptance import UNREGISTERED, Gate
from purposewatch_ingest.admission import AdmissionCache, AdmissionRules, AdmittedEvent, admit
from purposewatch_ingest.content_modes import (
    STRUCTURED,
    ContentMode,
    content_mode,
    kafka_attributes,
    read_binary,
)
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    DeadLetterLimit,
    OutgoingRecord,
    Record,
    RejectedRecord,
    StopConsumingError,
    dead_letter_of,
)
from purposewatch_runtime.logs import get_logger

_MAX_SUGGESTING = 8
_USUAL: tuple[list[bytes | None], ...] = ([], [STRUCTURED.encode()])
"""Content types of records that hold one event in structured mode."""
_TRACEPARENT = re.compile(TRACEPARENT_PATTERN.removesuffix("$").encode())

_log = get_logger(__name__)

_Result: TypeAlias = tuple[str, AdmittedEvent | RefusedError]
"""The publisher's label and what became of its record."""


class RawTopicHandler:
    """Handler of batches of the raw topic."""

    def __init__(
        self,
        gate: Gate,
        producer: AcknowledgedProducer,
        limit: DeadLetterLimit,
        *,
        dead_letters_topic: str,
    ) -> None:
        self._gate = gate
        self._producer = producer
        self._limit = limit
        self._dead_letters_topic = dead_letters_topic

    async def handle(self, records: Sequence[Record]) -> None:
        """Publish a canonical event or a dead letter for every record, all confirmed.

        Dead letters go to the partition number of their record, in order. Raises
        `StopConsumingError`, with nothing of the batch published, when too many are bad.
        """
        now = self._gate.clock()
        results = self._judge(records, now)
        limit = self._limit.copy()
        stop = limit.record_all(
            [record.partition for record in records],
            [isinstance(result, RefusedError) for _, result in results],
        )
        if stop is not None:
            raise StopConsumingError(stop)
        await self._producer.publish(
            [
                self._outgoing(record, result, now)
                for record, (_, result) in zip(records, results, strict=True)
            ]
        )
        self._limit = limit
        self._observe(records, results)

    def _judge(self, records: Sequence[Record], now: datetime) -> list[_Result]:
        rules = self._gate.rules()  # the same for the whole batch, whatever is reloaded
        register = self._gate.register()
        familiar = self._gate.familiar
        results: list[_Result] = []
        refused = 0
        for record in records:
            suggest = refused < _MAX_SUGGESTING
            result = judge(record, register, rules, familiar, now=now, suggest=suggest)
            refused += isinstance(result[1], RefusedError)
            results.append(result)
        return results

    def _outgoing(
        self, record: Record, result: AdmittedEvent | RefusedError, now: datetime
    ) -> OutgoingRecord:
        if isinstance(result, AdmittedEvent):
            return self._gate.outgoing(result)
        letter = dead_letter_of(
            record,
            consumer="ingest",
            error_class=result.error_class,
            reason=str(result),
            now=now,
        )
        return OutgoingRecord(
            self._dead_letters_topic,
            letter.__pydantic_serializer__.to_json(letter),
            partition=record.partition,
            headers=(("content-type", b"application/json"),),
        )

    def _observe(self, records: Sequence[Record], results: Sequence[_Result]) -> None:
        accepted = [label for label, result in results if isinstance(result, AdmittedEvent)]
        self._gate.count_accepted(accepted, "kafka")
        self._gate.count_refused(
            [
                (label, result.error_class)
                for label, result in results
                if isinstance(result, RefusedError)
            ],
            "kafka",
        )
        counter = self._gate.metric_set.counter(m.DEAD_LETTERS)
        for record, (label, result) in zip(records, results, strict=True):
            if isinstance(result, RefusedError):
                counter.labels(record.topic, result.error_class).inc()
                _log.warning(
                    "dead letter",
                    publisher=label,
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    error_class=result.error_class,
                    reason=str(result),
                )


def judge(  # noqa: PLR0913 - everything that admission depends on is passed in
    record: Record,
    register: PublisherRegister,
    rules: AdmissionRules,
    familiar: AdmissionCache,
    *,
    now: datetime,
    suggest: bool,
) -> _Result:
    """Admit one record or say why not. Never raises: a defect must not block the partition."""
    label = UNREGISTERED
    if isinstance(record, RejectedRecord):
        return label, RefusedError(record.error_class, FieldError("", record.reason))
    origin = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        traceparent = _traceparent(record)
        text = _structured(record)
        if text is not None:
            known = familiar.admit(
                text, register.owner_of, rules, now=now, origin=origin, traceparent=traceparent
            )
            if known is not None:
                return known[0].name, known[1]
        event = read_event(_read_document(record))
        publisher = _publisher_of(event, register)
        label = publisher.name
        admitted = admit(
            event,
            publisher,
            rules,
            now=now,
            origin=origin,
            traceparent=traceparent,
            suggest=suggest,
        )
        if text is not None:
            familiar.remember(text, event, rules)
    except RefusedError as refusal:
        return label, refusal
    except Exception as error:  # noqa: BLE001 - set the record aside, whatever it was
        detail = f"the gate failed on this record ({type(error).__name__}); report it as a defect"
        return label, RefusedError(ErrorClass.INTERNAL, FieldError("", detail))
    return label, admitted


def _structured(record: Record) -> bytes | None:
    """The event's text if the record's mode is for certain the usual one."""
    content_types = [value for name, value in record.headers if name.lower() == "content-type"]
    return record.value if content_types in _USUAL else None


def _read_document(record: Record) -> object:
    if record.value is None:
        detail = "the record has no value; publish a CloudEvents JSON object"
        raise RefusedError(ErrorClass.EMPTY, FieldError("", detail))
    content_type = next(
        (value for name, value in record.headers if name.lower() == "content-type" and value),
        STRUCTURED.encode(),  # a plain producer sends no headers
    )
    mode = content_mode(content_type.decode("latin-1"))
    if mode is ContentMode.STRUCTURED:
        return parse_json(record.value)
    if mode is ContentMode.BINARY:
        attributes = kafka_attributes(record.headers)
        # without attributes it is an event in JSON that is called by its plain name
        return read_binary(attributes, record.value) if attributes else parse_json(record.value)
    detail = f"the record's content type is not taken; use `{STRUCTURED}`, one event in a record"
    raise RefusedError(ErrorClass.INVALID_EVENT, FieldError("", detail))


def _publisher_of(event: SubmittedEvent, register: PublisherRegister) -> Publisher:
    publisher = register.owner_of(event.source)
    if publisher is None:
        detail = "names no registered publisher; make it `/<publisher>` or a path below it"
        raise RefusedError(ErrorClass.UNKNOWN_PUBLISHER, FieldError("/source", detail))
    return publisher


def _traceparent(record: Record) -> str | None:
    """The record's trace context; W3C has a faulty one ignored."""
    for name, value in record.headers:
        if name == "traceparent" and isinstance(value, bytes) and _TRACEPARENT.fullmatch(value):
            return value.decode()
    return None
