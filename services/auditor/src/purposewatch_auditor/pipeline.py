"""The auditor's handling of a batch: judge, publish, be confirmed; only then is it finished."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from purposewatch_auditor.audit import audit
from purposewatch_auditor.policy import RememberingDecider
from purposewatch_shared import metrics as m
from purposewatch_shared.dead_letter import DeadLetter
from purposewatch_shared.kafka.consumer import Record, StopConsumingError
from purposewatch_shared.kafka.dead_letter_limit import DeadLetterLimit
from purposewatch_shared.kafka.producer import ConfirmedProducer, OutgoingRecord
from purposewatch_shared.logs import get_logger
from purposewatch_shared.verdict import Verdict

_JSON = (("content-type", b"application/json"),)

_UNJUDGED = "_unjudged"
"""Label for controllers without a policy; no controller's name begins with `_`."""

_log = get_logger(__name__)


class AuditPipeline:
    """Handler of batches of the events topic."""

    def __init__(  # noqa: PLR0913 - composition happens once, in `app.py`
        self,
        *,
        decider: Callable[[], RememberingDecider],
        producer: ConfirmedProducer,
        limit: DeadLetterLimit,
        verdicts_topic: str,
        dead_letters_topic: str,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._decider = decider
        self._producer = producer
        self._limit = limit
        self._verdicts_topic = verdicts_topic
        self._dead_letters_topic = dead_letters_topic
        self._metrics = metric_set
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> None:
        """Publish a verdict or a dead letter for every record, in order, all confirmed.

        INVARIANT: a verdict goes to the partition number of its event, in offset order.
        Raises `StopConsumingError` when too many records are bad; any other error means that
        nothing of the batch counts as published.
        """
        decider = self._decider()  # the same for the whole batch, whatever is reloaded
        now = self._clock()
        results = [audit(record, decider, now) for record in records]
        limit = self._limit.copy()
        for record, result in zip(records, results, strict=True):
            stop = limit.record(record.partition, bad=isinstance(result, DeadLetter))
            if stop is not None:
                raise StopConsumingError(stop)
        await self._producer.publish(
            [
                OutgoingRecord(
                    topic=self._dead_letters_topic
                    if isinstance(result, DeadLetter)
                    else self._verdicts_topic,
                    value=result.__pydantic_serializer__.to_json(result),
                    key=None if isinstance(result, DeadLetter) else record.key,
                    partition=record.partition,
                    headers=_JSON,
                )
                for record, result in zip(records, results, strict=True)
            ]
        )
        self._limit = limit
        self._observe(results)

    def _observe(self, results: Sequence[Verdict | DeadLetter]) -> None:
        confirmed = self._clock()
        outcomes: Counter[tuple[str, str, str]] = Counter()
        by_accept = self._metrics.histogram(m.ACCEPT_TO_VERDICT_SECONDS)
        by_event = self._metrics.histogram(m.EVENT_TO_VERDICT_SECONDS)
        known = self._decider().policies.controllers
        for result in results:
            if isinstance(result, DeadLetter):
                self._metrics.counter(m.DEAD_LETTERS).labels(
                    result.position.topic, result.error_class
                ).inc()
                _log.warning(
                    "dead letter",
                    topic=result.position.topic,
                    partition=result.position.partition,
                    offset=result.position.offset,
                    error_class=result.error_class,
                    reason=result.reason,
                )
                continue
            controller = result.data.controller
            label = controller if controller in known else _UNJUDGED
            outcomes[label, result.outcome, result.kind or "none"] += 1
            by_accept.observe(max(0.0, (confirmed - result.accepted_time).total_seconds()))
            by_event.observe(max(0.0, (confirmed - result.event_time).total_seconds()))
            if result.kind is not None:
                _log.debug(
                    "violation",
                    event_id=result.event_id,
                    traceparent=result.traceparent,
                    kind=result.kind,
                    partition=result.position.partition,
                    offset=result.position.offset,
                )
        counter = self._metrics.counter(m.VERDICTS)
        for labels, count in outcomes.items():
            counter.labels(*labels).inc(count)
