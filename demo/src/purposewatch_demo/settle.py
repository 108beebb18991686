"""Says when there is nothing more to wait for after feeding has ended."""

import time
from collections.abc import Callable

from purposewatch_demo.account import Account
from purposewatch_demo.deliver import Deliveries
from purposewatch_demo.verify import faults

_NO_PROGRESS_SECONDS = 30.0
_AT_MOST_SECONDS = 600.0


class Settling:
    """Waits for the books to show everything that was sent, as long as they make progress."""

    def __init__(self, deliveries: Deliveries, clock: Callable[[], float] = time.monotonic) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._begun = clock()
        self._moved = self._begun
        self._booked: tuple[object, ...] = ()
        self.last_change: float | None = None
        """When the books last changed."""

    def done(self, account: Account) -> bool:
        """Whether all is well, or it is no use to wait any longer."""
        now = self._clock()
        if account.booked != self._booked:
            self._booked = account.booked
            self._moved = now
            self.last_change = account.at
        if next(faults(self._deliveries, account), None) is None:
            return True
        return now - self._moved > _NO_PROGRESS_SECONDS or now - self._begun > _AT_MOST_SECONDS
