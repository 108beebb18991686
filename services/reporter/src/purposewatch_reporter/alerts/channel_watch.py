"""Monitors the channels: exports their state, and alerts on the others when one is dead."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.channel_store import Health, load_health
from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.alerts.outbox import depth
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import findings, notices
from purposewatch_runtime import metrics as m


class ChannelWatch:
    """Raises a notice for a channel that has failed for long, ends it when it works again.

    It also keeps the gauges of findings and channels.
    """

    def __init__(
        self,
        database: Database,
        *,
        channels: Sequence[str],
        dead_after: timedelta,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._channels = channels
        self._dead_after = dead_after
        self._metrics = metric_set
        self._clock = clock

    async def refresh(self) -> None:
        """Look at every channel once."""
        now = self._clock()
        async with self._database.reading() as connection:
            healths = await load_health(connection)
            depths = {name: await depth(connection, name, now) for name in self._channels}
            firing = await self._firing(connection)
            await self._count_findings(connection)
        dead: dict[str, Health] = {}
        for name in self._channels:
            health = healths.get(name, Health())
            failing = 0.0
            if health.failing_since is not None:
                failing = max(0.0, (now - health.failing_since).total_seconds())
            if failing >= self._dead_after.total_seconds():
                dead[name] = health
            found = depths[name]
            age = (now - found.oldest_waiting).total_seconds() if found.oldest_waiting else 0.0
            gauge = self._metrics.gauge
            gauge(m.ALERT_CHANNEL_FAILING_SECONDS).labels(name).set(failing)
            gauge(m.OUTBOX_DEPTH).labels(name).set(found.waiting)
            gauge(m.OUTBOX_OLDEST_SECONDS).labels(name).set(max(0.0, age))
        if dead.keys() != firing:
            await self._tell(dead, firing, now)

    async def _count_findings(self, connection: AsyncConnection) -> None:
        query = select(findings.c.state, findings.c.severity, func.count().label("total"))
        rows = await connection.execute(query.group_by(findings.c.state, findings.c.severity))
        counts = {(row.state, row.severity): row.total for row in rows}
        gauge = self._metrics.gauge(m.FINDINGS)
        for state in ("firing", "quiet"):
            for severity in Severity:
                gauge.labels(state, str(severity)).set(counts.get((state, str(severity)), 0))

    async def _firing(self, connection: AsyncConnection) -> set[str]:
        rows = await connection.execute(
            select(notices.c.key).where(
                notices.c.kind == str(NoticeKind.CHANNEL), notices.c.state == "firing"
            )
        )
        return set(rows.scalars())

    async def _tell(self, dead: dict[str, Health], firing: set[str], now: datetime) -> None:
        async with self._database.writing() as connection:
            for name in sorted(dead.keys() - firing):
                since = dead[name].failing_since
                await raise_notice(
                    connection,
                    kind=NoticeKind.CHANNEL,
                    key=name,
                    summary=(
                        f"No alert gets through on channel `{name}` since "
                        f"{since.isoformat() if since else 'its start'}: {dead[name].last_error}."
                    ),
                    severity=Severity.CRITICAL,
                    now=now,
                )
            for name in sorted(firing - dead.keys()):
                await end_notice(connection, kind=NoticeKind.CHANNEL, key=name, now=now)
