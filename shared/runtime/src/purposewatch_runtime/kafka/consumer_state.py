"""What a consumer is doing, and what that means for its readiness. Pure: `now` is passed in."""

from purposewatch_runtime.retry import Backoff
from purposewatch_runtime.service.probes import Check
from purposewatch_runtime.service.supervisor import UnavailableError

BATCH_STUCK_SECONDS = 60.0


class ConsumerState:
    """The state of one consumer: waiting for partitions, idle, processing, retrying or stopped."""

    def __init__(self, backoff: Backoff) -> None:
        self.stopped: str | None = None
        """Why the consumer stopped itself."""
        self.assigned: frozenset[int] | None = None
        """The assigned partitions; `None` outside the consumer group."""
        self.failures = 0
        """Batches that failed in a row."""
        self._backoff = backoff
        self._error = ""
        self._since: float | None = None

    def begin(self, now: float) -> None:
        """A batch is in flight."""
        self._since = now

    def end(self) -> None:
        """No batch is in flight any more."""
        self._since = None

    def seconds(self, now: float) -> float:
        """How long the batch has been in flight; 0 without one."""
        return 0.0 if self._since is None else now - self._since

    def succeeded(self) -> None:
        """The batch is finished."""
        self.failures = 0

    def failed(self, error: Exception) -> float:
        """The batch failed; returns the seconds to wait before it is tried again."""
        self.failures += 1
        says = isinstance(error, UnavailableError)
        self._error = str(error) if says else type(error).__name__
        return self._backoff.pause(self.failures)

    def problem(self, now: float, unreadable: str | None) -> Check | None:
        """What is wrong, or going on, without asking Kafka; `None` when the consumer is idle.

        `unreadable` says which records can't be decoded.
        """
        if self.stopped is not None:
            return Check(ok=False, detail=f"stopped: {self.stopped}")
        if self.assigned is None:
            return Check(ok=False, detail="not in the consumer group")
        if self.failures:
            return Check(ok=False, detail=f"retrying after {self._error}")
        if unreadable is not None:
            return Check(ok=False, detail=unreadable)
        if self._since is None:
            return None
        seconds = self.seconds(now)
        detail = f"a batch in flight for {seconds:.1f} s"
        return Check(ok=seconds < BATCH_STUCK_SECONDS, detail=detail)
