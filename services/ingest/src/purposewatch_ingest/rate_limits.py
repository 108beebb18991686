"""How many events a publisher may send over HTTP: a rate with a burst, and a quota for each day.

A request is let in while the publisher has something left, and then charged what it holds, even if
that is more than is left: the next request waits until the debt is paid. So a request is refused
before its content is read, a batch larger than the burst is accepted all the same, and over time
the rate is exact. No clock, no I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from math import ceil

from purposewatch_ingest.publishers import Publisher, RateLimits

_DAY_SECONDS = 86_400
_MAX_RETRY_SECONDS = 3_600
"""The register can change before the day is over: nobody is told to wait longer than this."""
PAUSED_RETRY_SECONDS = 60


class LimitReason(StrEnum):
    """Why a publisher may send nothing now; few and fixed, so that it can be a metric label."""

    RATE = "rate"
    QUOTA = "quota"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Limited:
    """A publisher may send nothing for now."""

    reason: LimitReason
    retry_seconds: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a publisher has left of its rate, and has used of its quota, at a time."""

    at: datetime
    tokens: float
    """Events that it may send at once; negative while it is in debt."""
    day: date
    """In UTC."""
    sent: int
    """Events on that day."""

    @classmethod
    def unused(cls, limits: RateLimits, now: datetime) -> "Usage":
        """The usage of a publisher that has sent nothing."""
        return cls(now, float(limits.burst), now.astimezone(UTC).date(), 0)

    def advanced(self, limits: RateLimits, now: datetime) -> "Usage":
        """The same at a later time. A clock that goes back changes nothing."""
        now = max(now, self.at)
        day = now.astimezone(UTC).date()
        gained = (now - self.at).total_seconds() * (limits.events_per_second or 0)
        return Usage(
            now,
            min(float(limits.burst), self.tokens + gained),
            day,
            self.sent if day == self.day else 0,
        )

    def charged(self, events: int) -> "Usage":
        """After so many events more; fewer, if negative."""
        return replace(self, tokens=self.tokens - events, sent=max(0, self.sent + events))

    def limited(self, limits: RateLimits) -> Limited | None:
        """Why nothing may be sent now, if that is so."""
        if limits.events_per_day is not None and self.sent >= limits.events_per_day:
            return Limited(LimitReason.QUOTA, min(self._until_midnight(), _MAX_RETRY_SECONDS))
        if limits.events_per_second is not None and self.tokens < 1:
            seconds = ceil((1 - self.tokens) / limits.events_per_second)
            return Limited(LimitReason.RATE, min(seconds, _MAX_RETRY_SECONDS))
        return None

    def headers(self, limits: RateLimits) -> dict[str, str]:
        """The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers)."""
        policies, left = [], []
        if limits.events_per_second is not None:
            window = ceil(limits.burst / limits.events_per_second)
            policies.append(f'"rate";q={limits.burst};qu="events";w={window}')
            until_full = ceil((limits.burst - self.tokens) / limits.events_per_second)
            left.append(f'"rate";r={max(0, int(self.tokens))};t={until_full}')
        if limits.events_per_day is not None:
            policies.append(f'"day";q={limits.events_per_day};qu="events";w={_DAY_SECONDS}')
            remaining = max(0, limits.events_per_day - self.sent)
            left.append(f'"day";r={remaining};t={self._until_midnight()}')
        if not policies:
            return {}
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}

    def _until_midnight(self) -> int:
        now = self.at.astimezone(UTC)
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        return ceil((midnight - now).total_seconds())


class PublisherUsage:
    """The usage of every publisher that has limits, in this process and since it was started."""

    def __init__(self) -> None:
        self._usage: dict[str, Usage] = {}
        """Names come from the register, so that it is bounded."""

    def limited(self, publisher: Publisher, now: datetime) -> Limited | None:
        """Why the publisher may send nothing now, if that is so."""
        if publisher.paused is not None:
            return Limited(LimitReason.PAUSED, PAUSED_RETRY_SECONDS)
        if publisher.limits is None:
            return None
        return self._advance(publisher.name, publisher.limits, now).limited(publisher.limits)

    def charge(self, publisher: Publisher, events: int, now: datetime) -> None:
        """Charge so many events; a negative number gives them back."""
        if publisher.limits is not None:
            usage = self._advance(publisher.name, publisher.limits, now)
            self._usage[publisher.name] = usage.charged(events)

    def headers(self, publisher: Publisher, now: datetime) -> Mapping[str, str]:
        """The fields that tell the publisher its limits and what is left of them."""
        if publisher.limits is None:
            return {}
        return self._advance(publisher.name, publisher.limits, now).headers(publisher.limits)

    def _advance(self, name: str, limits: RateLimits, now: datetime) -> Usage:
        usage = self._usage.get(name)
        usage = Usage.unused(limits, now) if usage is None else usage.advanced(limits, now)
        self._usage[name] = usage
        return usage
