"""The Apprise channel: e-mail, Slack, Teams and whatever else Apprise has an address for."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import apprise
from pydantic import SecretStr

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from purposewatch_reporter.alerts.outbox import State

_TYPES = {
    "low": apprise.NotifyType.INFO,
    "medium": apprise.NotifyType.WARNING,
    "high": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}


def is_address(url: SecretStr) -> bool:
    """Whether Apprise knows what to do with an address."""
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

    Apprise blocks, so it works in a thread: one, so that a receiver that hangs can't collect more.
    """

    batch_size = 1

    def __init__(
        self, name: str, url: SecretStr, cadence: ResendPolicy, *, timeout_seconds: float
    ) -> None:
        self.name = name
        self.cadence = cadence
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
        """Let the thread go; what it is doing is not waited for."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Send one message. Apprise doesn't tell a refusal from a failure, nor do we."""
        (alert,) = alerts
        assert self._thread is not None  # noqa: S101 - opened before
        future = self._thread.submit(self._notify, alert)
        try:
            sent = await asyncio.wait_for(asyncio.wrap_future(future), self.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - plug-ins raise what they like
            return Attempt(Result.FAILED, type(error).__name__)
        if sent:
            return Attempt(Result.DELIVERED)
        return Attempt(Result.FAILED, "the receiver did not take it")

    def _notify(self, alert: Alert) -> bool:
        resolved = alert.state is State.RESOLVED
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
