"""Composition of the reporter: settings in, application out. Nothing connects before start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline

from purposewatch_reporter.alerts.webhook import CHANNEL, Webhook, WebhookTarget
from purposewatch_reporter.api import problems
from purposewatch_reporter.api.access import require_token
from purposewatch_reporter.api.books import books_routes
from purposewatch_reporter.api.conflicts import conflicts_routes
from purposewatch_reporter.api.counts import counts_routes
from purposewatch_reporter.api.dead_letters import dead_letters_routes
from purposewatch_reporter.api.outbox import outbox_routes
from purposewatch_reporter.api.violations import violations_routes
from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.books_watch import BooksWatch
from purposewatch_reporter.housekeeping import Housekeeping
from purposewatch_reporter.intake import Intake
from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.watermarks import Watermarks
from purposewatch_shared import metrics as m
from purposewatch_shared.health import health_routes
from purposewatch_shared.kafka.consumer import BatchConsumer, Handler
from purposewatch_shared.kafka.provision import TopicProvisioner
from purposewatch_shared.service import Part, Supervisor
from purposewatch_shared.topics import DEAD_LETTERS, EVENTS, VERDICTS, TopicName, topic_name

_CLIENT_ID = "purposewatch-reporter"
_VERSION = version("purposewatch-reporter")
_HOUSEKEEPING_SECONDS = 600.0


def _now() -> datetime:
    return datetime.now(UTC)


def build_app(settings: ReporterSettings) -> tuple[FastAPI, Supervisor]:
    """Put the reporter together."""
    prefix = settings.topic_prefix
    events_topic = topic_name(prefix, EVENTS)
    metric_set = m.MetricSet("reporter", version=_VERSION)
    database = Database(settings.database_url)
    target = _webhook_target(settings)
    channels = () if target is None else (CHANNEL,)
    watermarks = Watermarks(settings, topic=events_topic, client_id=_CLIENT_ID)
    bookkeeper = Bookkeeper(
        database,
        events_topic=events_topic,
        channels=channels,
        log_start=watermarks.log_start,
        clock=_now,
    )
    intake = Intake(bookkeeper, metric_set)
    watch = BooksWatch(
        database,
        watermarks,
        events_topic=events_topic,
        partitions=settings.topic_partitions,
        channels=channels,
        metric_set=metric_set,
        clock=_now,
    )
    housekeeping = Housekeeping(
        database,
        event_id_days=settings.reporter_event_id_days,
        outbox_days=settings.reporter_outbox_days,
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
            resume=partial(bookkeeper.positions, topic),
        )

    # A group each: in one group, every change in either topic would deal out both anew.
    verdicts = consumer(VERDICTS, intake.verdicts, "reporter")
    dead_letters = consumer(DEAD_LETTERS, intake.dead_letters, "reporter.dead-letters")
    parts: list[Part] = [
        database,
        TopicProvisioner(settings, (EVENTS, VERDICTS, DEAD_LETTERS), client_id=_CLIENT_ID),
        watermarks,
        Periodic("books", settings.reporter_books_seconds, watch.refresh),
        Periodic("housekeeping", _HOUSEKEEPING_SECONDS, housekeeping.prune),
        verdicts,
        dead_letters,
    ]
    if target is not None:
        parts.insert(1, Webhook(database, target, metric_set=metric_set, clock=_now))
    supervisor = Supervisor(parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with supervisor:
            yield

    app = FastAPIOffline(
        redoc_url=None,
        title="Purposewatch reporter",
        description="Violations, exact counts and the books of Purposewatch.",
        version=_VERSION,
        lifespan=lifespan,
    )
    problems.install(app)
    api = APIRouter(
        prefix="/api/v1",
        dependencies=[Depends(require_token(settings.reporter_api_token))],
        responses={status: {"model": problems.Problem} for status in (401, 422, 503)},
    )
    for routes in (
        violations_routes(database),
        counts_routes(database),
        books_routes(watch),
        dead_letters_routes(database, dead_letters_topic=topic_name(prefix, DEAD_LETTERS)),
        conflicts_routes(database),
        outbox_routes(database, channels=channels),
    ):
        api.include_router(routes)
    app.include_router(api)
    app.router.routes.extend(
        health_routes(
            live={},
            ready={
                "started": supervisor.check,
                "database": database.check,
                "verdicts": verdicts.ready,
                "dead letters": dead_letters.ready,
                "books": watch.check,
            },
            registry=metric_set.registry,
        )
    )
    return app, supervisor


def _webhook_target(settings: ReporterSettings) -> WebhookTarget | None:
    if settings.webhook_url is None:
        return None
    return WebhookTarget(
        url=settings.webhook_url,
        secret=settings.webhook_secret,
        timeout_seconds=settings.webhook_timeout_seconds,
        public_url=settings.public_url,
    )
