"""The auditor's handling of a batch, which is finished once Kafka has acknowledged its verdicts."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import cast

from purposewatch_auditor.audit import AuditedEvent, Auditor, Decider, FactDependentEvent
from purposewatch_auditor.facts import FactsLedger
from purposewatch_contract import DeadLetter
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    DeadLetterLimit,
    OutgoingRecord,
    Record,
    StopConsumingError,
    log_dead_letters,
)
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import FileReloader
from purposewatch_runtime.traces import NO_TRACES, Spans, Traces

_NAMES_LOGGED = 10
JSON_HEADERS = (("content-type", b"application/json"),)

_log = get_logger(__name__)


class AuditPipeline:
    """Handler of batches of the events topic."""

    def __init__(  # noqa: PLR0913 - composition happens once, in `app.py`
        self,
        *,
        decider: Callable[[], Decider],
        facts: FactsLedger,
        producer: AcknowledgedProducer,
        limit: DeadLetterLimit,
        verdicts_topic: str,
        dead_letters_topic: str,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
        publishers: FileReloader[frozenset[str]] | None = None,
        traces: Traces = NO_TRACES,
    ) -> None:
        """`publishers` holds the registered names; without it, publishers are not checked."""
        self._decider = decider
        self._auditor = Auditor()
        self._facts = facts
        self._producer = producer
        self._limit = limit
        self._verdicts_topic = verdicts_topic
        self._dead_letters_topic = dead_letters_topic
        self._metrics = metric_set
        self._traces = traces
        self._clock = clock
        self._publishers = publishers

    async def handle(self, records: Sequence[Record]) -> None:
        """Publish a verdict or a dead letter for every record, in order, all acknowledged.

        INVARIANT: a verdict goes to the partition number of its event, in offset order.
        Raises `StopConsumingError` when too many records are bad; any other error means that
        nothing of the batch counts as published.
        """
        with self._traces.records("audit", records) as spans:
            await self._handle(records, spans)

    async def _handle(self, records: Sequence[Record], spans: Spans) -> None:
        decider = self._decider()  # one for the whole batch, whatever is reloaded
        results = await self._audit(records, decider)
        limit = self._limit.copy()
        stop = limit.record_all(
            [record.partition for record in records],
            [isinstance(result, DeadLetter) for result in results],
        )
        if stop is not None:
            raise StopConsumingError(stop)
        await self._producer.publish(
            [
                OutgoingRecord(
                    self._verdicts_topic,
                    result.value,
                    record.key,
                    record.partition,
                    JSON_HEADERS + spans.headers(number) if spans else JSON_HEADERS,
                )
                if isinstance(result, AuditedEvent)
                else self._dead_letter(record, result)
                for number, (record, result) in enumerate(zip(records, results, strict=True))
            ]
        )
        self._limit = limit
        audited = [result for result in results if isinstance(result, AuditedEvent)]
        self._observe(audited, decider.policies.controllers)
        if spans:
            self._show(spans, results)
        if self._publishers is not None:
            await self._count_unregistered(audited, self._publishers)
        if len(audited) < len(results):
            self._report([result for result in results if isinstance(result, DeadLetter)])

    async def _audit(
        self, records: Sequence[Record], decider: Decider
    ) -> list[AuditedEvent | DeadLetter]:
        now = self._clock()
        first = [self._auditor.audit(record, decider, now) for record in records]
        dependent = {
            record.partition
            for record, result in zip(records, first, strict=True)
            if isinstance(result, FactDependentEvent)
        }
        if not dependent:
            return cast("list[AuditedEvent | DeadLetter]", first)
        # INVARIANT: the end of the facts is asked for after the events were fetched, so that every
        # fact is considered that was acknowledged before its event.
        await self._facts.catch_up(dependent)
        now = self._clock()
        with self._facts.reading() as view:
            return [
                self._auditor.decide(record, result, view, decider, now)
                if isinstance(result, FactDependentEvent)
                else result
                for record, result in zip(records, first, strict=True)
            ]

    def _dead_letter(self, record: Record, letter: DeadLetter) -> OutgoingRecord:
        value = letter.__pydantic_serializer__.to_json(letter)
        return OutgoingRecord(self._dead_letters_topic, value, None, record.partition, JSON_HEADERS)

    def _observe(self, audited: Sequence[AuditedEvent], known: Container[str]) -> None:
        acknowledged = self._clock()
        counter = self._metrics.counter(m.VERDICTS)
        for decision, count in Counter([each.decision for each in audited]).items():
            controller = decision.controller if decision.controller in known else m.UNJUDGED
            counter.labels(controller, decision.outcome, decision.kind or "none").inc(count)
        self._metrics.histogram(m.ACCEPT_TO_VERDICT_SECONDS).observe_many(
            [(acknowledged - each.event.accepted_time).total_seconds() for each in audited]
        )
        self._metrics.histogram(m.EVENT_TO_VERDICT_SECONDS).observe_many(
            [(acknowledged - each.event.time).total_seconds() for each in audited]
        )
        if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
            self._trace([each for each in audited if each.decision.kind is not None])

    def _show(self, spans: Spans, results: Sequence[AuditedEvent | DeadLetter]) -> None:
        """Say in the spans what was decided, and let one stand for its latency."""
        acknowledged = self._clock()
        latency = self._metrics.histogram(m.ACCEPT_TO_VERDICT_SECONDS)
        for number, span in spans.items():
            result = results[number]
            if isinstance(result, DeadLetter):
                span.set(error__type=str(result.error_class))
                continue
            decision = result.decision
            span.set(
                purposewatch__event__id=result.event.id,
                purposewatch__controller=decision.controller,
                purposewatch__outcome=str(decision.outcome),
                purposewatch__kind=str(decision.kind or "none"),
            )
            seconds = (acknowledged - result.event.accepted_time).total_seconds()
            latency.show_example(seconds, span.trace_id)

    async def _count_unregistered(
        self, audited: Sequence[AuditedEvent], register: FileReloader[frozenset[str]]
    ) -> None:
        """Count events that name a publisher nobody registered: ingest did not write them."""
        named = {each.event.publisher for each in audited}
        if named <= register.current:
            return
        await asyncio.to_thread(register.refresh)  # ingest may have seen a change before
        unknown = named - register.current
        if unknown:
            count = sum(each.event.publisher in unknown for each in audited)
            self._metrics.counter(m.UNREGISTERED_EVENTS).inc(count)
            _log.warning(
                "events of publishers that are not registered",
                events=count,
                publishers=sorted(unknown)[:_NAMES_LOGGED],
            )

    def _trace(self, violations: Sequence[AuditedEvent]) -> None:
        for each in violations:
            _log.debug(
                "violation",
                event_id=each.event.id,
                traceparent=each.event.traceparent,
                kind=each.decision.kind,
            )

    def _report(self, letters: Sequence[DeadLetter]) -> None:
        counter = self._metrics.counter(m.DEAD_LETTERS)
        for letter in letters:
            counter.labels(letter.position.topic, letter.error_class).inc()
        log_dead_letters(letters)
