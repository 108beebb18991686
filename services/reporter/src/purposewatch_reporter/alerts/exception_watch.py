"""Announces the ends of exceptions to policies, and exports how many there are."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from purposewatch_reporter.alerts.notices import NoticeKind, end_notice, raise_notice
from purposewatch_reporter.findings.exceptions import (
    EXPIRED_SHOWN,
    Announcement,
    Stage,
    announcements,
    stages,
)
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.findings.silences import exceptions_ending_after
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.tables import notices
from purposewatch_runtime import metrics as m

_SEVERITIES = {Stage.EXPIRING: Severity.MEDIUM, Stage.EXPIRED: Severity.HIGH}


class ExceptionWatch:
    """Raises a notice before exceptions expire and another one when they have.

    A notice ends when its exceptions have been renewed or ended, and a week after they expired.
    """

    def __init__(
        self,
        database: Database,
        *,
        before: timedelta,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._before = before
        self._metrics = metric_set
        self._clock = clock

    async def refresh(self) -> None:
        """Look at every exception once."""
        now = self._clock()
        async with self._database.reading() as connection:
            exceptions = await exceptions_ending_after(connection, now - EXPIRED_SHOWN)
            query = select(notices.c.key).where(
                notices.c.kind == str(NoticeKind.EXCEPTION), notices.c.state == "firing"
            )
            firing = set((await connection.execute(query)).scalars())
        found = stages(exceptions, now, self._before)
        for stage, some in found.items():
            self._metrics.gauge(m.EXCEPTIONS).labels(str(stage)).set(len(some))
        due = {each.key: each for each in announcements(found)}
        if due.keys() != firing:
            await self._announce(due, firing, now)

    async def _announce(
        self, due: dict[str, Announcement], firing: set[str], now: datetime
    ) -> None:
        async with self._database.writing() as connection:
            for key in sorted(due.keys() - firing):
                await raise_notice(
                    connection,
                    kind=NoticeKind.EXCEPTION,
                    key=key,
                    summary=due[key].summary,
                    severity=_SEVERITIES[due[key].stage],
                    controller=due[key].controller,
                    now=now,
                )
            for key in sorted(firing - due.keys()):
                await end_notice(connection, kind=NoticeKind.EXCEPTION, key=key, now=now)
