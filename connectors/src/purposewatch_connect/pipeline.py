"""What every connector does with its input: map it, put accesses and gaps in the spool."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from threading import Lock
from typing import NamedTuple, Protocol

from purposewatch_connect.aggregate import group_identical, merge
from purposewatch_connect.mapping import (
    Access,
    Gap,
    GapKind,
    Mapper,
    Observation,
    make_gap,
)
from purposewatch_runtime import metrics as m
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import Component

_log = get_logger(__name__)


class SpoolError(Exception):
    """The spool can't take an access now: read the same input again later."""


class InvalidAccessError(Exception):
    """The access can never be an event: count it as a gap."""


class Spool(Protocol):
    """Takes accesses durably, and sends them to ingest in the background."""

    def append(self, access: Access) -> None:
        """Return once the access survives a crash.

        Raises `SpoolError`, or `InvalidAccessError`.
        """

    def append_gap(self, gap: Gap) -> None:
        """Return once the gap survives a crash. Raises `SpoolError`."""


class SpoolComponent(Spool, Component, Protocol):
    """A spool with a life cycle."""


class Input(NamedTuple):
    """What a record of a connector's input says."""

    observations: Sequence[Observation]
    gaps: Sequence[Gap] = ()
    """Those that the connector found itself."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one input."""

    accesses: int
    gaps: tuple[Gap, ...]


class Pipeline:
    """Maps observations and publishes what they become. May be used by several threads at once."""

    def __init__(  # noqa: PLR0913 - what a connector consists of
        self,
        connector: str,
        mapper: Callable[[], Mapper],
        spool: Spool,
        metric_set: m.MetricSet,
        clock: Callable[[], float],
        *,
        window: timedelta | None = None,
    ) -> None:
        """Take the name of the connector, and a function that returns the mapper in use.

        With a `window`, identical accesses that are published together become one event.
        """
        self._connector = connector
        self._mapper = mapper
        self._spool = spool
        self.window = window
        self._accesses = metric_set.counter(m.CONNECT_ACCESSES).labels(connector)
        self._events = metric_set.counter(m.CONNECT_EVENTS).labels(connector)
        self._gaps = metric_set.counter(m.CONNECT_GAPS)
        self._records = metric_set.counter(m.CONNECT_RECORDS)
        self._limiter = LogLimiter()
        self._clock = clock
        self._lock = Lock()

    def publish(self, inputs: Iterable[Input]) -> list[Published]:
        """Return what became of each input, once every access and every gap is in the spool.

        Raises `SpoolError`; then the same inputs are published again later, and what was published
        already has the same ids. INVARIANT: with a window that takes the same inputs together, so
        they must be what the source acknowledges, or remembers as read, as a whole.
        """
        mapper = self._mapper()
        accesses: list[list[Access]] = []
        gaps: list[list[Gap]] = []
        for observations, found in inputs:
            outcomes = [mapper.apply(each) for each in observations]
            accesses.append([each for outcome in outcomes for each in outcome.accesses])
            gaps.append([*found, *(each for outcome in outcomes for each in outcome.gaps)])
        events, refused = self._append(chain.from_iterable(accesses))
        published = []
        for of_input, found in zip(accesses, gaps, strict=True):
            found += [_refused(each) for each in of_input if each.id in refused]
            taken = sum(each.id not in refused for each in of_input)
            published.append(Published(taken, tuple(found)))
        for gap in chain.from_iterable(gaps):
            self._spool.append_gap(gap)
        with self._lock:
            self._accesses.inc(sum(each.accesses for each in published))
            self._events.inc(events)
            for gap in chain.from_iterable(gaps):
                self._count(gap)
        return published

    def _append(self, accesses: Iterable[Access]) -> tuple[int, set[str]]:
        """Put accesses in the spool; return the number of events, and the ids of the refused."""
        groups = (
            ([each] for each in accesses)
            if self.window is None
            else group_identical(accesses, self.window)
        )
        events = 0
        refused: set[str] = set()
        for group in groups:
            try:
                self._spool.append(merge(group))
                events += 1
            except InvalidAccessError:
                refused.update(each.id for each in group)
        return events, refused

    def count_records(self, number: int, result: str) -> None:
        """Count records of the input: `read`, `ignored` or `unreadable`."""
        with self._lock:
            self._records.labels(self._connector, result).inc(number)

    def _count(self, gap: Gap) -> None:
        self._gaps.labels(self._connector, gap.kind, gap.name).inc()
        suppressed = self._limiter.admit(f"{gap.kind} {gap.name}", self._clock())
        if suppressed is not None:
            _log.warning("gap", kind=str(gap.kind), name=gap.name, suppressed=suppressed)


def _refused(access: Access) -> Gap:
    return make_gap(
        GapKind.UNREADABLE_RECORD,
        access.service or "",
        identity=access.id,
        time=access.time,
        controller=access.controller,
    )
