"""The Alertmanager channel: alerts over its API v2.

Alertmanager forgets an alert that isn't sent again before its `endsAt`; so what fires is sent
again and again. Members of a cluster don't pass alerts on: each is a channel of its own.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import USER_AGENT, Attempt, Result, attempt_of
from purposewatch_reporter.alerts.delivery_state import ResendPolicy

LINGER = timedelta(minutes=15)
"""A resolved alert is resent for this long, in case Alertmanager restarts: as Prometheus does."""

_MISSED_RESENDS = 4
_PATH = "/api/v2/alerts"


@dataclass(frozen=True, slots=True)
class AlertmanagerTarget:
    """Where one Alertmanager is."""

    url: str
    authorization: SecretStr | None
    """The value of the `Authorization` header."""
    timeout_seconds: float
    resend: timedelta
    hold: timedelta
    """Longer than its `group_interval`, or it may never notify of an alert that ends soon."""


def render(alert: Alert, resend: timedelta, now: datetime) -> Mapping[str, Any]:
    """The alert as Alertmanager takes it: one that fires lasts for some missed resends."""
    ends = alert.ended if alert.ended is not None else now + _MISSED_RESENDS * resend
    return {
        "labels": dict(alert.labels),
        "annotations": {
            "summary": alert.title,
            "description": alert.summary,
            **alert.facts,
            "count": str(alert.count),
            "per_minute": str(alert.per_minute),
            "episode": str(alert.episode),
            "first_seen": alert.first_seen.isoformat(),
            "last_seen": alert.last_seen.isoformat(),
            "link": alert.url,
        },
        "startsAt": alert.started.isoformat(),
        "endsAt": ends.isoformat(),
        "generatorURL": alert.url,
    }


class Alertmanager:
    """Posts alerts to one Alertmanager."""

    batch_size = 100

    def __init__(
        self,
        name: str,
        target: AlertmanagerTarget,
        *,
        clock: Callable[[], datetime],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.timeout_seconds = target.timeout_seconds
        self.resend_policy = ResendPolicy(
            resend=target.resend, hold=target.hold, linger=LINGER, by_state=True
        )
        self._target = target
        self._clock = clock
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client."""
        headers = {"User-Agent": USER_AGENT}
        if self._target.authorization is not None:
            headers["Authorization"] = self._target.authorization.get_secret_value()
        self._client = httpx.AsyncClient(
            timeout=self.timeout_seconds, transport=self._transport, headers=headers
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Post alerts; when one of them is not valid, Alertmanager may have taken the others."""
        assert self._client is not None  # noqa: S101 - opened before
        now = self._clock()
        body = [render(alert, self._target.resend, now) for alert in alerts]
        try:
            async with asyncio.timeout(self.timeout_seconds):
                response = await self._client.post(self._target.url.rstrip("/") + _PATH, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return Attempt(Result.FAILED, type(error).__name__)
        return attempt_of(response)
