"""Findings that alert, a channel that does what the test says, and a clock that the test moves."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import Attempt, Channel, Result
from purposewatch_reporter.alerts.delivery import Deliverer, DeliveryPolicy
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from purposewatch_reporter.alerts.episodes import AlertLifecycle
from purposewatch_reporter.alerts.routing import Routing, WebhookSpec, to_one
from purposewatch_reporter.store import tables
from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from purposewatch_runtime.retry import Backoff
from tests.unit.reporter.conftest import NOW, ledger_writer_of
from tests.unit.reporter.records import in_topic, verdict

QUIET = timedelta(minutes=10)
ROUTING = to_one(WebhookSpec("hook", None))  # type: ignore[arg-type]  # never opened

Answer = Callable[[int, Sequence[Alert]], Attempt]


class FakeChannel:
    """A channel that remembers what it was given."""

    name = "hook"
    timeout_seconds = 5.0

    def __init__(self, *, resend_policy: ResendPolicy | None = None, batch_size: int = 1) -> None:
        self.resend_policy = resend_policy or ResendPolicy()
        self.batch_size = batch_size
        self.sent: list[tuple[Alert, ...]] = []
        self.answer: Answer = lambda *_: Attempt(Result.DELIVERED)

    async def open(self) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Remember, and answer as the test says."""
        self.sent.append(tuple(alerts))
        return self.answer(len(self.sent), alerts)

    def categories(self) -> list[str]:
        """What the alerts were about, in order."""
        return [alert.labels["data_category"] for batch in self.sent for alert in batch]

    def delivered(self) -> list[tuple[str, str]]:
        """What was said about what, in order."""
        return [
            (alert.labels.get("data_category", alert.title), str(alert.state))
            for batch in self.sent
            for alert in batch
        ]


class Bench:
    """Everything from recording to a channel."""

    def __init__(self, database: Database, *, quiet: timedelta = QUIET) -> None:
        self.database = database
        self.now = NOW
        self.metrics = m.MetricSet("reporter", version="0")
        self.channel = FakeChannel()
        self.routing: Routing = ROUTING
        self.quiet = quiet
        self._offset = 0

    async def violate(self, *categories: str, **more: Any) -> None:
        """Record one violation of each category."""
        values = [
            verdict(
                0,
                self._offset + number,
                outcome="violation",
                categories={category: "violation"},
                **more,
            )
            for number, category in enumerate(categories)
        ]
        keeper = ledger_writer_of(self.database, clock=lambda: self.now)
        await keeper.record_verdicts(in_topic("verdicts", values, start=self._offset))
        self._offset += len(values)

    async def advance(self) -> None:
        """Let episodes begin and end."""
        await AlertLifecycle(
            self.database, self.routing, quiet=self.quiet, clock=lambda: self.now
        ).advance()

    def deliverer(self, channel: Channel | None = None) -> Deliverer:
        """One that pauses 1 s for a receiver in trouble, 100 s for a refused alert."""
        return Deliverer(
            self.database,
            channel or self.channel,
            public_url="https://reporter.example",
            metric_set=self.metrics,
            clock=lambda: self.now,
            policy=DeliveryPolicy(Backoff(1, 1), Backoff(100, 100)),
        )

    def later(self, **length: float) -> None:
        """Move the clock."""
        self.now += timedelta(**length)

    async def rows(self, table: Any = tables.outbox) -> list[Any]:
        """What a table says, by its first column."""
        async with self.database.reading() as connection:
            order = next(iter(table.c))
            return list(await connection.execute(select(table).order_by(order)))


@pytest.fixture
async def bench(database: Database) -> Bench:
    """A bench without anything recorded."""
    return Bench(database)
