"""Bounds how often something that strangers can cause is logged. No clock, no I/O."""

from dataclasses import dataclass

from purposewatch_policy import BoundedCache

__all__ = ["LogLimiter", "LogRate"]

_MAX_SOURCES = 1_024


@dataclass(frozen=True, slots=True)
class LogRate:
    """A token bucket's size and how fast it is filled."""

    burst: int
    per_second: float


PER_SOURCE = LogRate(burst=3, per_second=1 / 60)
OVERALL = LogRate(burst=30, per_second=1)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """The tokens that were left at a time."""

    tokens: float
    at: float

    def take(self, rate: LogRate, now: float) -> "_Bucket | None":
        """The bucket with one token less, or `None` if it has none."""
        filled = min(float(rate.burst), self.tokens + (now - self.at) * rate.per_second)
        return _Bucket(filled - 1, now) if filled >= 1 else None


class LogLimiter:
    """A token bucket for each source, for example a client's address, and one for all sources.

    INVARIANT: memory and log lines are bounded, however many sources there are. A bucket is stored
    only when its token is spent, and the bucket of all sources bounds how often that happens.
    """

    def __init__(self, per_source: LogRate = PER_SOURCE, overall: LogRate = OVERALL) -> None:
        self._per_source = per_source
        self._overall = overall
        self._all = _Bucket(overall.burst, 0.0)
        self._sources: BoundedCache[str, _Bucket] = BoundedCache(_MAX_SOURCES)
        self._suppressed = 0

    def admit(self, source: str, now: float) -> int | None:
        """Return how many were not logged since the last one, or `None` not to log this one either.

        `now` is in seconds and never goes back.
        """
        bucket = self._sources.get(source) or _Bucket(self._per_source.burst, now)
        left_of_all = self._all.take(self._overall, now)
        left = bucket.take(self._per_source, now)
        if left_of_all is None or left is None:
            self._suppressed += 1
            return None
        self._all = left_of_all
        self._sources.put(source, left)
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
