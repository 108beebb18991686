"""What each publisher may take of ingest at once, so that none can keep the others waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from purposewatch_ingest.fair_limiter import FairLimiter, NoUnitsError, RefusalReason
from purposewatch_ingest.fair_share import SharePolicy, Ticket
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_runtime import metrics as m

RETRY_SECONDS = 2
SLOT_BYTES = 64 * 1024
"""A request takes a slot for each part of its body of this size."""

_DETAILS = {
    RefusalReason.QUEUE_FULL: "too many of the publisher's requests wait",
    RefusalReason.SHARE: "the publisher has as many requests in flight as its share allows",
    RefusalReason.CAPACITY: "ingest handles as many requests as it can",
}


@dataclass(frozen=True, slots=True)
class RequestShareLimits:
    """How much there is of each resource, and how much of it is for one publisher."""

    body_bytes: int
    body_bytes_per_publisher: int
    slots: int
    slots_per_publisher: int
    waiting_per_publisher: int
    wait_timeout_seconds: float


class RequestShares:
    """Divides memory, slots and the event loop between the publishers' requests.

    A request holds the memory for its body from before the body is read until it is answered: a
    slow body takes nothing else. It holds slots only once its body has arrived.
    """

    def __init__(self, limits: RequestShareLimits, metric_set: m.MetricSet) -> None:
        most = limits.waiting_per_publisher
        self._timeout = limits.wait_timeout_seconds
        self._memory = FairLimiter(
            SharePolicy(limits.body_bytes, limits.body_bytes_per_publisher, most)
        )
        self._slots = FairLimiter(SharePolicy(limits.slots, limits.slots_per_publisher, most))
        # Requests that wait for a turn hold a slot, or memory for more than one slot.
        waiting = limits.slots + limits.body_bytes // SLOT_BYTES
        self._turns = FairLimiter(SharePolicy(1, 1, waiting))
        self._worker = FairLimiter(SharePolicy(1, 1, limits.slots))
        self._bytes = metric_set.gauge(m.INGEST_BODY_BYTES)
        self._requests = metric_set.gauge(m.INGEST_REQUESTS)
        self._refused = metric_set.counter(m.INGEST_REQUESTS_REFUSED)

    @asynccontextmanager
    async def receive(self, publisher: str, size: int) -> AsyncIterator[None]:
        """Hold memory for a body of at most so many bytes."""
        ticket = await self._acquire(self._memory, publisher, size)
        held = self._bytes.labels(publisher)
        held.inc(size)
        try:
            yield
        finally:
            held.dec(size)
            self._memory.release(ticket)

    @asynccontextmanager
    async def handle(self, publisher: str, size: int) -> AsyncIterator[None]:
        """Hold the slots of a request whose body of so many bytes has arrived."""
        ticket = await self._acquire(self._slots, publisher, -(-size // SLOT_BYTES))
        handling = self._requests.labels(publisher, "handling")
        handling.inc()
        try:
            yield
        finally:
            handling.dec()
            self._slots.release(ticket)

    @asynccontextmanager
    async def turn(self, publisher: str) -> AsyncIterator[None]:
        """Hold the event loop for one slice of a large request, then let the others have it.

        INVARIANT: between two slices, of whatever requests, the event loop runs everything else
        that is ready.
        """
        ticket = await self._turns.acquire(publisher, 1)
        try:
            yield
            await asyncio.sleep(0)
        finally:
            self._turns.release(ticket)

    @asynccontextmanager
    async def worker(self, publisher: str) -> AsyncIterator[None]:
        """Hold the one thread for work that would keep the event loop for too long."""
        ticket = await self._acquire(self._worker, publisher, 1)
        try:
            yield
        finally:
            self._worker.release(ticket)

    async def _acquire(self, limiter: FairLimiter, publisher: str, units: int) -> Ticket:
        waiting = self._requests.labels(publisher, "waiting")
        waiting.inc()
        try:
            return await limiter.acquire(publisher, units, timeout_seconds=self._timeout)
        except NoUnitsError as error:
            self._refused.labels(publisher, error.reason).inc()
            raise ProblemError(
                ProblemKind.BUSY,
                f"{_DETAILS[error.reason]}; send the same events again later",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from None
        finally:
            waiting.dec()
