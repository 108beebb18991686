"""Waits for units of a `FairShare`: its shell in asyncio."""

import asyncio
from enum import StrEnum

from purposewatch_ingest.fair_share import FairShare, SharePolicy, Ticket


class RefusalReason(StrEnum):
    """Why a request got no units; few and fixed, so that it can be a metric label."""

    QUEUE_FULL = "queue_full"
    """Too many requests of the publisher wait already."""
    SHARE = "share"
    """It waited too long, and its publisher has reached its share."""
    CAPACITY = "capacity"
    """It waited too long, because all publishers together hold everything."""


class NoUnitsError(Exception):
    """A request got no units: send it again later."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class FairLimiter:
    """Bounds what publishers hold at once, and lets their requests wait in fair order."""

    def __init__(self, policy: SharePolicy) -> None:
        self._share = FairShare(policy)
        self._waiters: dict[Ticket, asyncio.Future[None]] = {}

    async def acquire(
        self, publisher: str, units: int, *, timeout_seconds: float | None = None
    ) -> Ticket:
        """Wait until units are free, and hold them until the ticket is released.

        Raises `NoUnitsError` if too many requests wait already, or after the timeout.
        """
        ticket = self._share.request(publisher, units)
        if ticket is None:
            raise NoUnitsError(RefusalReason.QUEUE_FULL)
        if not ticket.granted:
            await self._wait(ticket, timeout_seconds)
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Return what a ticket holds."""
        for granted in self._share.release(ticket):
            waiter = self._waiters[granted]
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self, ticket: Ticket, timeout_seconds: float | None) -> None:
        waiter = self._waiters[ticket] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except BaseException as error:
            over = self._share.is_over_share(ticket)
            self.release(ticket)  # it may have been granted just now
            if not isinstance(error, TimeoutError):
                raise
            raise NoUnitsError(RefusalReason.SHARE if over else RefusalReason.CAPACITY) from None
        finally:
            del self._waiters[ticket]
