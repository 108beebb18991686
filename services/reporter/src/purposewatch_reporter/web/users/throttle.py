"""How often somebody may guess: what follows from the failures that were counted before.

Pure functions of a state and a time; `attempts` keeps the states in the database.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FORGOTTEN_AFTER = timedelta(hours=24)
"""Failures are forgotten when none was added for so long."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What was counted under one key."""

    count: int
    last_time: datetime
    blocked_until: datetime


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """After `free` failures every further one blocks, twice as long as the one before."""

    free: int
    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(minutes=15)

    def pause(self, failures: int) -> timedelta:
        """How long to block after so many failures."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 20)
        pause: timedelta = self.first * 2**doublings
        return min(self.longest, pause)

    def counted(self, before: Failures, now: datetime) -> Failures:
        """The state with one failure more."""
        is_forgotten = before.last_time < now - FORGOTTEN_AFTER
        count = 1 if is_forgotten else before.count + 1
        return Failures(count, now, now + self.pause(count))


def forgiven(counted: Failures, failures: int, now: datetime) -> Failures:
    """The state without so many failures: they were those of somebody who knew the password.

    The latest of them ended any pause before it, so what blocks now is its own pause.
    """
    return replace(counted, count=max(0, counted.count - failures), blocked_until=now)


@dataclass(frozen=True, slots=True)
class SignInLimits:
    """How many failures are free: for an account from one address, and for each of the two alone.

    The limit of an account alone is high, and does not apply to addresses from which its user has
    signed in: strangers elsewhere cannot lock the user out.
    """

    account_and_address: ThrottlePolicy = ThrottlePolicy(free=5)
    address: ThrottlePolicy = ThrottlePolicy(free=50)
    account: ThrottlePolicy = ThrottlePolicy(free=100)
    max_counters: int = 100_000
    """Beyond so many, those with the fewest failures are forgotten: new ones displace no block."""
