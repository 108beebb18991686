"""Composition of ingest: settings in, application out. Nothing connects before start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import product
from typing import get_args

from fastapi import FastAPI
from starlette.types import ASGIApp

from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, GAPS, RAW, ErrorClass, topic_name
from purposewatch_ingest.admission import Admission
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.fair_limiter import RefusalReason
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
from purposewatch_ingest.ingest import Ingest, Transport
from purposewatch_ingest.publishers import PublisherRegister
from purposewatch_ingest.rate_limits import LimitReason
from purposewatch_ingest.raw import RawTopicHandler
from purposewatch_ingest.register_file import load_register
from purposewatch_ingest.reporter import ReporterClient
from purposewatch_ingest.settings import IngestSettings
from purposewatch_ingest.signing_keys import SigningKeys
from purposewatch_ingest.tokens import KeySetSource, TokenVerifier
from purposewatch_ingest.unknown_terms import UnknownTermReporter, UnknownTerms
from purposewatch_ingest.wiring import build_pseudonyms, watch_keys
from purposewatch_policy import Outcome, load_policies
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import (
    AcknowledgedProducer,
    BatchConsumer,
    DeadLetterLimit,
    DeadLetterPolicy,
    KafkaAccess,
    RecordSigning,
    TopicProvisioner,
    asyncapi_routes,
)
from purposewatch_runtime.policy_bundle import policy_bundle
from purposewatch_runtime.service import (
    Component,
    EventLoopWatch,
    FileReloader,
    Supervisor,
    health_routes,
)
from purposewatch_runtime.traces import build_traces

_CLIENT_ID = "purposewatch-ingest"


def build_app(
    settings: IngestSettings, *components: Component | None
) -> tuple[FastAPI, Supervisor]:
    """Put the service together, with further components of the process.

    Raises `InvalidSourceError` when the declared policies or the register of publishers are faulty.
    """
    own_version = version("purposewatch-ingest")
    metric_set = m.MetricSet("ingest", version=own_version)
    register = _watch_register(settings, metric_set)

    bundle = policy_bundle(settings, metric_set)
    if bundle is not None:
        bundle.prepare()

    def policies_reloaded(error: Exception | None) -> None:
        metric_set.counter(m.POLICY_RELOADS).labels("failure" if error else "success").inc()
        metric_set.gauge(m.POLICY_RELOAD_FAILED).set(1 if error else 0)
        if error is None:
            metric_set.gauge(m.POLICY_LOADED).set_to_current_time()

    decisions = FileReloader(
        settings.policies_path,
        lambda directory: Decisions(load_policies(directory)),
        interval=settings.policies_reload_seconds,
        on_result=policies_reloaded,
    )
    metric_set.gauge(m.POLICY_LOADED).set_to_current_time()
    metric_set.start_at_zero(m.POLICY_RELOADS, [("success",), ("failure",)])
    traces = build_traces(settings, service="ingest", version=own_version, metric_set=metric_set)
    keys = watch_keys(settings)
    pseudonyms, stored = build_pseudonyms(settings, keys)
    unknown_terms = UnknownTerms(settings.ingest_unknown_term_subjects)
    ingest = Ingest(
        admission=Admission(unknown_terms),
        decisions=lambda: decisions.current,
        register=lambda: register.current,
        pseudonyms=pseudonyms,
        max_future=timedelta(seconds=settings.ingest_max_future_seconds),
        max_fact_future=timedelta(days=settings.ingest_max_fact_future_days),
        clock=lambda: datetime.now(UTC),
        events_topic=topic_name(settings.topic_prefix, EVENTS),
        facts_topic=topic_name(settings.topic_prefix, FACTS),
        partitions=settings.topic_partitions,
        metric_set=metric_set,
        traces=traces,
    )
    signing = RecordSigning(settings, service="ingest", metric_set=metric_set)
    producer = AcknowledgedProducer(settings, client_id=_CLIENT_ID, sign=signing.sign)
    producer_of_few = AcknowledgedProducer(settings, client_id=_CLIENT_ID, sign=signing.sign)
    consumer = _raw_consumer(settings, ingest, producer)
    access = KafkaAccess(
        settings,
        service="ingest",
        groups=[consumer.group_id],
        client_id=_CLIENT_ID,
        metric_set=metric_set,
    )
    provisioner = TopicProvisioner(
        settings, (RAW, EVENTS, FACTS, DEAD_LETTERS, GAPS), client_id=_CLIENT_ID
    )
    reporter = _reporter_client(settings)
    supervisor = Supervisor(
        [
            *filter(None, components),
            EventLoopWatch(metric_set),
            traces,
            *([] if reporter is None else [reporter]),
            *([] if bundle is None else [bundle]),
            decisions,
            register,
            *([] if keys is None else [keys]),
            *([] if stored is None else [stored]),
            signing,
            access,
            provisioner,
            producer,
            producer_of_few,
            UnknownTermReporter(
                unknown_terms,
                producer_of_few,
                topic_name(settings.topic_prefix, GAPS),
                ingest.clock,
            ),
            consumer,
        ]
    )

    @asynccontextmanager
    async def lifespan(_: ASGIApp) -> AsyncIterator[None]:
        async with supervisor:
            yield

    limits = RequestLimits(
        max_body_bytes=settings.ingest_max_body_bytes,
        max_expansion=settings.ingest_max_expansion,
        max_batch_events=settings.ingest_max_batch_events,
        body_timeout_seconds=settings.ingest_body_timeout_seconds,
        acknowledge_timeout_seconds=settings.ingest_acknowledge_timeout_seconds,
        max_decided_categories=settings.ingest_max_decided_categories,
        decide_timeout_seconds=settings.ingest_decide_timeout_seconds,
    )
    authenticator = Authenticator(ingest.register, metric_set, tokens=_token_verifier(settings))
    producers = RequestProducers(few=producer_of_few, many=producer)
    shares = RequestShares(_share_limits(settings), metric_set)
    handling = RequestHandling(ingest, authenticator, limits, shares)
    deciding = Deciding(limits, shares, metric_set)
    app = build_api(
        Endpoints(
            EventsEndpoint(handling, producers),
            FactsEndpoint(handling, producers),
            FactLookupEndpoint(handling, reporter),
            DecisionsEndpoint(handling, deciding),
            AuthzenEndpoint(handling, deciding, public_url=settings.ingest_public_url),
            GapsEndpoint(handling, producer, topic=topic_name(settings.topic_prefix, GAPS)),
            EventStatusEndpoint(handling, reporter),
            ErasuresEndpoint(handling, producer, reporter),
            VocabularyEndpoint(ingest, authenticator),
        ),
        routes=[
            *health_routes(
                live={},
                ready={
                    "started": supervisor.check,
                    "kafka access": access.ready,
                    "producer": producer.ready,
                    "consumer": consumer.ready,
                },
                registry=metric_set.registry,
            ),
            *asyncapi_routes("ingest", prefix=settings.topic_prefix, consumers=[consumer]),
        ],
        lifespan=lifespan,
        metric_set=metric_set,
        version=own_version,
    )
    return app, supervisor


def _token_verifier(settings: IngestSettings) -> TokenVerifier | None:
    policy = settings.token_policy()
    if policy is None:
        return None
    source = KeySetSource(policy.issuer, settings.ingest_oidc_jwks_url)
    return TokenVerifier(policy, SigningKeys(source))


def _reporter_client(settings: IngestSettings) -> ReporterClient | None:
    if settings.ingest_reporter_url is None:
        return None
    return ReporterClient(
        settings.ingest_reporter_url,
        settings.reporter_event_status_token,
        timeout_seconds=settings.ingest_reporter_timeout_seconds,
    )


def _share_limits(settings: IngestSettings) -> RequestShareLimits:
    return RequestShareLimits(
        body_bytes=settings.ingest_max_bodies_bytes,
        body_bytes_per_publisher=settings.ingest_max_bodies_bytes_per_publisher,
        slots=settings.ingest_max_in_flight,
        slots_per_publisher=settings.ingest_max_in_flight_per_publisher,
        waiting_per_publisher=settings.ingest_max_waiting_per_publisher,
        wait_timeout_seconds=settings.ingest_wait_timeout_seconds,
    )


def _watch_register(
    settings: IngestSettings, metric_set: m.MetricSet
) -> FileReloader[PublisherRegister]:
    def reloaded(error: Exception | None) -> None:
        metric_set.gauge(m.INGEST_PUBLISHERS_RELOAD_FAILED).set(1 if error else 0)
        if error is None:
            show_publishers(register.current)

    def show_publishers(loaded: PublisherRegister) -> None:
        for spec in (m.INGEST_ACCEPTED, m.INGEST_FACTS_ACCEPTED):
            metric_set.start_at_zero(spec, product(loaded.names, get_args(Transport)))
        metric_set.start_at_zero(
            m.INGEST_REQUESTS_REFUSED, product(loaded.names, [*RefusalReason, *LimitReason])
        )
        metric_set.start_at_zero(m.INGEST_DECISIONS, product(loaded.names, Outcome))

    register = FileReloader(
        settings.publishers_file,
        load_register,
        interval=settings.policies_reload_seconds,
        on_result=reloaded,
        name="register of publishers",
    )
    show_publishers(register.current)
    return register


def _raw_consumer(
    settings: IngestSettings, ingest: Ingest, producer: AcknowledgedProducer
) -> BatchConsumer:
    topic = topic_name(settings.topic_prefix, RAW)
    ingest.metric_set.start_at_zero(m.DEAD_LETTERS, ((topic, str(each)) for each in ErrorClass))
    handler = RawTopicHandler(
        ingest,
        producer,
        DeadLetterLimit(DeadLetterPolicy.from_settings(settings)),
        dead_letters_topic=topic_name(settings.topic_prefix, DEAD_LETTERS),
    )
    return BatchConsumer(
        settings,
        topic=topic,
        group_id=f"{settings.topic_prefix}.ingest",
        client_id=_CLIENT_ID,
        handle=handler.handle,
        metric_set=ingest.metric_set,
    )
