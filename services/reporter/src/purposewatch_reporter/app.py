"""Composition of the reporter: settings in, application out. Nothing connects before start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline

from purposewatch_contract import (
    DEAD_LETTERS,
    EVENTS,
    FACTS,
    GAPS,
    RAW,
    VERDICTS,
    ErrorClass,
    TopicName,
    topic_name,
)
from purposewatch_reporter.alerts.channel_watch import ChannelWatch
from purposewatch_reporter.alerts.channels import make_channels, routing_from
from purposewatch_reporter.alerts.delivery import Deliverer
from purposewatch_reporter.alerts.episodes import AlertLifecycle
from purposewatch_reporter.alerts.exception_watch import ExceptionWatch
from purposewatch_reporter.alerts.routing import Routing
from purposewatch_reporter.api import description, problems
from purposewatch_reporter.api.access import ApiAccess, bearer_scheme
from purposewatch_reporter.api.conflicts import conflicts_routes
from purposewatch_reporter.api.counts import counts_routes
from purposewatch_reporter.api.dead_letters import dead_letters_routes
from purposewatch_reporter.api.event_status import event_status_routes
from purposewatch_reporter.api.facts import facts_routes
from purposewatch_reporter.api.findings import findings_routes
from purposewatch_reporter.api.flows import flows_routes
from purposewatch_reporter.api.gaps import gaps_routes
from purposewatch_reporter.api.hosts import AllowedHosts
from purposewatch_reporter.api.ledger import ledger_routes
from purposewatch_reporter.api.outbox import outbox_routes
from purposewatch_reporter.api.records import records_routes
from purposewatch_reporter.api.shadow import shadow_routes
from purposewatch_reporter.api.silences import silences_routes
from purposewatch_reporter.api.violations import violations_routes
from purposewatch_reporter.api.what_if import WHAT_IF_PATH, what_if_routes
from purposewatch_reporter.discovery.first_seen import FirstSeenRecorder
from purposewatch_reporter.discovery.publisher_watch import PublisherWatch, is_caught_up
from purposewatch_reporter.discovery.rhythm import RhythmPolicy
from purposewatch_reporter.facts.watch import FactWatch
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.vocabularies import VocabularySeverity
from purposewatch_reporter.flow_watch import FlowWatch
from purposewatch_reporter.flows.hour_sums import HourSummer
from purposewatch_reporter.gaps.watch import GapWatch
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.housekeeping import Housekeeping
from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.shadow.counter import ShadowCounter
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.app import make_web_app, web_components
from purposewatch_reporter.web.pages.what_if import WHAT_IF_PAGES
from purposewatch_reporter.web.routes import web_routes
from purposewatch_reporter.wiring import build_ledger, build_rules
from purposewatch_runtime import metrics as m
from purposewatch_runtime.http import BoundedBody, documentation_routes
from purposewatch_runtime.kafka import (
    BatchConsumer,
    Handler,
    KafkaAccess,
    RecordSigning,
    TopicProvisioner,
    asyncapi_routes,
)
from purposewatch_runtime.policy_bundle import policy_bundle
from purposewatch_runtime.service import (
    Component,
    EventLoopWatch,
    RequestTiming,
    Supervisor,
    health_routes,
)
from purposewatch_runtime.traces import Traces, build_traces

_CLIENT_ID = "purposewatch-reporter"
_VERSION = version("purposewatch-reporter")
_HOUSEKEEPING_SECONDS = 600.0
_EPISODES_SECONDS = 1.0
_CHANNELS_SECONDS = 5.0
_EXCEPTIONS_SECONDS = 30.0
_GAPS_SECONDS = 10.0
_FACTS_SECONDS = 10.0
_PUBLISHERS_SECONDS = 300.0
_BESIDE_A_POLICY_BYTES = 524_288
_SHADOW_SECONDS = 5.0
_FLOWS_SECONDS = 60.0
_SUMS_SECONDS = 60.0


def _now() -> datetime:
    return datetime.now(UTC)


def build_app(settings: ReporterSettings) -> tuple[FastAPI, Supervisor]:
    """Put the reporter together."""
    prefix = settings.topic_prefix
    metric_set = m.MetricSet("reporter", version=_VERSION)
    metric_set.start_at_zero(m.RECORDED_DUPLICATES, [("same",), ("different",)])
    metric_set.start_at_zero(m.RECORDED_DEAD_LETTERS, ((str(each),) for each in ErrorClass))
    traces = build_traces(settings, service="reporter", version=_VERSION, metric_set=metric_set)
    database = Database(settings.database_url)
    requests = database.requests
    routing = routing_from(settings)
    channels = routing.endpoints
    bundle = policy_bundle(settings, metric_set)
    if bundle is not None:
        bundle.prepare()
    severity = VocabularySeverity(
        settings.policies_path, reload_seconds=settings.policies_reload_seconds
    )
    rules = build_rules(settings, severity, metric_set)
    ledger = build_ledger(
        settings,
        database,
        Findings(routing.severity_of(severity)),
        metric_set,
        client_id=_CLIENT_ID,
        clock=_now,
        rules=rules,
        first_seen=FirstSeenRecorder(routing.discovery, lambda: severity.vocabularies),
    )
    ledger_writer, reconciler = ledger.ledger_writer, ledger.reconciler
    web = make_web_app(settings, requests, reconciler, version=_VERSION, clock=_now)
    shadow = ShadowCounter(lambda: web.declared.current, metric_set, _now)
    batch_handlers = Handlers(ledger_writer, metric_set, shadow, traces)
    signing = RecordSigning(settings, service="reporter", metric_set=metric_set)
    housekeeping = Housekeeping(
        database,
        event_id_days=settings.reporter_event_id_days,
        outbox_days=settings.reporter_outbox_days,
        finding_days=settings.reporter_finding_days,
        gap_days=settings.reporter_gap_days,
        fact_use_days=settings.reporter_fact_use_days,
        flow_hours_days=settings.reporter_flow_hours_days,
        channels=channels,
        clock=_now,
    )

    def consumer(name: TopicName, handle: Handler, group: str) -> BatchConsumer:
        topic = topic_name(prefix, name)
        return BatchConsumer(
            settings,
            topic=topic,
            group_id=f"{prefix}.{group}",
            client_id=_CLIENT_ID,
            handle=handle,
            metric_set=metric_set,
            resume=partial(ledger_writer.positions, topic),
            verify=signing.verify,
        )

    # A group each: in one group, every change in either topic would reassign both.
    verdicts = consumer(VERDICTS, batch_handlers.verdicts, "reporter")
    dead_letters = consumer(DEAD_LETTERS, batch_handlers.dead_letters, "reporter.dead-letters")
    gaps = consumer(GAPS, batch_handlers.gaps, "reporter.gaps")
    facts = consumer(FACTS, batch_handlers.facts, "reporter.facts")
    consumers = [verdicts, dead_letters, gaps, facts]
    access = KafkaAccess(
        settings,
        service="reporter",
        groups=[each.group_id for each in consumers],
        client_id=_CLIENT_ID,
        metric_set=metric_set,
    )
    publishers = PublisherWatch(
        database,
        RhythmPolicy(
            silent_events=settings.reporter_silent_events,
            surge_factor=settings.reporter_surge_factor,
            surge_events=settings.reporter_surge_events,
        ),
        lambda: reconciler.latest,
        metric_set,
        clock=_now,
    )
    parts: list[Component] = [
        traces,
        EventLoopWatch(metric_set),
        database,
        signing,
        access,
        TopicProvisioner(
            settings, (RAW, EVENTS, VERDICTS, DEAD_LETTERS, GAPS, FACTS), client_id=_CLIENT_ID
        ),
        *ledger.before,
        rules,
        Periodic("ledger", settings.reporter_reconcile_seconds, reconciler.refresh),
        Periodic("housekeeping", _HOUSEKEEPING_SECONDS, housekeeping.prune),
        Periodic("publishers", _PUBLISHERS_SECONDS, publishers.refresh),
        Periodic("gaps", _GAPS_SECONDS, GapWatch(database, metric_set).refresh),
        Periodic("flows", _FLOWS_SECONDS, FlowWatch(database, metric_set, _now).refresh),
        Periodic(
            "sums",
            _SUMS_SECONDS,
            HourSummer(database, lambda: is_caught_up(reconciler.latest, _now()), _now).refresh,
        ),
        Periodic("facts", _FACTS_SECONDS, FactWatch(severity, metric_set).refresh),
        Periodic("shadow mode", _SHADOW_SECONDS, shadow.refresh),
        *consumers,
        ledger.epochs(
            {
                ledger.topics.verdicts: verdicts.resume_again,
                ledger.topics.dead_letters: dead_letters.resume_again,
                ledger.topics.gaps: gaps.resume_again,
                ledger.topics.facts: facts.resume_again,
            }
        ),
        *([] if bundle is None else [bundle]),
    ]
    parts[3:3] = _alerting(settings, routing, database, metric_set, severity, traces)
    parts[3:3] = web_components(web, settings)
    supervisor = Supervisor(parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with supervisor:
            yield

    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the `Host` that the client named
        title="Purposewatch reporter",
        description="Violations, exact counts and the ledger of Purposewatch.",
        version=_VERSION,
        lifespan=lifespan,
    )
    _protect(app, settings)
    app.add_middleware(RequestTiming, metric_set=metric_set)
    problems.install(app)
    description.describe(app)
    api = APIRouter(
        prefix="/api/v1",
        dependencies=[Depends(bearer_scheme)],
        responses=description.problems(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.METHOD_NOT_ALLOWED,
            HTTPStatus.MISDIRECTED_REQUEST,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    for routes in (
        violations_routes(requests),
        counts_routes(requests),
        ledger_routes(reconciler),
        dead_letters_routes(requests, dead_letters_topic=topic_name(prefix, DEAD_LETTERS)),
        conflicts_routes(requests),
        event_status_routes(requests, events_topic=topic_name(prefix, EVENTS)),
        outbox_routes(requests, channels=channels, clock=_now),
        findings_routes(requests),
        flows_routes(requests),
        gaps_routes(requests, _now),
        facts_routes(requests, _now),
        silences_routes(requests, _now),
        what_if_routes(requests, web.what_if),
        shadow_routes(requests, web.what_if, lambda: web.declared.current, _now),
        records_routes(web.record_exports),
    ):
        api.include_router(routes)
    app.include_router(api)
    app.router.routes.extend(
        health_routes(
            live={},
            ready={
                "started": supervisor.check,
                "kafka access": access.ready,
                "database": database.check,
                "verdicts": verdicts.ready,
                "dead letters": dead_letters.ready,
                "gaps": gaps.ready,
                "facts": facts.ready,
                "ledger": reconciler.check,
            },
            registry=metric_set.registry,
        )
    )
    app.router.routes.extend(asyncapi_routes("reporter", prefix=prefix, consumers=consumers))
    app.router.routes.extend(documentation_routes(app.title, assets="/static-offline-docs"))
    app.router.routes.extend(web_routes(web))
    return app, supervisor


def _protect(app: FastAPI, settings: ReporterSettings) -> None:
    """What every request passes before a route; the last one that is added is the first passed."""
    app.add_middleware(
        BoundedBody,
        max_bytes=settings.reporter_max_body_bytes,
        timeout_seconds=settings.reporter_body_timeout_seconds,
        of_paths=dict.fromkeys(
            (WHAT_IF_PATH, *WHAT_IF_PAGES),
            2 * settings.reporter_max_policy_bytes + _BESIDE_A_POLICY_BYTES,  # JSON escapes it
        ),
    )
    app.add_middleware(
        ApiAccess,
        token=settings.reporter_api_token,
        event_status_token=settings.reporter_event_status_token,
    )
    if settings.reporter_api_token is None:
        app.add_middleware(AllowedHosts, names=settings.allowed_hosts)


def _alerting(  # noqa: PLR0913, PLR0917 - composition happens once
    settings: ReporterSettings,
    routing: Routing,
    database: Database,
    metric_set: m.MetricSet,
    severity: VocabularySeverity,
    traces: Traces,
) -> list[Component]:
    """What turns findings into alerts and delivers them; it needs the database only."""
    episodes = AlertLifecycle(
        database,
        routing,
        quiet=timedelta(minutes=settings.reporter_quiet_minutes),
        clock=_now,
    )
    watch = ChannelWatch(
        database,
        channels=routing.endpoints,
        dead_after=timedelta(minutes=settings.reporter_channel_dead_minutes),
        metric_set=metric_set,
        clock=_now,
    )
    exceptions = ExceptionWatch(
        database,
        before=timedelta(days=settings.reporter_exception_notice_days),
        metric_set=metric_set,
        clock=_now,
    )
    return [
        severity,
        Periodic("episodes", _EPISODES_SECONDS, episodes.advance),
        Periodic("alert channels", _CHANNELS_SECONDS, watch.refresh),
        Periodic("exceptions", _EXCEPTIONS_SECONDS, exceptions.refresh),
        *(
            Deliverer(
                database,
                channel,
                public_url=settings.public_url,
                metric_set=metric_set,
                traces=traces,
                clock=_now,
            )
            for channel in make_channels(routing, _now)
        ),
    ]
