"""Stop consuming when too many records are bad, instead of dead-lettering a whole topic."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from purposewatch_runtime.settings import DeadLetterSettings


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """How many bad records a consumer accepts before it stops."""

    max_consecutive: int
    """Bad records in a row, in one partition."""
    max_ratio: float
    """Share of bad records in the window, once the window is full."""
    window: int
    """Number of latest records over which the ratio is taken."""

    @classmethod
    def from_settings(cls, settings: DeadLetterSettings) -> Self:
        """The policy that a service's settings describe."""
        return cls(
            max_consecutive=settings.dead_letter_max_consecutive,
            max_ratio=settings.dead_letter_max_ratio,
            window=settings.dead_letter_window,
        )


class DeadLetterLimit:
    """Counts good and bad records and says when the policy's limit is exceeded. Pure.

    Record each record once, in order per partition: take a `copy` for a batch and keep the copy
    only once the batch is finished, since the batch may be tried again.
    """

    def __init__(self, policy: DeadLetterPolicy) -> None:
        self._policy = policy
        self._seen = 0
        self._bad: deque[int] = deque()
        """The numbers, in order of arrival, of the window's bad records."""
        self._consecutive: dict[int, int] = {}

    def copy(self) -> Self:
        """An independent instance with the same counts."""
        twin = type(self)(self._policy)
        twin._seen = self._seen  # noqa: SLF001 - same class
        twin._bad = self._bad.copy()  # noqa: SLF001
        twin._consecutive = dict(self._consecutive)  # noqa: SLF001
        return twin

    def record_all(self, partitions: Sequence[int], bad: Sequence[bool]) -> str | None:
        """Count a batch: each record's partition, and whether it is bad.

        Returns the reason to stop when any of them exceeds the limit, else `None`.
        """
        if True not in bad:
            self._advance(len(bad))
            self._consecutive |= dict.fromkeys(partitions, 0)
            return None
        for partition, is_bad in zip(partitions, bad, strict=True):
            stop = self.record(partition, bad=is_bad)
            if stop is not None:
                return stop
        return None

    def record(self, partition: int, *, bad: bool) -> str | None:
        """Count one record; returns the reason to stop when it exceeds the limit, else `None`."""
        self._advance(1)
        if not bad:
            self._consecutive[partition] = 0
            return None
        self._bad.append(self._seen)
        streak = self._consecutive.get(partition, 0) + 1
        self._consecutive[partition] = streak
        if streak >= self._policy.max_consecutive:
            return f"{streak} bad records in a row in partition {partition}"
        window = self._policy.window
        if self._seen >= window and len(self._bad) > self._policy.max_ratio * window:
            return f"{len(self._bad)} bad records among the last {window}"
        return None

    def _advance(self, records: int) -> None:
        """Advance the window."""
        self._seen += records
        while self._bad and self._bad[0] <= self._seen - self._policy.window:
            self._bad.popleft()
