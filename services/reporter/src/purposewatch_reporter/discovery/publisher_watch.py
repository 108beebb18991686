"""Watches the rhythm of publishers, from the counts of the flow ledger by publisher and hour."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.discovery.rhythm import (
    HISTORY,
    RhythmPolicy,
    Silence,
    Surge,
    find_silence,
    find_surge,
)
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.reconciliation.reconciler import ReconciliationReport
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import flow_counts, flow_decisions, notices
from purposewatch_runtime import metrics as m

MOST_PUBLISHERS = 500
"""Those with the most events are watched."""

_HOUR = timedelta(hours=1)
_REREAD = 24
"""Hours that are read again each time, for events that come late."""
_STALE = timedelta(minutes=1)
_BEHIND = timedelta(minutes=10)
_GRACE = timedelta(minutes=15)
"""Into an hour, before the one before is judged: the last events of it are still on their way."""


class PublisherWatch:
    """Raises and ends notices about publishers that are silent, or publish many times the usual.

    Says nothing while the pipeline itself is behind or unknown. Keeps the counts of five weeks in
    memory: each process reads them once, an hour's sums at a time, and then what is recent.
    """

    def __init__(
        self,
        database: Database,
        policy: RhythmPolicy,
        report: Callable[[], ReconciliationReport | None],
        metric_set: m.MetricSet,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._policy = policy
        self._report = report
        self._out_of_rhythm = metric_set.gauge(m.PUBLISHERS_OUT_OF_RHYTHM)
        self._show(silent=0, surges=0)
        self._clock = clock
        self._counts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._read_until: int | None = None

    async def refresh(self) -> None:
        """Read what is new, judge every publisher, and tell what changed."""
        now = self._clock()
        current = _number(now - _GRACE)  # its hour is not over
        await self._read(current, _number(now))
        if not is_caught_up(self._report(), now):
            return
        judged = self._judge(current)
        if judged is None:
            return
        silent, surges = judged
        self._show(silent=len(silent), surges=len(surges))
        async with self._database.writing() as connection:
            await self._tell(connection, silent, surges, now)

    def _show(self, *, silent: int, surges: int) -> None:
        self._out_of_rhythm.labels("silent").set(silent)
        self._out_of_rhythm.labels("surge").set(surges)

    async def _read(self, current: int, latest: int) -> None:
        first = current - HISTORY - 1
        start = first if self._read_until is None else max(first, self._read_until - _REREAD)
        for hour in range(start, latest + 1, _REREAD):
            async with self._database.reading() as connection:
                await self._read_hours(connection, hour, min(hour + _REREAD, latest + 1))
        self._read_until = latest
        for counts in self._counts.values():
            for hour in [each for each in counts if each < first]:
                del counts[hour]
        if len(self._counts) > MOST_PUBLISHERS:
            most = sorted(self._counts, key=lambda name: -sum(self._counts[name].values()))
            for name in most[MOST_PUBLISHERS:]:
                del self._counts[name]

    async def _read_hours(self, connection: AsyncConnection, first: int, until: int) -> None:
        c = flow_counts.c
        total = cast(func.sum(c.count), BigInteger)
        rows = await connection.execute(
            select(c.publisher, c.hour, total)
            .select_from(flow_counts.join(flow_decisions))
            .where(flow_decisions.c.counts_events)
            .where(c.hour >= _time(first), c.hour < _time(until), c.hours == 1)
            .group_by(c.publisher, c.hour)
        )
        for publisher, hour, count in rows:
            self._counts[publisher][_number(hour)] = count

    def _judge(self, current: int) -> tuple[Mapping[str, Silence], Mapping[str, Surge]] | None:
        """`None` when nobody gets through: no publisher's fault, and other alerts tell it."""
        silent: dict[str, Silence] = {}
        surges: dict[str, Surge] = {}
        is_quiet = True
        for publisher, counts in self._counts.items():
            since = min(counts, default=current)
            if (silence := find_silence(counts, since, current, self._policy)) is not None:
                silent[publisher] = silence
            if (surge := find_surge(counts, since, current, self._policy)) is not None:
                surges[publisher] = surge
            is_quiet = is_quiet and max(counts, default=0) < current - 1
        if is_quiet and len(silent) > 1:
            return None
        return silent, surges

    async def _tell(
        self,
        connection: AsyncConnection,
        silent: Mapping[str, Silence],
        surges: Mapping[str, Surge],
        now: datetime,
    ) -> None:
        for publisher, surge in sorted(surges.items()):
            summary = (
                f"`{publisher}` published {surge.count} events in the hour from "
                f"{_time(surge.hour):%Y-%m-%dT%H:%MZ}; at this time of the week, {surge.usual} "
                "were the most in earlier weeks."
            )
            await self._raise(connection, NoticeKind.PUBLISHER_SURGE, publisher, summary, now)
        for publisher, silence in sorted(silent.items()):
            summary = (
                f"`{publisher}` has published nothing since the hour from "
                f"{_time(silence.last):%Y-%m-%dT%H:%MZ}; {silence.usual} events are usual in this "
                "part of the week."
            )
            await self._raise(connection, NoticeKind.PUBLISHER_SILENT, publisher, summary, now)
        kind = str(NoticeKind.PUBLISHER_SILENT)
        firing = select(notices.c.key).where(notices.c.kind == kind, notices.c.state == "firing")
        over = set((await connection.execute(firing)).scalars()) - silent.keys()
        for publisher in sorted(over):
            await end_notice(connection, kind=kind, key=publisher, now=now)

    @staticmethod
    async def _raise(
        connection: AsyncConnection, kind: NoticeKind, publisher: str, summary: str, now: datetime
    ) -> None:
        await raise_notice(
            connection,
            kind=kind,
            key=publisher,
            summary=summary,
            severity=Severity.MEDIUM,
            now=now,
        )


def is_caught_up(report: ReconciliationReport | None, now: datetime) -> bool:
    """Whether everything that was published ten minutes ago is recorded, as far as Kafka knows."""
    if report is None or now - report.as_of > _STALE:
        return False
    for topic in (report.events, report.raw):
        for each in topic.partitions:
            since = topic.oldest(each.partition)
            # an event that was passed over stays open, and alerts by itself
            is_pending = bool(each.pending) and (each.oldest_open or 0) >= each.recorded_end
            is_old = since is not None and report.as_of - since > _BEHIND
            if each.log_end is None or (is_pending and is_old):
                return False
    return True


def _number(time: datetime) -> int:
    return int(time.timestamp() // _HOUR.total_seconds())


def _time(number: int) -> datetime:
    return datetime.fromtimestamp(number * _HOUR.total_seconds(), UTC)
