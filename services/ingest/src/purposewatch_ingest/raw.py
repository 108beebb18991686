"""The raw topic: every record becomes a canonical event or fact, or a dead letter, acknowledged."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import count

from purposewatch_contract import DeadLetter, ErrorClass
from purposewatch_contract.submission import FieldError, RefusedError
from purposewatch_ingest.admission import (
    UNREGISTERED,
    AdmissionBatch,
    Admitted,
    AdmittedFact,
    RefusedEvent,
)
from purposewatch_ingest.content_modes import event_in_record, is_fact, traceparent_of
from purposewatch_ingest.ingest import Ingest
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    DeadLetterLimit,
    OutgoingRecord,
    Record,
    RejectedRecord,
    StopConsumingError,
    dead_letter_of,
    log_dead_letters,
)

_SLICE = 100
"""So many records are admitted, in a few milliseconds, before HTTP requests have their turn."""


class RawTopicHandler:
    """Handler of batches of the raw topic."""

    def __init__(
        self,
        ingest: Ingest,
        producer: AcknowledgedProducer,
        limit: DeadLetterLimit,
        *,
        dead_letters_topic: str,
    ) -> None:
        self._ingest = ingest
        self._producer = producer
        self._limit = limit
        self._dead_letters_topic = dead_letters_topic

    async def handle(self, records: Sequence[Record]) -> None:
        """Publish a canonical event or fact, or a dead letter, for every record, acknowledged.

        Dead letters go to the partition number of their record, in order. Raises
        `StopConsumingError`, with nothing of the batch published, when too many are bad, and
        `SubjectsUnavailableError`, to be tried again, when pseudonyms can't be looked up.
        """
        batch = self._ingest.begin_batch()
        results = await _admit(records, batch)
        if await batch.resolve_subjects():
            results = await _admit(records, batch)
        limit = self._limit.copy()
        stop = limit.record_all(
            [record.partition for record in records],
            [_is_bad(result) for result in results],
        )
        if stop is not None:
            raise StopConsumingError(stop)
        letters = [
            _dead_letter(record, result.error, batch.now)
            for record, result in zip(records, results, strict=True)
            if isinstance(result, RefusedEvent)
        ]
        await self._publish(results, letters)
        self._limit = limit
        self._observe(records, results)
        log_dead_letters(letters)

    async def _publish(
        self, results: Sequence[Admitted | RefusedEvent], letters: Sequence[DeadLetter]
    ) -> None:
        """Publish what was admitted, and a dead letter for the rest.

        INVARIANT: a fact is acknowledged before the events that come after it in its partition of
        the raw topic are published, so that the auditor considers it.
        """
        of_refused = iter(letters)
        admitted = [each for each in results if isinstance(each, Admitted)]
        with self._ingest.tracing(admitted) as spans:
            numbers = count()
            outgoing = [
                self._ingest.outgoing(result, trace=spans.headers(next(numbers)))
                if isinstance(result, Admitted)
                else self._outgoing_letter(next(of_refused))
                for result in results
            ]
            facts = [
                each
                for each, result in zip(outgoing, results, strict=True)
                if isinstance(result, AdmittedFact)
            ]
            if facts:
                await self._producer.publish(facts)
                outgoing = [each for each in outgoing if each.topic != self._ingest.facts_topic]
            await self._producer.publish(outgoing)

    def _outgoing_letter(self, letter: DeadLetter) -> OutgoingRecord:
        return OutgoingRecord(
            self._dead_letters_topic,
            letter.__pydantic_serializer__.to_json(letter),
            partition=letter.position.partition,
            headers=(("content-type", b"application/json"),),
        )

    def _observe(
        self, records: Sequence[Record], results: Sequence[Admitted | RefusedEvent]
    ) -> None:
        self._ingest.count_accepted(
            [result for result in results if isinstance(result, Admitted)], "kafka"
        )
        refused = [
            (record.topic, result.publisher, result.error.error_class)
            for record, result in zip(records, results, strict=True)
            if isinstance(result, RefusedEvent)
        ]
        self._ingest.count_refused(
            [(publisher, error_class) for _, publisher, error_class in refused], "kafka"
        )
        counter = self._ingest.metric_set.counter(m.DEAD_LETTERS)
        for topic, _, error_class in refused:
            counter.labels(topic, error_class).inc()


async def _admit(records: Sequence[Record], batch: AdmissionBatch) -> list[Admitted | RefusedEvent]:
    results: list[Admitted | RefusedEvent] = []
    for start in range(0, len(records), _SLICE):
        results += [admit_record(record, batch) for record in records[start : start + _SLICE]]
        await asyncio.sleep(0)
    return results


def admit_record(record: Record, batch: AdmissionBatch) -> Admitted | RefusedEvent:
    """Admit or refuse one record. Never raises: a defect must not block the partition."""
    try:
        if isinstance(record, RejectedRecord):
            error = RefusedError(record.error_class, FieldError("", record.reason))
            return RefusedEvent(UNREGISTERED, error)
        return _admit_by_type(record, batch)
    except RefusedError as error:
        return RefusedEvent(UNREGISTERED, error)
    except Exception as error:  # noqa: BLE001 - dead-letter the record, whatever the defect
        detail = f"ingest failed on this record ({type(error).__name__}); report it as a defect"
        return RefusedEvent(UNREGISTERED, RefusedError(ErrorClass.INTERNAL, FieldError("", detail)))


def _admit_by_type(record: Record, batch: AdmissionBatch) -> Admitted | RefusedEvent:
    text = event_in_record(record.headers, record.value)
    origin = f"{record.topic}/{record.partition}/{record.offset}"
    traceparent = traceparent_of(record.headers)
    event = batch.admit(text, origin=origin, traceparent=traceparent)
    # almost everything is an event, which pays nothing for facts
    if isinstance(event, RefusedEvent) and is_fact(text):
        return batch.admit_fact(text, origin=origin, traceparent=traceparent)
    return event


def _is_bad(result: Admitted | RefusedEvent) -> bool:
    """Whether something is wrong with the record itself, which counts towards the limit."""
    return isinstance(result, RefusedEvent) and result.error.error_class is not ErrorClass.PAUSED


def _dead_letter(record: Record, error: RefusedError, now: datetime) -> DeadLetter:
    return dead_letter_of(
        record,
        consumer="ingest",
        error_class=error.error_class,
        reason=str(error),
        now=now,
    )
