"""Which connections are open, and which one ends when there are too many."""

from enum import Enum
from typing import Generic, TypeVar

C = TypeVar("C")


class Place(Enum):
    """What an accepted connection may be used for."""

    ORDINARY = "ordinary"
    RESERVE = "reserve"
    """Probes and metrics only: they must answer while every ordinary place is taken."""


class OpenConnections(Generic[C]):
    """The places of a server, bounded, and the connections that hold them.

    A connection *waits* for its client from when it is accepted, and again from the end of each
    response, until a request has arrived completely; and while the client does not read what it is
    sent. While every place is taken, a new connection takes the place of the one that has waited
    longest: clients that never finish their headers or bodies, that do not read, and idle ones make
    room for others, but no request that the service works on is given up.
    """

    def __init__(self, *, ordinary: int, reserve: int) -> None:
        self._capacity = {Place.ORDINARY: ordinary, Place.RESERVE: reserve}
        self._places: dict[C, Place] = {}
        self._count = dict.fromkeys(Place, 0)
        self._waiting: dict[Place, dict[C, None]] = {place: {} for place in Place}

    @property
    def count(self) -> int:
        """How many connections hold a place."""
        return len(self._places)

    def admit(self, connection: C) -> tuple[Place | None, C | None]:
        """Give the new connection a place, if there is one, and name the one that ends for it."""
        for place in Place:
            evicted = None
            if self._count[place] >= self._capacity[place]:
                evicted = next(iter(self._waiting[place]), None)
                if evicted is None:
                    continue
                self.remove(evicted)
            self._places[connection] = place
            self._count[place] += 1
            self._waiting[place][connection] = None
            return place, evicted
        return None, None

    def begin_request(self, connection: C) -> None:
        """A request is worked on; nothing ends the connection for another."""
        if place := self._places.get(connection):
            self._waiting[place].pop(connection, None)

    def wait_for_client(self, connection: C) -> None:
        """The client has to send or read on; the connection waits, if it does not do so already."""
        if place := self._places.get(connection):
            self._waiting[place][connection] = None

    def remove(self, connection: C) -> None:
        """The connection has ended. A connection without a place is ignored."""
        if place := self._places.pop(connection, None):
            self._count[place] -= 1
            self._waiting[place].pop(connection, None)
