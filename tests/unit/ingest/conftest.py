"""A small setting for ingest: one publisher, one controller, a fixed clock."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.http.api import Endpoints, build_api
from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.authzen.endpoint import AuthzenEndpoint
from purposewatch_ingest.http.cloudevents.endpoint import RequestProducers
from purposewatch_ingest.http.decisions.endpoint import Deciding, DecisionsEndpoint
from purposewatch_ingest.http.erasures.endpoint import ErasuresEndpoint
from purposewatch_ingest.http.events.endpoint import EventsEndpoint
from purposewatch_ingest.http.events.status import EventStatusEndpoint
from purposewatch_ingest.http.facts.endpoint import FactsEndpoint
from purposewatch_ingest.http.facts.lookup import FactLookupEndpoint
from purposewatch_ingest.http.gaps.endpoint import GapsEndpoint
from purposewatch_ingest.http.handling import RequestHandling
from purposewatch_ingest.http.request_shares import RequestShareLimits, RequestShares
from purposewatch_ingest.http.requests import RequestLimits
from purposewatch_ingest.http.vocabulary.endpoint import VocabularyEndpoint
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms, Pseudonymiser
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_ingest.tokens import TokenVerifier
from purposewatch_policy import Effect, Policy, PolicySet, Statement
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_runtime.kafka import OutgoingRecord, Tombstone
from purposewatch_runtime.metrics import MetricSet

KEY = "pwk_a-key-for-tests"
QUIET_KEY = "pwk_another-key-for-tests"
KEY_RING = KeyRing({ALL_OTHERS: [SubjectKey("1", b"k" * 32)]})
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


class FakeProducer:
    """Keeps what is published, or fails with `error`."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        """`OutgoingRecord` and `Tombstone`; a test knows which is which."""
        self.error: Exception | None = None

    async def publish(self, records: Sequence[OutgoingRecord | Tombstone]) -> None:
        """Acknowledge at once, or raise."""
        if self.error is not None:
            raise self.error
        self.records.extend(records)


class FakeReporter:
    """Knows the events that it was told, by source and id, or fails with `error`."""

    def __init__(self) -> None:
        self.facts: dict[str, list[dict[str, Any]]] = {}
        """Statements by pseudonym."""
        self.asked: list[tuple[str, str, datetime, str | None]] = []
        self.known: dict[tuple[str, str], bytes] = {}
        self.error: Exception | None = None

    async def status_of(self, source: str, event_id: str) -> bytes | None:
        """Return the status at once, or raise."""
        if self.error is not None:
            raise self.error
        return self.known.get((source, event_id))

    async def facts_of(
        self, controller: str, subject: str, *, as_of: datetime, fact: str | None = None
    ) -> bytes:
        """Return the statements at once, or raise."""
        if self.error is not None:
            raise self.error
        self.asked.append((controller, subject, as_of, fact))
        statements = [each for each in self.facts.get(subject, []) if fact in {None, each["fact"]}]
        return json.dumps({"as_of": as_of.isoformat(), "statements": statements}).encode()


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
    """The publisher that most tests are about; `quiet` is another one."""
    return Publisher("crm", frozenset({"wework-labs"}))


@pytest.fixture
def rules(vocabulary: Vocabulary, publisher: Publisher) -> AdmissionRules:
    """The rules of admission; one controller is not the publisher's."""
    return AdmissionRules(
        {"wework-labs": vocabulary, "linggan-house": vocabulary},
        PublisherRegister(
            [
                (publisher, [sha256(KEY.encode()).hexdigest()]),
                (
                    Publisher("quiet", frozenset({"wework-labs"})),
                    [sha256(QUIET_KEY.encode()).hexdigest()],
                ),
            ]
        ),
        Pseudonymiser(b"k" * 32, "1"),
        timedelta(hours=2),
    )


@pytest.fixture
def metric_set() -> MetricSet:
    """The metrics of ingest."""
    return MetricSet("ingest", version="0")


