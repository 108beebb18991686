"""Rebuild the ledger from the topics, in an empty database: `rebuild`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, GAPS, RAW, VERDICTS
from purposewatch_reporter.alerts.channels import routing_from
from purposewatch_reporter.discovery.first_seen import FirstSeenRecorder
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.vocabularies import VocabularySeverity
from purposewatch_reporter.handlers import Handlers
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.positions import load_next_offsets
from purposewatch_reporter.wiring import LedgerComponents, build_ledger, build_rules
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import BatchConsumer, Record, RecordSigning, TopicProvisioner
from purposewatch_runtime.logs import configure_logs, get_logger
from purposewatch_runtime.service import Component, FatalError
from purposewatch_runtime.settings import load_settings

_CLIENT_ID = "purposewatch-reporter-rebuild"
_LOOK_SECONDS = 0.2
_PROGRESS_SECONDS = 10.0
_STALLED_SECONDS = 120.0

_log = get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def run_rebuild(arguments: Sequence[str]) -> int:
    """The command: 0 when the ledger is rebuilt, 1 when it can't be, 2 for wrong usage."""
    if arguments:
        sys.stderr.write("rebuild: takes no arguments; the settings say which database\n")
        return 2
    settings = load_settings(ReporterSettings)
    configure_logs(settings, service="reporter")
    try:
        summary = asyncio.run(rebuild(settings))
    except FatalError as error:
        sys.stderr.write(f"rebuild: {error}\n")
        return 1
    sys.stdout.write(f"{summary}\n")
    return 0


async def rebuild(settings: ReporterSettings) -> str:
    """Record everything that the topics hold now; return what was recorded, in one line.

    Raises `FatalError` for a database that is not empty, and when the ledger can't be written.
    What a running reporter does with another database is not disturbed.
    """
    database = Database(settings.database_url)
    metric_set = m.MetricSet("reporter", version=version("purposewatch-reporter"))
    severity = VocabularySeverity(
        settings.policies_path, reload_seconds=settings.policies_reload_seconds
    )
    routing = routing_from(settings)
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
        rebuilds=True,
    )
    topics = (RAW, EVENTS, VERDICTS, DEAD_LETTERS, GAPS, FACTS)
    async with AsyncExitStack() as running:
        await _start(running, [database])
        async with database.reading() as connection:
            await _refuse_unless_empty(connection)
        await _start(
            running,
            [
                severity,
                TopicProvisioner(settings, topics, client_id=_CLIENT_ID),
                *ledger.before,
            ],
        )
        partitions = range(settings.topic_partitions)
        ends = {
            topic: await ledger.observer.spans(topic, partitions) for topic in ledger.topics.read()
        }
        consumers = _consumers(settings, ledger, metric_set)
        async with AsyncExitStack() as reading:
            await _start(reading, consumers)
            await _until_read(database, consumers, ends)
        async with database.writing() as connection:
            await _silence(connection)
            return await _summary(connection)


async def _start(running: AsyncExitStack, parts: Sequence[Component]) -> None:
    for part in parts:
        running.push_async_callback(part.stop)
        await part.start()


async def _refuse_unless_empty(connection: AsyncConnection) -> None:
    for table in (tables.positions, tables.ledger, tables.violations, tables.dead_letters):
        if await connection.scalar(select(func.count()).select_from(table)):
            message = (
                "the database holds a ledger already; name an empty one in "
                "PURPOSEWATCH_DATABASE_URL, and keep this one until the new one is complete"
            )
            raise FatalError(message)


def _consumers(
    settings: ReporterSettings, ledger: LedgerComponents, metric_set: m.MetricSet
) -> list[BatchConsumer]:
    signing = RecordSigning(settings, service="reporter", metric_set=metric_set)
    handlers_of = Handlers(ledger.ledger_writer, metric_set)
    handlers: tuple[tuple[str, str, Callable[[Sequence[Record]], Awaitable[None]]], ...] = (
        (ledger.topics.verdicts, "reporter.rebuild", handlers_of.verdicts),
        (ledger.topics.dead_letters, "reporter.rebuild.dead-letters", handlers_of.dead_letters),
        (ledger.topics.gaps, "reporter.rebuild.gaps", handlers_of.gaps),
        (ledger.topics.facts, "reporter.rebuild.facts", handlers_of.facts),
    )
    return [
        BatchConsumer(
            settings,
            topic=topic,
            group_id=f"{settings.topic_prefix}.{group}",
            client_id=_CLIENT_ID,
            handle=handle,
            metric_set=metric_set,
            resume=partial(ledger.ledger_writer.positions, topic),
            verify=signing.verify,
        )
        for topic, group, handle in handlers
    ]


async def _until_read(
    database: Database,
    consumers: Sequence[BatchConsumer],
    ends: Mapping[str, Mapping[int, tuple[int, int]]],
) -> None:
    """Return once everything below the ends is recorded."""
    clock = asyncio.get_running_loop().time
    left_before, moved, reported = -1, clock(), clock()
    while True:
        left = 0
        async with database.reading() as connection:
            for topic, spans in ends.items():
                positions = await load_next_offsets(connection, topic, list(spans))
                for partition, (start, end) in spans.items():
                    left += max(0, end - max(start, positions[partition]))
        if not left:
            return
        for consumer in consumers:
            if consumer.stopped is not None:
                raise FatalError(consumer.stopped)
        if left != left_before:
            left_before, moved = left, clock()
        elif clock() - moved > _STALLED_SECONDS:
            message = f"nothing was recorded for {_STALLED_SECONDS:.0f} s; the log says why"
            raise FatalError(message)
        if clock() - reported > _PROGRESS_SECONDS:
            reported = clock()
            _log.info("rebuilding", records_left=left)
        await asyncio.sleep(_LOOK_SECONDS)


async def _silence(connection: AsyncConnection) -> None:
    """Send no alerts about the past: they were sent at the time."""
    now = _now()
    for table in (tables.findings, tables.notices):
        await connection.execute(
            update(table)
            .where(table.c.state == "firing")
            .values(state="quiet", quiet_time=now, routed_episode=table.c.episode)
        )


async def _summary(connection: AsyncConnection) -> str:
    columns = tables.ledger.c
    row = (
        await connection.execute(
            select(
                func.coalesce(func.sum(columns.verdicts), 0).label("verdicts"),
                func.coalesce(func.sum(columns.dead_letters), 0).label("dead_letters"),
            )
        )
    ).one()
    violations = await connection.scalar(select(func.count()).select_from(tables.violations))
    return (
        f"the ledger is written: {row.verdicts} events with a verdict, {row.dead_letters} "
        f"dead-lettered, {violations} violations or unknown; start the reporter on this database"
    )
