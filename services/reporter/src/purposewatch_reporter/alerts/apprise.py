"""The Apprise channel: e-mail, Slack, Teams and every other service that Apprise supports."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import apprise
from pydantic import SecretStr

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.delivery_state import AlertStatus, ResendPolicy

_TYPES = {
    "low": apprise.NotifyType.INFO,
    "medium": apprise.NotifyType.WARNING,
    "high": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


def is_address(url: SecretStr) -> bool:
    """Whether Apprise supports an address."""
    return bool(apprise.Apprise().add(url.get_secret_value()))


def body(alert: Alert) -> str:
    """The message below the title."""
    lines = [
        alert.summary,
        "",
        f"{alert.count} since {alert.started:%Y-%m-%d %H:%M:%S} UTC ({alert.per_minute} a minute)",
        f"first seen {alert.first_seen.isoformat()}, last seen {alert.last_seen.isoformat()}",
        *(f"{name.replace('_', ' ')}: {value}" for name, value in alert.facts.items()),
        alert.url,
        f"id: {alert.key}",
    ]
    return "\n".join(lines)


class AppriseChannel:
    """Sends messages to one Apprise address.

    Apprise blocks, so it runs in a thread: a single one, so that a receiver that hangs can't
    accumulate more.
    """

    batch_size = 1

    def __init__(
        self, name: str, url: SecretStr, resend_policy: ResendPolicy, *, timeout_seconds: float
    ) -> None:
        self.name = name
        self.resend_policy = resend_policy
        self.timeout_seconds = timeout_seconds
        self._url = url
        self._apprise = apprise.Apprise()
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Read the address."""
        # what Apprise logs of a failure may hold the address, which is secret
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._apprise.add(self._url.get_secret_value())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"alerts-{self.name}")

    async def close(self) -> None:
        """Shut the thread down without waiting for what it is doing."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Send one message. Apprise does not distinguish a refusal from a failure."""
        (alert,) = alerts
        assert self._thread is not None  # noqa: S101 - opened before
        future = self._thread.submit(self._notify, alert)
        try:
            sent = await asyncio.wait_for(asyncio.wrap_future(future), self.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - plug-ins raise what they like
            return Attempt(Result.FAILED, type(error).__name__)
        if sent:
            return Attempt(Result.DELIVERED)
        return Attempt(Result.FAILED, "the receiver did not accept it")

    def _notify(self, alert: Alert) -> bool:
        resolved = alert.state is AlertStatus.RESOLVED
        return bool(
            self._apprise.notify(
                title=alert.title,
                body=body(alert),
                notify_type=(
                    apprise.NotifyType.SUCCESS
                    if resolved
                    else _TYPES.get(alert.severity, apprise.NotifyType.WARNING)
                ),
            )
        )
