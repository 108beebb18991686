"""Counts attempts to sign in, in the database: for all processes together.

An attempt counts before the password is compared, and takes the locks of its counters: of attempts
at the same moment no more are let through than one after another. What is stored, and how long it
takes, is the same whether or not the account exists.
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import UtcTime, sign_in_failures, sign_in_networks
from purposewatch_reporter.web.users.throttle import (
    FORGOTTEN_AFTER,
    Failures,
    SignInLimits,
    ThrottlePolicy,
    forgiven,
)

KNOWN_FOR = timedelta(days=90)
MAX_KNOWN_NETWORKS = 20
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in."""

    username: str
    address: str

    @property
    def network(self) -> str:
        """What stands for the address: of IPv6 the /64, since a host chooses the rest itself."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address[:64]
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))


class Attempts:
    """Counts attempts under their account, their address, and both together."""

    def __init__(self, database: Transactions, limits: SignInLimits) -> None:
        self._database = database
        self._limits = limits
        self._prune_every = max(1, limits.max_counters // 100)
        self._until_prune = self._prune_every

    async def begin(self, attempt: Attempt, now: datetime) -> timedelta | None:
        """Count an attempt; when it is blocked, count nothing and return for how much longer.

        What is blocked writes nothing: a flood of it must not delay those who write to the ledger.
        """
        if (remaining := await self._remaining(attempt, now)) is not None:
            return remaining
        try:
            async with self._database.writing() as connection:
                await self._count(connection, attempt, now)
                self._until_prune -= 1
                if self._until_prune <= 0:
                    await self.prune(connection, now)
        except _BlockedError as blocked:
            return blocked.remaining
        return None

    async def succeed(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
        """Take back what the user's own attempts from here have counted; remember the address."""
        policies = await self._policies(connection, attempt, now)
        counted = {key: await _locked(connection, key, now) for key in policies}
        own = counted[_keys(attempt).account_and_address].count
        for key, failures in counted.items():
            await _store(connection, key, forgiven(failures, own, now))
        await _remember(connection, attempt, now)

    async def prune(self, connection: AsyncConnection, now: datetime) -> None:
        """Forget old failures, those beyond the bound, and addresses not used for long."""
        self._until_prune = self._prune_every
        t = sign_in_failures.c
        order = t.failures.desc(), t.last_time.desc()
        beyond = select(t.key).order_by(*order).offset(self._limits.max_counters)
        old = select(t.key).where(t.last_time < now - FORGOTTEN_AFTER)
        for keys in (old, beyond):
            # what another process is counting is not old, and must not be waited for
            unlocked = keys.with_for_update(skip_locked=True)
            await connection.execute(delete(sign_in_failures).where(t.key.in_(unlocked)))
        unused = sign_in_networks.c.used_time < now - KNOWN_FOR
        await connection.execute(delete(sign_in_networks).where(unused))

    async def _remaining(self, attempt: Attempt, now: datetime) -> timedelta | None:
        t = sign_in_failures.c
        async with self._database.reading() as connection:
            keys = await self._policies(connection, attempt, now)
            query = select(func.max(t.blocked_until, type_=UtcTime)).where(t.key.in_(keys))
            blocked_until = (await connection.execute(query)).scalar_one()
        return None if blocked_until is None or blocked_until <= now else blocked_until - now

    async def _count(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
        policies = await self._policies(connection, attempt, now)
        before = {key: await _locked(connection, key, now) for key in policies}
        blocked_until = max(each.blocked_until for each in before.values())
        if blocked_until > now:
            raise _BlockedError(blocked_until - now)
        for key, policy in policies.items():
            await _store(connection, key, policy.counted(before[key], now))

    async def _policies(
        self, connection: AsyncConnection, attempt: Attempt, now: datetime
    ) -> Mapping[str, ThrottlePolicy]:
        """What the attempt counts under. INVARIANT: in the order in which everybody locks them."""
        keys, limits = _keys(attempt), self._limits
        own = {keys.account_and_address: limits.account_and_address}
        if await _is_known(connection, attempt, now):
            return own
        return {keys.address: limits.address, keys.account: limits.account, **own}


class _BlockedError(Exception):
    """Rolls back what was begun; nothing is stored of a blocked attempt."""

    def __init__(self, remaining: timedelta) -> None:
        super().__init__()
        self.remaining = remaining


@dataclass(frozen=True, slots=True)
class _Keys:
    address: str
    account: str
    account_and_address: str


def _keys(attempt: Attempt) -> _Keys:
    """The counters' keys. Names are hashed: people type passwords there by mistake."""
    return _Keys(
        f"address:{attempt.network}",
        f"account:{_digest(attempt.username)}",
        f"both:{_digest(attempt.network, attempt.username)}",
    )


def _digest(*texts: str) -> str:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


async def _locked(connection: AsyncConnection, key: str, now: datetime) -> Failures:
    """What was counted under a key; nobody else counts there until the transaction ends."""
    t = sign_in_failures.c
    nothing = insert_into(connection, sign_in_failures).values(
        key=key, failures=0, last_time=now, blocked_until=now
    )
    row = (
        await connection.execute(
            nothing.on_conflict_do_update(
                index_elements=["key"], set_={"key": nothing.excluded.key}
            ).returning(t.failures, t.last_time, t.blocked_until)
        )
    ).one()
    return Failures(row.failures, row.last_time, row.blocked_until)


async def _store(connection: AsyncConnection, key: str, failures: Failures) -> None:
    t = sign_in_failures
    if failures.count == 0:
        await connection.execute(delete(t).where(t.c.key == key))
        return
    await connection.execute(
        t.update()
        .where(t.c.key == key)
        .values(
            failures=failures.count,
            last_time=failures.last_time,
            blocked_until=failures.blocked_until,
        )
    )


async def _is_known(connection: AsyncConnection, attempt: Attempt, now: datetime) -> bool:
    """Whether the account's user has signed in from this address before."""
    t = sign_in_networks.c
    query = select(t.username).where(
        t.username == attempt.username,
        t.network == attempt.network,
        t.used_time > now - KNOWN_FOR,
    )
    return (await connection.execute(query)).first() is not None


async def _remember(connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
    t = sign_in_networks.c
    values = {"username": attempt.username, "network": attempt.network, "used_time": now}
    await connection.execute(
        insert_into(connection, sign_in_networks)
        .values(values)
        .on_conflict_do_update(index_elements=["username", "network"], set_={"used_time": now})
    )
    kept = (
        select(t.network)
        .where(t.username == attempt.username)
        .order_by(t.used_time.desc())
        .limit(MAX_KNOWN_NETWORKS)
    )
    beyond = t.username == attempt.username, t.network.not_in(kept)
    await connection.execute(delete(sign_in_networks).where(*beyond))
