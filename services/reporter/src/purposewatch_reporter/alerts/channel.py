"""The interface of a channel, and what the outcome of an HTTP request means."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Protocol

import httpx

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.delivery_state import ResendPolicy

USER_AGENT = f"purposewatch-reporter/{version('purposewatch-reporter')}"
"""Sent with every delivery over HTTP."""

_MAX_RETRY_AFTER = 300.0
# Responses about what was sent. All others are about the receiver or the network.
_REFUSALS = frozenset({400, 409, 413, 422})


class Result(StrEnum):
    """The result of an attempt; a metric label."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver rejects these alerts; others may be accepted."""
    FAILED = "failed"
    """The receiver is unreachable or failing."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of sending alerts. The error contains no address and no secret."""

    result: Result
    error: str = ""
    retry_after: float = 0.0


class Channel(Protocol):
    """One receiver of alerts."""

    name: str
    """Unique; a metric label."""
    resend_policy: ResendPolicy
    batch_size: int
    """How many alerts it accepts at once."""
    timeout_seconds: float
    """`send` ends within about this time."""

    async def open(self) -> None:
        """Prepare; nothing is sent."""

    async def close(self) -> None:
        """Close connections and threads."""

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Send alerts: all, or possibly some if the result is not `DELIVERED`. Never raises."""


def attempt_of(response: httpx.Response) -> Attempt:
    """What an HTTP response means."""
    status, advice = response.status_code, response.headers.get("Retry-After", "")
    if httpx.codes.is_success(status):
        return Attempt(Result.DELIVERED)
    if status in _REFUSALS:
        return Attempt(Result.REFUSED, f"HTTP {status}")
    seconds = min(float(advice), _MAX_RETRY_AFTER) if advice.isdecimal() else 0.0
    return Attempt(Result.FAILED, f"HTTP {status}", seconds)
