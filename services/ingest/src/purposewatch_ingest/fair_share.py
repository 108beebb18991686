"""Divides a limited resource between publishers. No clock, no I/O, no asyncio.

Max-min fairness: of the publishers that wait, the one that holds least is served first; among
equals they take turns. So a publisher with little traffic never waits behind one with much.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SharePolicy:
    """How much there is of the resource, in units of the caller's choice."""

    capacity: int
    """What all publishers together hold at once."""
    share: int
    """What one publisher holds at once; at most the capacity counts."""
    max_waiting: int
    """How many requests of one publisher wait at once."""

    @property
    def most(self) -> int:
        """What one publisher, and so one request, holds at most."""
        return min(self.share, self.capacity)


class Ticket:
    """A request for units of the resource; waits until it is granted."""

    __slots__ = ("granted", "publisher", "units")

    def __init__(self, publisher: str, units: int) -> None:
        self.publisher = publisher
        self.units = units
        self.granted = False


class FairShare:
    """Grants units to the publishers' requests, those of one publisher in their order.

    INVARIANT: what is held never exceeds the capacity, and what a publisher holds never exceeds its
    share. A request is passed over only for a publisher that holds no more than its own does; so
    none waits forever while units are released.
    """

    def __init__(self, policy: SharePolicy) -> None:
        self._policy = policy
        self._free = policy.capacity
        self._held: dict[str, int] = {}
        """Only publishers that hold something."""
        self._waiting: dict[str, deque[Ticket]] = {}
        """Only publishers that wait; of equals, the first is next."""

    def request(self, publisher: str, units: int) -> Ticket | None:
        """Return a ticket, which may be granted at once; `None` if too many wait already.

        A request takes at least one unit; one for more than its publisher may hold takes all that.
        """
        if len(self._waiting.get(publisher, ())) >= self._policy.max_waiting:
            return None
        ticket = Ticket(publisher, max(1, min(units, self._policy.most)))
        if not self._waiting and self._fits(ticket):
            self._hold(ticket)
        else:
            self._waiting.setdefault(publisher, deque()).append(ticket)
            self._grant()
        return ticket

    def release(self, ticket: Ticket) -> Sequence[Ticket]:
        """Return what a ticket holds, or withdraw it if it waits; return those granted thereby."""
        if ticket.granted:
            self._free += ticket.units
            self._set_held(ticket.publisher, self._held[ticket.publisher] - ticket.units)
        else:
            queue = self._waiting[ticket.publisher]
            queue.remove(ticket)
            if not queue:
                del self._waiting[ticket.publisher]
        return self._grant()

    def is_over_share(self, ticket: Ticket) -> bool:
        """Whether a waiting request's publisher is itself the cause: it has reached its share."""
        held = self._held.get(ticket.publisher, 0)
        return held + ticket.units > self._policy.most

    def _grant(self) -> list[Ticket]:
        granted: list[Ticket] = []
        while (ticket := self._next()) is not None and self._fits(ticket):
            queue = self._waiting.pop(ticket.publisher)
            queue.popleft()
            if queue:
                self._waiting[ticket.publisher] = queue  # behind all others
            self._hold(ticket)
            granted.append(ticket)
        return granted

    def _fits(self, ticket: Ticket) -> bool:
        return ticket.units <= self._free and not self.is_over_share(ticket)

    def _hold(self, ticket: Ticket) -> None:
        self._free -= ticket.units
        self._set_held(ticket.publisher, self._held.get(ticket.publisher, 0) + ticket.units)
        ticket.granted = True

    def _next(self) -> Ticket | None:
        """The request that is served next, even if it must wait until enough units are free."""
        if not self._waiting:
            return None
        within = (queue[0] for queue in self._waiting.values() if not self.is_over_share(queue[0]))
        return min(within, key=lambda each: self._held.get(each.publisher, 0), default=None)

    def _set_held(self, publisher: str, units: int) -> None:
        if units:
            self._held[publisher] = units
        else:
            del self._held[publisher]
