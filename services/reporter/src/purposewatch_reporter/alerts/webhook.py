"""The webhook channel: one POST per alert, in order, until the receiver has taken it."""

import asyncio
import hashlib
import hmac
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import version

import httpx
from pydantic import SecretStr

from purposewatch_reporter.alerts.backoff import Backoff
from purposewatch_reporter.alerts.outbox import (
    WaitingAlert,
    due_alerts,
    end_lease,
    lease,
    mark_delivered,
    mark_failed,
)
from purposewatch_reporter.store.engine import Database
from purposewatch_shared import metrics as m
from purposewatch_shared.logs import get_logger

CHANNEL = "webhook"

_ROUND_SIZE = 20
_LOOK_SECONDS = 0.5
_LONGEST_RETRY_AFTER = 300.0
# Answers that are about this one alert. All others are about the receiver or the way there.
_ALERT_REFUSED = frozenset({400, 409, 413, 422})

_RECEIVER_BACKOFF = Backoff(0.5, 60)
_ALERT_BACKOFF = Backoff(5, 3600)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where alerts go."""

    url: SecretStr
    """Secret, because receivers put access tokens into it."""
    secret: SecretStr | None
    """Signs the body, so that the receiver knows who sent it."""
    timeout_seconds: float
    public_url: str
    """Where people reach this service: the beginning of the links in alerts."""
    receiver_backoff: Backoff = _RECEIVER_BACKOFF
    """Pauses while the receiver is in trouble; everything waits, so the order is kept."""
    alert_backoff: Backoff = _ALERT_BACKOFF
    """Pauses for one alert that the receiver refuses; the others go on."""


class Result(StrEnum):
    """What came of an attempt; a metric label."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Attempt:
    result: Result
    error: str = ""
    retry_after: float = 0.0


def render(alert: WaitingAlert, public_url: str) -> bytes:
    """The JSON document that is sent: the same bytes at every attempt."""
    place = "conflicts" if alert.kind == "conflict" else "violations"
    document = {
        "fingerprint": alert.fingerprint,
        "kind": str(alert.kind),
        "summary": alert.summary,
        "url": f"{public_url}/api/v1/{place}/{alert.fingerprint}",
        "verdict": json.loads(alert.verdict),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(body: bytes, secret: SecretStr) -> str:
    """The value of `X-Purposewatch-Signature`."""
    digest = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


class Webhook:
    """Delivers what waits in the outbox.

    INVARIANT: an alert is marked as delivered only after the receiver's 2xx. A crash in between
    repeats it with the same `Idempotency-Key`.
    """

    name = "webhook"

    def __init__(
        self,
        database: Database,
        target: WebhookTarget,
        *,
        metric_set: m.MetricSet,
        clock: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._database = database
        self._target = target
        self._deliveries = metric_set.counter(m.ALERT_DELIVERIES)
        self._clock = clock
        self._transport = transport
        self._holder = uuid.uuid4().hex
        self._lease_seconds = 3 * target.timeout_seconds
        self._failures = 0
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the attempt in hand and let another process go on."""
        self._stopping.set()
        if self._task is None:
            return
        await self._task
        async with self._database.writing() as connection:
            await end_lease(connection, CHANNEL, self._holder)

    async def _run(self) -> None:
        async with httpx.AsyncClient(
            timeout=self._target.timeout_seconds,
            transport=self._transport,
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"purposewatch-reporter/{version('purposewatch-reporter')}",
            },
        ) as client:
            while not self._stopping.is_set():
                try:
                    pause = await self.deliver(client)
                except Exception as error:  # noqa: BLE001 - the database is away: nothing is lost
                    _log.warning("cannot read the outbox", error=type(error).__name__)
                    pause = self._receiver_pause()
                if pause:
                    await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), timeout=seconds)
        except TimeoutError:
            return

    async def deliver(self, client: httpx.AsyncClient) -> float:
        """One round: deliver some of what is due; the seconds to wait before the next."""
        now = self._clock()
        async with self._database.reading() as connection:
            if not await due_alerts(connection, CHANNEL, now, limit=1):
                return _LOOK_SECONDS
        length = timedelta(seconds=self._lease_seconds)
        async with self._database.writing() as connection:
            if not await lease(connection, CHANNEL, self._holder, now, length):
                return _LOOK_SECONDS
        async with self._database.reading() as connection:
            alerts = await due_alerts(connection, CHANNEL, now, _ROUND_SIZE)
        # a last attempt may begin now and still end within the lease
        latest = now + timedelta(seconds=self._target.timeout_seconds)
        done: list[int] = []
        refused: list[tuple[WaitingAlert, _Attempt]] = []
        pause = 0.0
        for alert in alerts:
            if self._stopping.is_set() or self._clock() > latest:
                break
            attempt = await self._post(client, alert)
            self._deliveries.labels(CHANNEL, str(attempt.result)).inc()
            if attempt.result is Result.DELIVERED:
                self._failures = 0
                done.append(alert.sequence)
                continue
            refused.append((alert, attempt))
            _log.warning(
                "alert not delivered",
                fingerprint=alert.fingerprint,
                attempts=alert.attempts + 1,
                error=attempt.error,
            )
            if attempt.result is Result.FAILED:
                pause = max(self._receiver_pause(), attempt.retry_after)
                break
        await self._record(done, refused)
        return pause

    def _receiver_pause(self) -> float:
        self._failures += 1
        return self._target.receiver_backoff.pause(self._failures, random.random())  # noqa: S311

    async def _record(self, done: list[int], refused: list[tuple[WaitingAlert, _Attempt]]) -> None:
        if not done and not refused:
            return
        now = self._clock()
        async with self._database.writing() as connection:
            if done:
                await mark_delivered(connection, done, now)
            for alert, attempt in refused:
                pause = 0.0
                if attempt.result is Result.REFUSED:
                    backoff = self._target.alert_backoff
                    pause = backoff.pause(alert.attempts + 1, random.random())  # noqa: S311
                due = now + timedelta(seconds=pause)
                await mark_failed(connection, alert.sequence, attempt.error, due)

    async def _post(self, client: httpx.AsyncClient, alert: WaitingAlert) -> _Attempt:
        body = render(alert, self._target.public_url)
        headers = {"Idempotency-Key": alert.fingerprint}
        if self._target.secret is not None:
            headers["X-Purposewatch-Signature"] = sign(body, self._target.secret)
        try:
            async with (
                asyncio.timeout(self._target.timeout_seconds),  # httpx limits each read, not all
                client.stream(
                    "POST", self._target.url.get_secret_value(), content=body, headers=headers
                ) as answer,
            ):
                status, advice = answer.status_code, answer.headers.get("Retry-After", "")
        except (httpx.HTTPError, TimeoutError) as error:
            # the error's own text may hold the URL, which is secret
            return _Attempt(Result.FAILED, type(error).__name__)
        if httpx.codes.is_success(status):
            return _Attempt(Result.DELIVERED)
        if status in _ALERT_REFUSED:
            return _Attempt(Result.REFUSED, f"HTTP {status}")
        seconds = min(float(advice), _LONGEST_RETRY_AFTER) if advice.isdecimal() else 0.0
        return _Attempt(Result.FAILED, f"HTTP {status}", seconds)
