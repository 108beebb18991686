"""How far the state is, who waits for it, and what that means for readiness. No I/O."""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping

from purposewatch_runtime import metrics as m
from purposewatch_runtime.service import Check

_BEHIND_SECONDS = 5.0
"""The state may be behind for so long before the auditor is not ready."""


class FactsBehindError(Exception):
    """The state has not reached the end of the facts topic in time; the text says how far it is."""


class Progress:
    """Positions and ends of the partitions that are needed."""

    def __init__(self, metric_set: m.MetricSet) -> None:
        self.problem: str | None = None
        """Why nothing can be read at the moment."""
        self._expected: frozenset[int] = frozenset()
        self._positions: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._targets: dict[int, int] = {}
        """What a restore has to reach."""
        self._begun: dict[int, int] = {}
        self._restoring_since: float | None = None
        self._behind_since: float | None = None
        self._moved = asyncio.Event()
        self._behind = metric_set.gauge(m.FACTS_BEHIND)
        self._restore_seconds = metric_set.gauge(m.FACTS_RESTORE_SECONDS)

    @property
    def expected(self) -> frozenset[int]:
        """The partitions that are needed."""
        return self._expected

    def is_current(self, partition: int) -> bool:
        """Whether the state of a partition is at the end of the log."""
        position = self._positions.get(partition)
        return position is not None and position >= self._ends[partition]

    def expect(self, partitions: Collection[int]) -> None:
        """These partitions are needed, and no others."""
        for partition in self._expected - frozenset(partitions):
            self.forget(partition)
        self._expected = frozenset(partitions)
        if not self._expected <= self._positions.keys():
            self._begin_restore()

    def forget(self, partition: int) -> None:
        """Nothing is known of a partition until it is compared with the log again."""
        for known in (self._positions, self._ends, self._targets, self._begun):
            known.pop(partition, None)
        self._behind.remove(str(partition))
        self._show()

    def forget_all(self) -> None:
        """Nothing is known of any partition."""
        for partition in self._expected:
            self.forget(partition)

    def compared(self, positions: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """States that stand at these positions continue logs that end there."""
        for partition, end in ends.items():
            if partition not in self._expected:
                continue
            if partition not in self._positions:
                self._begun[partition] = positions[partition]
                self._targets[partition] = end
                self._begin_restore()
            self._positions[partition] = positions[partition]
            self._ends[partition] = end
        self._show()

    def ends_at_least(self, ends: Mapping[int, int | None]) -> None:
        """The logs of known partitions reach at least to these ends."""
        for partition, end in ends.items():
            if end is not None and partition in self._ends:
                self._ends[partition] = max(end, self._ends[partition])

    def reached(self, positions: Mapping[int, int]) -> None:
        """Everything below these offsets is in the state."""
        for partition, offset in positions.items():
            if partition in self._positions:
                self._positions[partition] = offset
        self._show()

    def end(self, partition: int) -> int:
        """The highest end that is known of a partition; 0 if nothing is known of it."""
        return self._ends.get(partition, 0)

    def replaced(self, ends: Mapping[int, int]) -> bool:
        """Whether a log ends below what is in the state, so that it can't be the same."""
        return any(self._positions.get(p, 0) > end for p, end in ends.items())

    async def reach(self, ends: Mapping[int, int]) -> None:
        """Wait until everything below these offsets is in the state.

        Raises `FactsBehindError` for a partition that is not needed any more.
        """
        while any(self._positions.get(p, -1) < end for p, end in ends.items()):
            if not ends.keys() <= self._expected:
                message = "a partition is assigned to another auditor now"
                raise FactsBehindError(message)
            self._moved.clear()
            await self._moved.wait()

    def _begin_restore(self) -> None:
        if self._restoring_since is None:
            self._restoring_since = time.monotonic()

    def describe(self) -> str:
        """What is waited for, for people."""
        return "; ".join(self._descriptions()) or "nothing is waited for"

    def ready(self, now: float) -> Check:
        """Whether the state is current, or about to be."""
        if self.problem is not None:
            return Check(ok=False, detail=f"retrying after {self.problem}")
        behind = list(self._descriptions())
        if not behind:
            return Check(ok=True, detail=f"{len(self._expected)} partitions")
        lasting = 0.0 if self._behind_since is None else now - self._behind_since
        is_known = self._expected <= self._positions.keys() and self._restoring_since is None
        return Check(ok=is_known and lasting < _BEHIND_SECONDS, detail="; ".join(behind))

    def _descriptions(self) -> Iterator[str]:
        unknown = self._expected - self._positions.keys()
        if unknown:
            yield f"partitions to be compared with the topic: {len(unknown)}"
        if self._restoring_since is not None and self._targets:
            whole = sum(end - self._begun[p] for p, end in self._targets.items())
            done = sum(self._positions[p] - self._begun[p] for p in self._targets)
            yield f"restoring: {min(done, whole):,} of {whole:,} records"
        else:
            missing = sum(self._missing().values())
            if missing:
                yield f"behind by {missing:,} records"

    def _missing(self) -> dict[int, int]:
        return {p: max(0, self._ends[p] - at) for p, at in self._positions.items()}

    def _show(self) -> None:
        missing = self._missing()
        for partition, records in missing.items():
            self._behind.labels(str(partition)).set(records)
        if not any(missing.values()):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()
        is_restored = self._expected <= self._positions.keys() and all(
            self._positions[p] >= end for p, end in self._targets.items()
        )
        if self._restoring_since is not None and is_restored:
            self._restore_seconds.set(time.monotonic() - self._restoring_since)
            self._restoring_since = None
            self._targets.clear()
            self._begun.clear()
        self._moved.set()
