"""Composition of the books: who writes them, who compares them with Kafka, who turns pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_reporter.booking.book import Bookkeeper
from purposewatch_reporter.books_watch import BooksWatch
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.pages.keeper import BookTopics, PageKeeper
from purposewatch_reporter.pages.log_reader import LogReader
from purposewatch_reporter.pages.opening import RawBooksOpening
from purposewatch_reporter.pages.watch import PagesWatch
from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.watermarks import Watermarks
from purposewatch_shared import metrics as m
from purposewatch_shared.service import Part
from purposewatch_shared.topics import DEAD_LETTERS, EVENTS, RAW, VERDICTS, topic_name

_PAGES_SECONDS = 10.0
_CHECK_SHARE = 0.3
"""Of a session: how long the pages may be looked at when partitions are assigned."""


@dataclass(frozen=True, slots=True)
class BooksParts:
    """What keeps the books, and what of it has to be started."""

    topics: BookTopics
    bookkeeper: Bookkeeper
    watch: BooksWatch
    before: tuple[Part, ...]
    """To be started before anything is booked."""
    pages: Callable[[Mapping[str, Callable[[], Awaitable[None]]]], Part]
    """What turns pages meanwhile, given whom to tell of it by topic."""


def make_books(  # noqa: PLR0913 - composition happens once, in app.py
    settings: ReporterSettings,
    database: Database,
    findings: Findings,
    metric_set: m.MetricSet,
    *,
    client_id: str,
    clock: Callable[[], datetime],
) -> BooksParts:
    """Put it together; nothing connects before start."""
    topics = BookTopics(
        *(topic_name(settings.topic_prefix, name) for name in (RAW, EVENTS, VERDICTS, DEAD_LETTERS))
    )
    events_log = Watermarks(settings, topic=topics.events, client_id=client_id)
    raw_log = Watermarks(settings, topic=topics.raw, client_id=client_id)
    reader = LogReader(settings, client_id=client_id)
    keeper = PageKeeper(database, reader, topics, clock=clock)
    bookkeeper = Bookkeeper(
        database,
        events_topic=topics.events,
        raw_topic=topics.raw,
        findings=findings,
        log_start=events_log.log_start,
        clock=clock,
        pages=keeper,
        check_seconds=settings.kafka_session_timeout_ms / 1000 * _CHECK_SHARE,
    )
    partitions = range(settings.topic_partitions)
    watch = BooksWatch(
        database,
        events_log,
        raw_log,
        partitions=settings.topic_partitions,
        metric_set=metric_set,
        clock=clock,
    )

    def pages(turned: Mapping[str, Callable[[], Awaitable[None]]]) -> Part:
        look = PagesWatch(
            database,
            keeper,
            watch,
            topics,
            partitions=settings.topic_partitions,
            alert_after=timedelta(seconds=settings.reporter_books_alert_seconds),
            clock=clock,
            turned=turned,
        )
        return Periodic("pages", _PAGES_SECONDS, look.look)

    return BooksParts(
        topics=topics,
        bookkeeper=bookkeeper,
        watch=watch,
        before=(
            events_log,
            raw_log,
            reader,
            RawBooksOpening(database, reader, topics, partitions=partitions),
        ),
        pages=pages,
    )
