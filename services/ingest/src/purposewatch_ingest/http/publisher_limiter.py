"""Refuses publishers that are paused or have reached their limits, with status 429.

429, not 403, for a paused publisher: its events are still wanted, so its client has to keep them
and send them again.
"""

from collections.abc import Mapping
from typing import Final

from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rate_limits import LimitReason
from purposewatch_runtime import metrics as m

_KINDS: Final = {
    LimitReason.RATE: ProblemKind.RATE_LIMITED,
    LimitReason.QUOTA: ProblemKind.QUOTA_EXCEEDED,
    LimitReason.PAUSED: ProblemKind.PAUSED,
}
_DETAILS: Final = {
    LimitReason.RATE: "the publisher has sent as many events as its rate allows",
    LimitReason.QUOTA: "the publisher has sent as many events today as its quota allows",
    LimitReason.PAUSED: "the publisher is paused",
}


class PublisherLimiter:
    """Holds publishers to the limits that the register states for them."""

    def __init__(self, ingest: Ingest) -> None:
        self._clock = ingest.clock
        self._usage = ingest.usage
        self._refused = ingest.metric_set.counter(m.INGEST_REQUESTS_REFUSED)

    def ensure_allowed(self, publisher: Publisher) -> None:
        """Raise a problem if the publisher may send nothing now."""
        limited = self._usage.limited(publisher, self._clock())
        if limited is None:
            return
        self._refused.labels(publisher.name, limited.reason).inc()
        why = f": {publisher.paused}" if limited.reason is LimitReason.PAUSED else ""
        raise ProblemError(
            _KINDS[limited.reason],
            f"{_DETAILS[limited.reason]}{why}; keep the events and send them again later",
            headers={"Retry-After": str(limited.retry_seconds), **self.headers(publisher)},
        )

    def charge(self, publisher: Publisher, events: int) -> None:
        """Charge so many events."""
        self._usage.charge(publisher, events, self._clock())

    def give_back(self, publisher: Publisher, events: int) -> None:
        """Give back what was charged for events that the publisher has to send again."""
        self._usage.charge(publisher, -events, self._clock())

    def headers(self, publisher: Publisher) -> Mapping[str, str]:
        """The fields of a response that state the publisher's limits; none if it has none."""
        return self._usage.headers(publisher, self._clock())
