"""A small setting for ingest: one publisher, one controller, a fixed clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from purposewatch_ingest.admission import AdmissionRules, Pseudonymiser
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime.kafka import OutgoingRecord
from purposewatch_runtime.metrics import MetricSet

KEY = "pwk_a-key-for-tests"


class FakeProducer:
    """Keeps what is published, or fails with `error`."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.error: Exception | None = None

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Acknowledge at once, or raise."""
        if self.error is not None:
            raise self.error
        self.records.extend(records)


@pytest.fixture
def now() -> datetime:
    """The time on the clock of ingest."""
    return datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A vocabulary that has the terms of the event."""
    return Vocabulary.of(
        roles=["member"],
        operations=["use", "share"],
        purposes=["essential", "essential.service", "marketing", "marketing.advertising"],
        recipients=["first_party", "third_party", "third_party.advertising"],
        data_categories=["user", "user.contact", "user.contact.email", "user.name"],
        sources=["employer"],
        locations=["eu"],
        legal_bases=["consent"],
        facts=["consent.marketing"],
    )


@pytest.fixture
def publisher() -> Publisher:
    """The only registered publisher."""
    return Publisher("crm", frozenset({"wework-labs"}))


@pytest.fixture
def rules(vocabulary: Vocabulary, publisher: Publisher) -> AdmissionRules:
    """The rules of admission; one controller is not the publisher's."""
    return AdmissionRules(
        {"wework-labs": vocabulary, "linggan-house": vocabulary},
        PublisherRegister([(publisher, [sha256(KEY.encode()).hexdigest()])]),
        Pseudonymiser(b"k" * 32, "1"),
        timedelta(hours=2),
    )


@pytest.fixture
def metric_set() -> MetricSet:
    """The metrics of ingest."""
    return MetricSet("ingest", version="0")


@pytest.fixture
def ingest(rules: AdmissionRules, now: datetime, metric_set: MetricSet) -> Ingest:
    """The state of the service around the rules."""
    return Ingest(
        vocabularies=lambda: rules.vocabularies,
        register=lambda: rules.register,
        pseudonymise=rules.pseudonymise,
        max_future=rules.max_future,
        clock=lambda: now,
        events_topic="data-access.events",
        events_partitions=6,
        metric_set=metric_set,
    )


@pytest.fixture
def producer() -> FakeProducer:
    """The producer that stands in for Kafka."""
    return FakeProducer()
