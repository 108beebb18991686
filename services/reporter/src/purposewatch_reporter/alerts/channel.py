"""What the deliverer asks of a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import httpx

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.delivery_state import ResendPolicy

_LONGEST_RETRY_AFTER = 300.0
# Answers that are about what was sent. All others are about the receiver or the way there.
_REFUSALS = frozenset({400, 409, 413, 422})


class Result(StrEnum):
    """What came of an attempt; a metric label."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver won't have these alerts; others may go through."""
    FAILED = "failed"
    """The receiver can't be reached or is in trouble."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of handing alerts to a receiver. The error holds no address and no secret."""

    result: Result
    error: str = ""
    retry_after: float = 0.0


class Channel(Protocol):
    """One receiver of alerts."""

    name: str
    """Unique; a metric label."""
    cadence: ResendPolicy
    batch_size: int
    """How many alerts it takes at once."""
    timeout_seconds: float
    """`send` ends within about this time."""

    async def open(self) -> None:
        """Get ready; nothing is sent."""

    async def close(self) -> None:
        """Let go of connections and threads."""

    async def send(self, alerts: Sequence[Alert]) -> Attempt:
        """Hand alerts over: all, or perhaps some if the attempt isn't `DELIVERED`. Never raises."""


def attempt_of(answer: httpx.Response) -> Attempt:
    """What an HTTP answer means."""
    status, advice = answer.status_code, answer.headers.get("Retry-After", "")
    if httpx.codes.is_success(status):
        return Attempt(Result.DELIVERED)
    if status in _REFUSALS:
        return Attempt(Result.REFUSED, f"HTTP {status}")
    seconds = min(float(advice), _LONGEST_RETRY_AFTER) if advice.isdecimal() else 0.0
    return Attempt(Result.FAILED, f"HTTP {status}", seconds)
