"""How long to wait after a failure."""

import random

__all__ = ["Backoff"]

_FIRST_SECONDS = 0.5
_MAX_DOUBLINGS = 20
_MAX_RETRY_AFTER_SECONDS = 3600.0


class Backoff:
    """Doubles the wait with each failure in a row, up to a maximum; half of it is random.

    What ingest asks for is kept to, and up to a half of it added, so that publishers that were
    refused at the same moment do not return at the same moment.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self.failures = 0
        """In a row."""

    def succeed(self) -> None:
        """Start again with the shortest wait."""
        self.failures = 0

    def fail(self, asked_seconds: float | None = None) -> float:
        """Seconds to wait after this failure."""
        usual: float = min(
            self._max_seconds, _FIRST_SECONDS * 2 ** min(self.failures, _MAX_DOUBLINGS)
        )
        self.failures += 1
        share: float = random.uniform(0.5, 1)  # noqa: S311 - jitter
        if asked_seconds is None:
            return usual * share
        return min(asked_seconds, _MAX_RETRY_AFTER_SECONDS) * (0.5 + share)
