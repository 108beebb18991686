"""What both transports share: admission under the rules in force, records to publish, counters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from purposewatch_contract import ErrorClass
from purposewatch_contract.codec import FactKey
from purposewatch_ingest.admission import Admission, AdmissionBatch, Admitted, AdmittedFact
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.pseudonyms.interface import Pseudonyms
from purposewatch_ingest.publishers import PublisherRegister
from purposewatch_ingest.rate_limits import PublisherUsage
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import OutgoingRecord, Tombstone
from purposewatch_runtime.traces import NO_TRACES, Headers, SpanKind, Spans, Traces

Transport = Literal["http", "kafka"]

_PUBLISHES = {"messaging.system": "kafka", "messaging.operation.type": "send"}
_HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", b"application/cloudevents+json"),)


@dataclass(frozen=True, slots=True)
class Ingest:
    """The service's state that is not tied to a transport."""

    decisions: Callable[[], Decisions]
    register: Callable[[], PublisherRegister]
    pseudonyms: Pseudonyms
    max_future: timedelta
    max_fact_future: timedelta
    clock: Callable[[], datetime]
    events_topic: str
    facts_topic: str
    partitions: int
    """Of each of the two topics."""
    metric_set: m.MetricSet
    admission: Admission = field(default_factory=Admission)
    usage: PublisherUsage = field(default_factory=PublisherUsage)
    traces: Traces = NO_TRACES

    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """Each controller's vocabulary, as the policies have it."""
        return self.decisions().policies.vocabularies

    def begin_batch(self, decisions: Decisions | None = None) -> AdmissionBatch:
        """Admit the events of one request or batch by the rules and at the time of this call.

        `decisions` are the current ones, unless the caller also needs them.
        """
        policies = (decisions or self.decisions()).policies
        now = self.clock()
        rules = AdmissionRules(
            policies.vocabularies,
            self.register(),
            self.pseudonyms.begin(now),
            self.max_future,
            self.max_fact_future,
        )
        return self.admission.batch(rules, now)

    def outgoing(
        self, admitted: Admitted, *, joins: bool = False, trace: Headers = ()
    ) -> OutgoingRecord:
        """The record that carries an admitted event or fact to the auditors.

        `trace` names a span of this service; without one, the event's `traceparent` is passed on.

        INVARIANT: a subject's facts are in the partition of its events, whatever their keys are:
        the auditor that decides about the subject reads no other partition.
        """
        headers = _HEADERS + trace
        if admitted.traceparent is not None and not trace:
            headers += (("traceparent", admitted.traceparent.encode()),)
        topic = self.facts_topic if isinstance(admitted, AdmittedFact) else self.events_topic
        partition = self._partition_of(admitted.subject)
        return OutgoingRecord(topic, admitted.value, admitted.key, partition, headers, joins)

    def tracing(self, admitted: Sequence[Admitted]) -> AbstractContextManager[Spans]:
        """The spans of those that are sampled, while they are being published."""
        return self.traces.each(
            f"publish {self.events_topic}",
            SpanKind.PRODUCER,
            [each.traceparent for each in admitted],
            _PUBLISHES,
        )

    def tombstone(self, key: FactKey) -> Tombstone:
        """The record that deletes a statement of a fact."""
        return Tombstone(self.facts_topic, key.encode(), self._partition_of(key.subject))

    def _partition_of(self, subject: str) -> int:
        # The pseudonym's bits are as evenly distributed as any hash of it. Kafka's own hash costs
        # more than all the rest of admission, and only records with a partition go out in batches.
        return int(subject[-8:], 16) % self.partitions

    def count_accepted(self, admitted: Iterable[Admitted], transport: Transport) -> None:
        """Count acknowledged events and facts, each by their own metric."""
        for (publisher, kind), number in Counter(
            (each.publisher, type(each)) for each in admitted
        ).items():
            spec = m.INGEST_FACTS_ACCEPTED if kind is AdmittedFact else m.INGEST_ACCEPTED
            self.metric_set.counter(spec).labels(publisher, transport).inc(number)

    def count_refused(
        self, refusals: Iterable[tuple[str, ErrorClass]], transport: Transport
    ) -> None:
        """Count refused events and facts by publisher, registered or `UNREGISTERED`, and class."""
        counter = self.metric_set.counter(m.INGEST_REFUSED)
        for (publisher, error_class), number in Counter(refusals).items():
            counter.labels(publisher, transport, error_class).inc(number)
