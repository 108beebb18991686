"""Forget what is only kept for a while."""

from collections.abc import Callable
from datetime import datetime, timedelta

from purposewatch_reporter.alerts.outbox import prune_delivered
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.event_ids import prune_ids


class Housekeeping:
    """Prunes booked ids and delivered alerts by age, in small transactions."""

    def __init__(
        self,
        database: Database,
        *,
        event_id_days: float,
        outbox_days: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._event_ids = timedelta(days=event_id_days)
        self._outbox = timedelta(days=outbox_days)
        self._clock = clock

    async def prune(self) -> None:
        """Forget everything that is old enough."""
        now = self._clock()
        for forget, age in ((prune_ids, self._event_ids), (prune_delivered, self._outbox)):
            forgotten = 1
            while forgotten:
                async with self._database.writing() as connection:
                    forgotten = await forget(connection, now - age)
