"""Which events are traced. Pure."""

from dataclasses import dataclass, field

from purposewatch_contract import is_traceparent

_SAMPLED = 1
"""The flag of W3C Trace Context."""


def is_sampled(traceparent: str | None) -> bool:
    """Whether it is a valid `traceparent` whose sender records the trace."""
    return (
        traceparent is not None
        and is_traceparent(traceparent)
        and bool(int(traceparent[-2:], 16) & _SAMPLED)
    )


@dataclass(slots=True)
class SpanBudget:
    """How many spans may be started: so many a second, saved up for one second.

    A publisher decides which of its events are sampled; it does not decide what that costs.
    """

    per_second: int
    _left: float = field(init=False)
    _as_of: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Begin with a full second."""
        self._left = float(self.per_second)

    def take(self, now: float) -> bool:
        """Take one at a monotonic time in seconds; False when there is none left."""
        gained = max(0.0, now - self._as_of) * self.per_second
        self._left = min(float(self.per_second), self._left + gained)
        self._as_of = max(self._as_of, now)
        if self._left < 1:
            return False
        self._left -= 1
        return True
