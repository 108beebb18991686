"""What both transports share: admission under the rules in force, records to publish, counters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from purposewatch_contract import ErrorClass
from purposewatch_ingest.admission import (
    Admission,
    AdmissionBatch,
    AdmissionRules,
    AdmittedEvent,
    Pseudonymiser,
)
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.publishers import PublisherRegister
from purposewatch_ingest.rate_limits import PublisherUsage
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import OutgoingRecord

Transport = Literal["http", "kafka"]

_HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", b"application/cloudevents+json"),)


@dataclass(frozen=True, slots=True)
class Ingest:
    """The service's state that is not tied to a transport."""

    decisions: Callable[[], Decisions]
    register: Callable[[], PublisherRegister]
    pseudonymise: Pseudonymiser
    max_future: timedelta
    clock: Callable[[], datetime]
    events_topic: str
    events_partitions: int
    metric_set: m.MetricSet
    admission: Admission = field(default_factory=Admission)
    usage: PublisherUsage = field(default_factory=PublisherUsage)

    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """Each controller's vocabulary, as the policies have it."""
        return self.decisions().policies.vocabularies

    def begin_batch(self, decisions: Decisions | None = None) -> AdmissionBatch:
        """Admit the events of one request or batch by the rules and at the time of this call.

        `decisions` are the current ones, unless the caller also needs them.
        """
        policies = (decisions or self.decisions()).policies
        rules = AdmissionRules(
            policies.vocabularies, self.register(), self.pseudonymise, self.max_future
        )
        return self.admission.batch(rules, self.clock())

    def outgoing(self, event: AdmittedEvent, *, joins: bool = False) -> OutgoingRecord:
        """The record that carries an admitted event to the auditors."""
        headers = _HEADERS
        if event.traceparent is not None:
            headers += (("traceparent", event.traceparent.encode()),)
        # The pseudonym's bits are as evenly distributed as any hash of it. Kafka's own hash costs
        # more than all the rest of admission, and only records with a partition go out in batches.
        partition = int(event.key[-8:], 16) % self.events_partitions
        return OutgoingRecord(self.events_topic, event.value, event.key, partition, headers, joins)

    def count_accepted(self, publishers: Iterable[str], transport: Transport) -> None:
        """Count acknowledged events. `publishers` are registered names, one per event."""
        counter = self.metric_set.counter(m.INGEST_ACCEPTED)
        for publisher, number in Counter(publishers).items():
            counter.labels(publisher, transport).inc(number)

    def count_refused(
        self, refusals: Iterable[tuple[str, ErrorClass]], transport: Transport
    ) -> None:
        """Count refused events by publisher, a registered name or `UNREGISTERED`, and class."""
        counter = self.metric_set.counter(m.INGEST_REFUSED)
        for (publisher, error_class), number in Counter(refusals).items():
            counter.labels(publisher, transport, error_class).inc(number)
