"""How often somebody may guess a password.

Counted by account name and by address, whether or not the account exists: the answer to a name
that nobody has is the same. An attempt counts before the password is looked at, so that many at
once gain nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import sign_in_failures

FORGOTTEN_AFTER = timedelta(hours=24)


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


BY_USERNAME = ThrottlePolicy(free=5)
BY_ADDRESS = ThrottlePolicy(free=50)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in."""

    username: str
    address: str

    @property
    def keys(self) -> dict[str, ThrottlePolicy]:
        """What it is counted under. Names are hashed: people type passwords there by mistake."""
        return {
            f"account:{_digest(self.username)}": BY_USERNAME,
            f"address:{self.address[:64]}": BY_ADDRESS,
        }


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


async def begin_attempt(
    connection: AsyncConnection, attempt: Attempt, now: datetime
) -> timedelta | None:
    """Count an attempt; when it is blocked, count nothing and return for how much longer."""
    t = sign_in_failures.c
    rows = await connection.execute(select(t.key, t.blocked_until).where(t.key.in_(attempt.keys)))
    blocked = max((row.blocked_until for row in rows), default=now)
    if blocked > now:
        remaining: timedelta = blocked - now
        return remaining
    for key, policy in sorted(attempt.keys.items()):
        statement = insert_into(connection, sign_in_failures).values(
            key=key, failures=1, last_time=now, blocked_until=now + policy.pause(1)
        )
        fresh = t.last_time < now - FORGOTTEN_AFTER
        counted = await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"],
                set_={"failures": case((fresh, 1), else_=t.failures + 1), "last_time": now},
            ).returning(t.failures)
        )
        pause = policy.pause(counted.scalar_one())
        if pause:
            await connection.execute(
                sign_in_failures.update().where(t.key == key).values(blocked_until=now + pause)
            )
    return None


async def forgive(connection: AsyncConnection, attempt: Attempt) -> None:
    """Take an attempt back whose password was right, and forget the account's failures."""
    t = sign_in_failures.c
    account, address = attempt.keys
    await connection.execute(delete(sign_in_failures).where(t.key == account))
    await connection.execute(
        sign_in_failures.update()
        .where(t.key == address, t.failures > 0)
        .values(failures=t.failures - 1)
    )


async def prune_failures(connection: AsyncConnection, now: datetime) -> None:
    """Forget old failures."""
    old = sign_in_failures.c.last_time < now - FORGOTTEN_AFTER
    await connection.execute(delete(sign_in_failures).where(old))
