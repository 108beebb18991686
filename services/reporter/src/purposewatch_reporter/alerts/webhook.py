"""The webhook channel: one signed POST per alert."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import USER_AGENT, Attempt, Result, attempt_of
from purposewatch_reporter.alerts.delivery_state import ResendPolicy


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where alerts go."""

    url: SecretStr
    """Secret, because receivers put access tokens into it."""
    secret: SecretStr | None
    """Signs the body, so that the receiver knows who sent it."""
    timeout_seconds: float


def render(alert: Alert) -> bytes:
    """The JSON document that is sent."""
    document = {
        "key": alert.key,
        "fingerprint": alert.fingerprint,
        "episode": alert.episode,
        "state": str(alert.state),
        "title": alert.title,
        "summary": alert.summary,
        "severity": alert.severity,
        "labels": dict(alert.labels),
        "facts": dict(alert.facts),
        "count": alert.count,
        "per_minute": alert.per_minute,
        "started": alert.started.isoformat(),
        "ended": None if alert.ended is None else alert.ended.isoformat(),
        "first_seen": alert.first_seen.isoformat(),
        "last_seen": alert.last_seen.isoformat(),
        "url": alert.url,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(body: bytes, secret: SecretStr) -> str:
    """The value of `X-Purposewatch-Signature`."""
    digest = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


class Webhook:
    """Posts alerts to one address."""

    batch_size = 1

    def __init__(
        self,
        name: str,
        target: WebhookTarget,
        resend_policy: ResendPolicy,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.resend_policy = resend_policy
        self.timeout_seconds = target.timeout_seconds
        self._target = target
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client."""
        self._client = httpx.AsyncClient(
            timeout=self.timeout_seconds,
            transport=self._transport,
            headers={"Content-Type": "application/json", "User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Post one alert; the receiver has it when it answers 2xx."""
        (alert,) = alerts
        assert self._client is not None  # noqa: S101 - opened before
        body = render(alert)
        headers = {"Idempotency-Key": alert.key}
        if self._target.secret is not None:
            headers["X-Purposewatch-Signature"] = sign(body, self._target.secret)
        try:
            async with (
                asyncio.timeout(self.timeout_seconds),  # httpx limits each read, not all
                self._client.stream(
                    "POST", self._target.url.get_secret_value(), content=body, headers=headers
                ) as response,
            ):
                return attempt_of(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # the error's own text may hold the URL, which is secret
            return Attempt(Result.FAILED, type(error).__name__)
