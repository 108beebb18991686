"""What every connector does with its input: map it, put accesses and gaps in the spool."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from purposewatch_connect.mapping import (
    Access,
    Gap,
    GapKind,
    Mapper,
    Observation,
    Outcome,
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


@dataclass(frozen=True, slots=True)
class Published:
    """What became of some observations."""

    accesses: int
    gaps: tuple[Gap, ...]


class Pipeline:
    """Maps observations and publishes what they become. May be used by several threads at once."""

    def __init__(
        self,
        connector: str,
        mapper: Callable[[], Mapper],
        spool: Spool,
        metric_set: m.MetricSet,
        clock: Callable[[], float],
    ) -> None:
        """Take the name of the connector, and a function that returns the mapper in use."""
        self._connector = connector
        self._mapper = mapper
        self._spool = spool
        self._accesses = metric_set.counter(m.CONNECT_ACCESSES).labels(connector)
        self._gaps = metric_set.counter(m.CONNECT_GAPS)
        self._records = metric_set.counter(m.CONNECT_RECORDS)
        self._limiter = LogLimiter()
        self._clock = clock
        self._lock = Lock()

    def publish(self, observations: Sequence[Observation], gaps: Iterable[Gap] = ()) -> Published:
        """Return once every access and every gap is in the spool.

        `gaps` are those that the connector found itself. Raises `SpoolError`; then the same
        observations are published again later, and what was published already has the same ids.
        """
        mapper = self._mapper()
        outcomes: list[Outcome] = [mapper.apply(each) for each in observations]
        found = [*gaps, *(gap for outcome in outcomes for gap in outcome.gaps)]
        published = 0
        for access in (access for outcome in outcomes for access in outcome.accesses):
            try:
                self._spool.append(access)
                published += 1
            except InvalidAccessError:
                found.append(_refused(access))
        for gap in found:
            self._spool.append_gap(gap)
        with self._lock:
            self._accesses.inc(published)
            for gap in found:
                self._count(gap)
        return Published(published, tuple(found))

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
