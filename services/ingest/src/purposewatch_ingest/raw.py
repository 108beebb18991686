"""The raw topic: every record becomes a canonical event or a dead letter, both acknowledged."""

from collections.abc import Sequence
from datetime import datetime

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import FieldError, RefusedError
from purposewatch_ingest.admission import (
    UNREGISTERED,
    AdmissionBatch,
    AdmittedEvent,
    RefusedEvent,
)
from purposewatch_ingest.content_modes import event_in_record, traceparent_of
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
)
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


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
        """Publish a canonical event or a dead letter for every record, all acknowledged.

        Dead letters go to the partition number of their record, in order. Raises
        `StopConsumingError`, with nothing of the batch published, when too many are bad.
        """
        batch = self._ingest.begin_batch()
        results = [admit_record(record, batch) for record in records]
        limit = self._limit.copy()
        stop = limit.record_all(
            [record.partition for record in records],
            [isinstance(result, RefusedEvent) for result in results],
        )
        if stop is not None:
            raise StopConsumingError(stop)
        await self._producer.publish(
            [
                self._ingest.outgoing(result)
                if isinstance(result, AdmittedEvent)
                else self._dead_letter(record, result.error, batch.now)
                for record, result in zip(records, results, strict=True)
            ]
        )
        self._limit = limit
        self._observe(records, results)

    def _dead_letter(self, record: Record, error: RefusedError, now: datetime) -> OutgoingRecord:
        letter = dead_letter_of(
            record,
            consumer="ingest",
            error_class=error.error_class,
            reason=str(error),
            now=now,
        )
        return OutgoingRecord(
            self._dead_letters_topic,
            letter.__pydantic_serializer__.to_json(letter),
            partition=record.partition,
            headers=(("content-type", b"application/json"),),
        )

    def _observe(
        self, records: Sequence[Record], results: Sequence[AdmittedEvent | RefusedEvent]
    ) -> None:
        self._ingest.count_accepted(
            [result.publisher for result in results if isinstance(result, AdmittedEvent)], "kafka"
        )
        refused = [
            (record, result.publisher, result.error)
            for record, result in zip(records, results, strict=True)
            if isinstance(result, RefusedEvent)
        ]
        self._ingest.count_refused(
            [(publisher, error.error_class) for _, publisher, error in refused], "kafka"
        )
        counter = self._ingest.metric_set.counter(m.DEAD_LETTERS)
        for record, publisher, error in refused:
            counter.labels(record.topic, error.error_class).inc()
            _log.warning(
                "record dead-lettered",
                publisher=publisher,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error_class=error.error_class,
                reason=str(error),
            )


def admit_record(record: Record, batch: AdmissionBatch) -> AdmittedEvent | RefusedEvent:
    """Admit or refuse one record. Never raises: a defect must not block the partition."""
    try:
        if isinstance(record, RejectedRecord):
            error = RefusedError(record.error_class, FieldError("", record.reason))
            return RefusedEvent(UNREGISTERED, error)
        return batch.admit(
            event_in_record(record.headers, record.value),
            origin=f"{record.topic}/{record.partition}/{record.offset}",
            traceparent=traceparent_of(record.headers),
        )
    except RefusedError as error:
        return RefusedEvent(UNREGISTERED, error)
    except Exception as error:  # noqa: BLE001 - dead-letter the record, whatever the defect
        detail = f"ingest failed on this record ({type(error).__name__}); report it as a defect"
        return RefusedEvent(UNREGISTERED, RefusedError(ErrorClass.INTERNAL, FieldError("", detail)))
