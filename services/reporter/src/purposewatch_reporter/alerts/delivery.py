"""Delivers what is due in the outbox for one channel."""

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from purposewatch_reporter.alerts.alert import Alert, alert_of
from purposewatch_reporter.alerts.channel import Attempt, Channel, Result
from purposewatch_reporter.alerts.channel_store import (
    acquire_lease,
    release_lease,
    save_failure,
    save_success,
)
from purposewatch_reporter.alerts.delivery_state import Accepted, Failed, Input, Superseded
from purposewatch_reporter.alerts.event_traces import traceparents_of
from purposewatch_reporter.alerts.outbox import PendingDelivery, apply_inputs, due_deliveries
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.traces import NO_TRACES, SpanKind, Traces

_ROUND_SIZE = 20
_POLL_SECONDS = 0.5

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """When a failed delivery is tried again."""

    receiver: Backoff = field(default_factory=lambda: Backoff(0.5, 60))
    """While the receiver fails; every alert waits, so the order is kept."""
    alert: Backoff = field(default_factory=lambda: Backoff(5, 3600))
    """For one alert that the receiver refuses; the others continue."""
    alone_after: int = 3
    """An alert that failed so often in a row is tried alone, and lets others go first."""


@dataclass(slots=True)
class _Round:
    """The results of a round, stored at its end."""

    inputs: dict[int, Input] = field(default_factory=dict)
    """What happened to deliveries, by their sequence number."""
    accepted: bool = False
    error: str | None = None
    pause: float = 0.0


class Deliverer:
    """Delivers on one channel.

    INVARIANT: a notification is recorded as delivered only after the receiver has accepted it. A
    crash in between repeats it with the same key.
    """

    def __init__(  # noqa: PLR0913 - composition happens once, in app.py
        self,
        database: Database,
        channel: Channel,
        *,
        public_url: str,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
        policy: DeliveryPolicy | None = None,
        traces: Traces = NO_TRACES,
    ) -> None:
        self.name = f"alerts to {channel.name}"
        self._database = database
        self._channel = channel
        self._public_url = public_url
        self._deliveries = metric_set.counter(m.ALERT_DELIVERIES)
        results = [(channel.name, str(each)) for each in Result]
        metric_set.start_at_zero(m.ALERT_DELIVERIES, results)
        self._traces = traces
        self._clock = clock
        self._policy = policy or DeliveryPolicy()
        self._holder = uuid.uuid4().hex
        self._failures = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver, in the background."""
        await self._channel.open()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the attempt in flight and release the channel to another process."""
        self._stopping.set()
        if self._task is None:
            return
        await self._task
        await self._channel.close()
        async with self._database.writing() as connection:
            await release_lease(connection, self._channel.name, self._holder)

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
                await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)
        except TimeoutError:
            return

    async def deliver(self) -> float:
        """Deliver some of what is due; the seconds to wait before the next round."""
        name, timeout = self._channel.name, timedelta(seconds=self._channel.timeout_seconds)
        now = self._clock()
        async with self._database.reading() as connection:
            if not await due_deliveries(connection, name, now, limit=1):
                return _POLL_SECONDS
        async with self._database.writing() as connection:
            if not await acquire_lease(connection, name, self._holder, now, 3 * timeout):
                return _POLL_SECONDS
        size = max(_ROUND_SIZE, self._channel.batch_size)
        async with self._database.reading() as connection:
            due = await due_deliveries(connection, name, now, size)
        done = _Round()
        # a last attempt may begin by then and still end within the lease
        await self._send_all(due, done, until=now + timeout)
        await self._record(done)
        return done.pause

    async def _send_all(
        self, due: Sequence[PendingDelivery], done: _Round, *, until: datetime
    ) -> None:
        ready: list[tuple[PendingDelivery, Alert]] = []
        for pending in due:
            alert = alert_of(pending, self._public_url)
            by_state = self._channel.resend_policy.by_state
            if alert is None or (by_state and pending.is_superseded):
                done.inputs[pending.sequence] = Superseded()
            else:
                ready.append((pending, alert))
        batches = list(self._batches(ready))
        while batches and not self._stopping.is_set() and self._clock() <= until:
            batch = batches.pop(0)
            attempt = await self._send([alert for _, alert in batch])
            if attempt.result is Result.REFUSED and len(batch) > 1:
                batches[:0] = [[one] for one in batch]  # find the one that is at fault
                continue
            self._deliveries.labels(self._channel.name, str(attempt.result)).inc(len(batch))
            if attempt.result is Result.DELIVERED:
                self._failures = 0
                done.accepted = True
                for pending, _ in batch:
                    done.inputs[pending.sequence] = Accepted(pending.delivery.next_status)
                continue
            self._fail([pending for pending, _ in batch], attempt, done)
            if attempt.result is Result.FAILED:
                return

    async def _send(self, alerts: Sequence[Alert]) -> Attempt:
        """Send, with a span in the trace of the last event of each finding if that is sampled."""
        parents: Sequence[str | None] = ()
        if self._traces.is_on:
            async with self._database.reading() as connection:
                parents = await traceparents_of(connection, [each.fingerprint for each in alerts])
        sends = {"purposewatch.channel": self._channel.name}
        with self._traces.each("alert", SpanKind.CLIENT, parents, sends) as spans:
            attempt = await self._channel.send(alerts)
            for number, span in spans.items():
                span.set(
                    purposewatch__finding=alerts[number].fingerprint,
                    purposewatch__alert__state=str(alerts[number].state),
                    purposewatch__alert__result=str(attempt.result),
                )
        return attempt

    def _batches(
        self, ready: Sequence[tuple[PendingDelivery, Alert]]
    ) -> Iterator[list[tuple[PendingDelivery, Alert]]]:
        """In order, as many at once as the channel accepts; alone what failed repeatedly."""
        batch: list[tuple[PendingDelivery, Alert]] = []
        for item in ready:
            alone = item[0].delivery.failures >= self._policy.alone_after
            if batch and (alone or len(batch) >= self._channel.batch_size):
                yield batch
                batch = []
            batch.append(item)
            if alone:
                yield batch
                batch = []
        if batch:
            yield batch

    def _fail(self, batch: Sequence[PendingDelivery], attempt: Attempt, done: _Round) -> None:
        if attempt.result is Result.FAILED:
            done.pause = max(self._receiver_pause(), attempt.retry_after)
        done.error = done.error or attempt.error
        for pending in batch:
            failures = pending.delivery.failures + 1
            if attempt.result is Result.REFUSED:
                pause = self._policy.alert.pause(failures)
            else:
                pause = done.pause * (2 if failures >= self._policy.alone_after else 1)
            done.inputs[pending.sequence] = Failed(attempt.error, timedelta(seconds=pause))
        _log.warning(
            "alerts not delivered",
            channel=self._channel.name,
            alerts=len(batch),
            first=batch[0].fingerprint,
            failures=batch[0].delivery.failures + 1,
            error=attempt.error,
        )

    def _receiver_pause(self) -> float:
        self._failures += 1
        return self._policy.receiver.pause(self._failures)

    async def _record(self, done: _Round) -> None:
        if not done.inputs:
            return
        now, name = self._clock(), self._channel.name
        async with self._database.writing() as connection:
            await apply_inputs(connection, done.inputs, self._channel.resend_policy, now)
            if done.accepted:
                await save_success(connection, name, now)
            elif done.error is not None:
                await save_failure(connection, name, done.error, now)