@pytest.fixture
def decisions(rules: AdmissionRules) -> Decisions:
    """A policy about members: to share their names it takes a stated source."""
    advertising = Statement(
        "members.advertising",
        "members.2",
        Effect.PERMIT,
        data_categories=("user.contact",),
        operations=("share",),
        roles=("member",),
        purposes=("marketing",),
        recipients=("third_party",),
    )
    names = replace(
        advertising,
        id="members.names",
        clause="members.3",
        data_categories=("user.name",),
        sources=("employer",),
    )
    service = Statement(
        "members.service",
        "members.1",
        Effect.PERMIT,
        data_categories=("user",),
        operations=("use",),
        roles=("member",),
        purposes=("essential",),
        recipients=("first_party",),
    )
    policy = Policy(
        controller="wework-labs",
        version="2026-01",
        in_force_from=datetime(2026, 1, 1, tzinfo=UTC),
        in_force_until=None,
        statements=(service, advertising, names),
    )
    return Decisions(PolicySet(rules.vocabularies, [policy]))


@pytest.fixture
def ingest(
    rules: AdmissionRules, decisions: Decisions, now: datetime, metric_set: MetricSet
) -> Ingest:
    """The state of the service around the rules."""
    return Ingest(
        decisions=lambda: decisions,
        register=lambda: rules.register,
        pseudonyms=DerivedPseudonyms(lambda: KEY_RING),
        max_future=rules.max_future,
        max_fact_future=rules.max_fact_future,
        clock=lambda: now,
        events_topic="data-access.events",
        facts_topic="data-access.facts",
        partitions=6,
        metric_set=metric_set,
    )


@pytest.fixture
def request_shares(metric_set: MetricSet) -> RequestShares:
    """Small shares, and little patience."""
    limits = RequestShareLimits(
        body_bytes=8_388_608,
        body_bytes_per_publisher=2_097_152,
        slots=4,
        slots_per_publisher=2,
        waiting_per_publisher=100,
        wait_timeout_seconds=0.1,
    )
    return RequestShares(limits, metric_set)


@pytest.fixture
def request_limits() -> RequestLimits:
    """Limits as by default, but little patience."""
    return RequestLimits(
        max_body_bytes=1_048_576,
        max_expansion=200,
        max_batch_events=1_000,
        body_timeout_seconds=0.2,
        acknowledge_timeout_seconds=0.2,
        max_decided_categories=100,
        decide_timeout_seconds=5,
    )


@pytest.fixture
def tokens() -> TokenVerifier | None:
    """Who verifies tokens; by default no identity provider is configured."""
    return None


@pytest.fixture
def api(  # noqa: PLR0917 - pytest passes fixtures by name
    ingest: Ingest,
    producer: FakeProducer,
    metric_set: MetricSet,
    request_limits: RequestLimits,
    request_shares: RequestShares,
    tokens: TokenVerifier | None,
    reporter: FakeReporter,
) -> FastAPI:
    """The application without Kafka and without background parts."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield

    authenticator = Authenticator(ingest.register, metric_set, tokens=tokens, clock=lambda: 0.0)
    handling = RequestHandling(ingest, authenticator, request_limits, request_shares)
    deciding = Deciding(request_limits, request_shares, metric_set)
    producers = RequestProducers(few=producer, many=producer)  # type: ignore[arg-type]
    return build_api(
        Endpoints(
            EventsEndpoint(handling, producers),
            FactsEndpoint(handling, producers),
            FactLookupEndpoint(handling, reporter),
            DecisionsEndpoint(handling, deciding),
            AuthzenEndpoint(handling, deciding, public_url="https://ingest.example.com"),
            GapsEndpoint(handling, producer, topic="data-access.gaps"),  # type: ignore[arg-type]
            EventStatusEndpoint(handling, reporter),
            ErasuresEndpoint(handling, producer, reporter),  # type: ignore[arg-type]
            VocabularyEndpoint(ingest, authenticator),
        ),
        routes=[],
        lifespan=lifespan,
        metric_set=metric_set,
        version="0",
    )


@pytest.fixture
def reporter() -> FakeReporter:
    """The reporter that is asked what became of an event."""
    return FakeReporter()


@pytest.fixture
def producer() -> FakeProducer:
    """The producer that stands in for Kafka."""
    return FakeProducer()


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a registered key."""
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://ingest", headers=AUTHORIZED
    ) as client:
        yield client


async def post(
    client: httpx.AsyncClient, content: object, content_type: str = STRUCTURED, **headers: str
) -> httpx.Response:
    """Post JSON, or bytes as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await client.post(
        "/v1/events", content=body, headers={"content-type": content_type, **headers}
    )


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem that a response carries, which must be of this kind."""
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert (status, status, f"urn:purposewatch:problem:{name}") == (
        response.status_code,
        found["status"],
        found["type"],
    )
    assert found["title"]
    assert found["detail"]
    return found
