"""Composition of the ledger: its writer, its reconciliation with Kafka, its log epochs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from purposewatch_contract import DEAD_LETTERS, EVENTS, FACTS, GAPS, RAW, VERDICTS, topic_name
from purposewatch_reporter.alerts.notices import raise_conflict_notices, raise_suspect_notices
from purposewatch_reporter.counting.active_rules import ActiveRules
from purposewatch_reporter.counting.record import CountingLimits, RuleRecorder
from purposewatch_reporter.discovery.first_seen import FirstSeenRecorder
from purposewatch_reporter.epochs.detector import EpochDetector, LedgerTopics
from purposewatch_reporter.epochs.monitor import EpochMonitor
from purposewatch_reporter.epochs.raw_start import RawLedgerStart
from purposewatch_reporter.findings.record import Findings
from purposewatch_reporter.findings.vocabularies import VocabularySeverity
from purposewatch_reporter.ledger.writer import LedgerWriter
from purposewatch_reporter.log_observer import LogObserver
from purposewatch_reporter.periodic import Periodic
from purposewatch_reporter.reconciliation.reconciler import Reconciler
from purposewatch_reporter.settings import ReporterSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.gaps import GapLimits
from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import Component

_EPOCHS_SECONDS = 10.0
_CHECK_SHARE = 0.3
"""Of a session: how long the logs may be checked when partitions are assigned."""


@dataclass(frozen=True, slots=True)
class LedgerComponents:
    """The components of the ledger, for the application to start."""

    topics: LedgerTopics
    ledger_writer: LedgerWriter
    reconciler: Reconciler
    observer: LogObserver
    before: tuple[Component, ...]
    """To be started before anything is recorded."""
    epochs: Callable[[Mapping[str, Callable[[], Awaitable[None]]]], Component]
    """Makes the epoch monitor, given what to call, by topic, when reading restarts."""


def build_rules(
    settings: ReporterSettings, vocabularies: VocabularySeverity, metric_set: m.MetricSet
) -> ActiveRules:
    """The counting rules that the settings name. Raises `FatalError` with every fault of them."""
    failed = metric_set.gauge(m.COUNTING_RELOAD_FAILED)
    failed.set(0)
    return ActiveRules(
        settings.reporter_counting_file,
        lambda: vocabularies.vocabularies,
        most_subjects=settings.reporter_counting_subjects,
        reload_seconds=settings.policies_reload_seconds,
        on_result=lambda error: failed.set(1 if error else 0),
    )


def _counting_limits(settings: ReporterSettings) -> CountingLimits:
    return CountingLimits(
        late=timedelta(minutes=settings.reporter_counting_late_minutes),
        subjects=settings.reporter_counting_subjects,
    )


def build_ledger(  # noqa: PLR0913 - composition happens once, in app.py
    settings: ReporterSettings,
    database: Database,
    findings: Findings,
    metric_set: m.MetricSet,
    *,
    client_id: str,
    clock: Callable[[], datetime],
    rules: ActiveRules,
    first_seen: FirstSeenRecorder,
    rebuilds: bool = False,
) -> LedgerComponents:
    """Put them together; nothing connects before start. `rebuilds`: see `LedgerWriter`."""
    topics = LedgerTopics(
        *(
            topic_name(settings.topic_prefix, name)
            for name in (RAW, EVENTS, VERDICTS, DEAD_LETTERS, GAPS, FACTS)
        )
    )
    observer = LogObserver(settings, client_id=client_id)
    detector = EpochDetector(database, observer, topics, clock=clock)
    ledger_writer = LedgerWriter(
        database,
        events_topic=topics.events,
        raw_topic=topics.raw,
        facts_topic=topics.facts,
        findings=findings,
        report_conflicts=raise_conflict_notices,
        report_suspects=raise_suspect_notices,
        partitions=settings.topic_partitions,
        ids_kept=timedelta(days=settings.reporter_event_id_days),
        gap_limits=GapLimits(
            settings.reporter_gap_names, timedelta(days=settings.reporter_gap_days)
        ),
        max_flows=settings.reporter_max_flows,
        rebuilds=rebuilds,
        counting=RuleRecorder(rules, _counting_limits(settings)),
        first_seen=first_seen,
        logs=detector,
        clock=clock,
        check_seconds=settings.kafka_session_timeout_ms / 1000 * _CHECK_SHARE,
    )
    partitions = range(settings.topic_partitions)
    reconciler = Reconciler(
        database,
        observer,
        events_topic=topics.events,
        raw_topic=topics.raw,
        partitions=settings.topic_partitions,
        metric_set=metric_set,
        clock=clock,
    )

    def epochs(started: Mapping[str, Callable[[], Awaitable[None]]]) -> Component:
        monitor = EpochMonitor(
            database,
            detector,
            reconciler,
            topics,
            partitions=settings.topic_partitions,
            alert_after=timedelta(seconds=settings.reporter_reconcile_alert_seconds),
            clock=clock,
            started=started,
        )
        return Periodic("log epochs", _EPOCHS_SECONDS, monitor.check)

    return LedgerComponents(
        topics=topics,
        ledger_writer=ledger_writer,
        reconciler=reconciler,
        observer=observer,
        before=(
            observer,
            RawLedgerStart(database, observer, topics, partitions=partitions),
        ),
        epochs=epochs,
    )
