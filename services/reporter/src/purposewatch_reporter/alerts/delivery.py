"""Deliver what waits in the outbox for one channel."""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from purposewatch_reporter.alerts.alert import Alert, alert_of
from purposewatch_reporter.alerts.backoff import Backoff
from purposewatch_reporter.alerts.channel import Attempt, Channel, Result
from purposewatch_reporter.alerts.delivery_state import mark_failed, mark_superseded, mark_told
from purposewatch_reporter.alerts.health import save_failure, save_success
from purposewatch_reporter.alerts.leases import end_lease, lease
from purposewatch_reporter.alerts.outbox import Waiting, due_alerts
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from purposewatch_runtime.logs import get_logger

_ROUND_SIZE = 20
_LOOK_SECONDS = 0.5

STEP_BACK = 3
"""An alert that failed so often in a row is tried alone, and lets others go first."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait after what."""

    receiver: Backoff = field(default_factory=lambda: Backoff(0.5, 60))
    """While the receiver is in trouble; everything waits, so the order is kept."""
    alert: Backoff = field(default_factory=lambda: Backoff(5, 3600))
    """For one alert that the receiver refuses; the others go on."""


@dataclass(slots=True)
class _Round:
    """What came of a round, to be written down at its end."""

    told: list[Waiting] = field(default_factory=list)
    failed: list[tuple[Waiting, str, float]] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    pause: float = 0.0


class Deliverer:
    """Delivers on one channel.

    INVARIANT: an alert is recorded as told only after the receiver has taken it. A crash in
    between repeats it with the same key.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        channel: Channel,
        *,
        public_url: str,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        self.name = f"alerts to {channel.name}"
        self._database = database
        self._channel = channel
        self._public_url = public_url
        self._deliveries = metric_set.counter(m.ALERT_DELIVERIES)
        results = [(channel.name, str(each)) for each in Result]
        metric_set.start_at_zero(m.ALERT_DELIVERIES, results)
        self._clock = clock
        self._patience = patience or Patience()
        self._holder = uuid.uuid4().hex
        self._failures = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver, in the background."""
        await self._channel.open()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the attempt in hand and let another process go on."""
        self._stopping.set()
        if self._task is None:
            return
        await self._task
        await self._channel.close()
        async with self._database.writing() as connection:
            await end_lease(connection, self._channel.name, self._holder)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = await self.deliver()
            except Exception as error:  # noqa: BLE001 - the database is away: nothing is lost
                _log.warning(
                    "cannot deliver", channel=self._channel.name, error=type(error).__name__
                )
                pause = self._receiver_pause()
            if pause:
                await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)
        except TimeoutError:
            return

    async def deliver(self) -> float:
        """One round: deliver some of what is due; the seconds to wait before the next."""
        name, timeout = self._channel.name, timedelta(seconds=self._channel.timeout_seconds)
        now = self._clock()
        async with self._database.reading() as connection:
            if not await due_alerts(connection, name, now, limit=1):
                return _LOOK_SECONDS
        async with self._database.writing() as connection:
            if not await lease(connection, name, self._holder, now, 3 * timeout):
                return _LOOK_SECONDS
        size = max(_ROUND_SIZE, self._channel.batch_size)
        async with self._database.reading() as connection:
            due = await due_alerts(connection, name, now, size)
        done = _Round()
        # a last attempt may begin by then and still end within the lease
        await self._send_all(due, done, until=now + timeout)
        await self._record(done)
        return done.pause

    async def _send_all(self, due: Sequence[Waiting], done: _Round, *, until: datetime) -> None:
        ready: list[tuple[Waiting, Alert]] = []
        for waiting in due:
            alert = alert_of(waiting, self._public_url)
            if alert is None or (self._channel.cadence.by_state and waiting.is_superseded):
                done.superseded.append(waiting.sequence)
            else:
                ready.append((waiting, alert))
        batches = list(self._batches(ready))
        while batches and not self._stopping.is_set() and self._clock() <= until:
            batch = batches.pop(0)
            attempt = await self._channel.send([alert for _, alert in batch])
            if attempt.result is Result.REFUSED and len(batch) > 1:
                batches[:0] = [[one] for one in batch]  # find the one that is at fault
                continue
            self._deliveries.labels(self._channel.name, str(attempt.result)).inc(len(batch))
            if attempt.result is Result.DELIVERED:
                self._failures = 0
                done.told.extend(waiting for waiting, _ in batch)
                continue
            self._fail([waiting for waiting, _ in batch], attempt, done)
            if attempt.result is Result.FAILED:
                return

    def _batches(
        self, ready: Sequence[tuple[Waiting, Alert]]
    ) -> Iterator[list[tuple[Waiting, Alert]]]:
        """In order, as many at once as the channel takes; alone what failed again and again."""
        batch: list[tuple[Waiting, Alert]] = []
        for item in ready:
            alone = item[0].failures >= STEP_BACK
            if batch and (alone or len(batch) >= self._channel.batch_size):
                yield batch
                batch = []
            batch.append(item)
            if alone:
                yield batch
                batch = []
        if batch:
            yield batch

    def _fail(self, batch: Sequence[Waiting], attempt: Attempt, done: _Round) -> None:
        if attempt.result is Result.FAILED:
            done.pause = max(self._receiver_pause(), attempt.retry_after)
        for waiting in batch:
            if attempt.result is Result.REFUSED:
                chance = random.random()  # noqa: S311
                pause = self._patience.alert.pause(waiting.failures + 1, chance)
            else:
                pause = done.pause * (2 if waiting.failures + 1 >= STEP_BACK else 1)
            done.failed.append((waiting, attempt.error, pause))
        _log.warning(
            "alerts not delivered",
            channel=self._channel.name,
            alerts=len(batch),
            first=batch[0].fingerprint,
            failures=batch[0].failures + 1,
            error=attempt.error,
        )

    def _receiver_pause(self) -> float:
        self._failures += 1
        return self._patience.receiver.pause(self._failures, random.random())  # noqa: S311

    async def _record(self, done: _Round) -> None:
        if not (done.told or done.failed or done.superseded):
            return
        now, name = self._clock(), self._channel.name
        async with self._database.writing() as connection:
            await mark_superseded(connection, done.superseded, now)
            if done.told:
                await mark_told(connection, done.told, self._channel.cadence, now)
                await save_success(connection, name, now)
            elif done.failed:
                await save_failure(connection, name, done.failed[0][1], now)
            for waiting, error, pause in done.failed:
                due = now + timedelta(seconds=pause)
                await mark_failed(connection, waiting.sequence, error, due)
