"""Deletes rows whose retention has ended, and sums old hourly counts up to days."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.alerts.outbox import prune_done, prune_orphaned
from purposewatch_reporter.counting.queries import prune_counting_alerts
from purposewatch_reporter.findings.prune import (
    prune_findings,
    prune_notices,
    prune_silences,
)
from purposewatch_reporter.flows.roll_up import roll_up
from purposewatch_reporter.store.counters import prune_counters
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import prune_ids
from purposewatch_reporter.store.fact_uses import prune_uses
from purposewatch_reporter.store.gaps import prune_gap_days, prune_gap_ids, prune_gaps

Forget: TypeAlias = Callable[[AsyncConnection, datetime], Awaitable[int]]
"""Forgets or sums up some of what is older than a time; the number of rows, 0 when done."""


class Housekeeping:
    """Prunes by age what is kept for some time, and sums up hourly counts.

    In small transactions.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        *,
        event_id_days: float,
        outbox_days: float,
        finding_days: float,
        gap_days: float,
        fact_use_days: float,
        flow_hours_days: float,
        channels: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        ids, outbox, findings, gaps, uses, hours = (
            timedelta(days=days)
            for days in (
                event_id_days,
                outbox_days,
                finding_days,
                gap_days,
                fact_use_days,
                flow_hours_days,
            )
        )
        self._tasks: Sequence[tuple[Forget, timedelta]] = (
            (prune_ids, ids),
            (prune_done, outbox),
            (partial(prune_orphaned, channels=channels), outbox),
            (prune_findings, findings),
            (prune_notices, findings),
            (prune_silences, findings),
            (prune_counting_alerts, findings),
            (prune_counters, timedelta()),  # they say themselves when they expire
            (prune_gap_ids, ids),
            (prune_gap_days, gaps),
            (prune_gaps, gaps),
            (prune_uses, uses),
            (roll_up, hours),
        )
        self._clock = clock

    async def prune(self) -> None:
        """Forget everything that is old enough."""
        now = self._clock()
        for forget, age in self._tasks:
            forgotten = 1
            while forgotten:
                async with self._database.writing() as connection:
                    forgotten = await forget(connection, now - age)
