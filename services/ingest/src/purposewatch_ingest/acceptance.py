"""What both ways in share: the rules of admission now in force, the clock, and the counters."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from purposewatch_contract import ErrorClass
from purposewatch_ingest.admission import (
    AdmissionCache,
    AdmissionRules,
    AdmittedEvent,
    Pseudonymiser,
)
from purposewatch_ingest.publishers import PublisherRegister
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import OutgoingRecord

Transport = Literal["http", "kafka"]

UNREGISTERED = "_unregistered"
"""Label for publishers that are not in the register; no registered name begins with `_`."""

_HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", b"application/cloudevents+json"),)


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate's state that is not tied to a way in."""

    vocabularies: Callable[[], Mapping[str, Vocabulary]]
    register: Callable[[], PublisherRegister]
    pseudonymise: Pseudonymiser
    max_future: timedelta
    clock: Callable[[], datetime]
    events_topic: str
    events_partitions: int
    metric_set: m.MetricSet
    familiar: AdmissionCache = field(default_factory=AdmissionCache)

    def rules(self) -> AdmissionRules:
        """The rules as of now; one request or batch uses one set of them throughout."""
        return AdmissionRules(self.vocabularies(), self.pseudonymise, self.max_future)

    def outgoing(self, event: AdmittedEvent, *, joins: bool = False) -> OutgoingRecord:
        """The record that carries an admitted event to the auditors."""
        headers = _HEADERS
        if event.traceparent is not None:
            headers += (("traceparent", event.traceparent.encode()),)
        # A pseudonym ends in bits as even as any hash of it could give. Kafka's usual hash costs
        # more than all the rest of admission, and only records with a partition go out in batches.
        partition = int(event.key[-8:], 16) % self.events_partitions
        return OutgoingRecord(self.events_topic, event.value, event.key, partition, headers, joins)

    def count_accepted(self, publishers: Iterable[str], transport: Transport) -> None:
        """Count confirmed events. `publishers` are names from the register, one per event."""
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
