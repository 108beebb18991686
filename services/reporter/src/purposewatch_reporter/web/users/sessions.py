"""Who is signed in: a random token in the browser, its hash in the database."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.tables import accounts, second_factors, sessions
from purposewatch_reporter.web.users.roles import Role

_TOUCH = timedelta(minutes=1)
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long somebody stays signed in."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """A valid session's account, with the role that it has now."""

    username: str
    role: Role
    token: str
    seen_time: datetime
    has_second_factor: bool

    @property
    def csrf_token(self) -> str:
        """What a form of this session must carry; another site can't read it."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def open_session(
    connection: AsyncConnection, username: str, policy: SessionPolicy, now: datetime
) -> str:
    """Begin a session with a token that was never used before; returns the token."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await connection.execute(
        sessions.insert().values(
            token_hash=_hash(token),
            username=username,
            created_time=now,
            seen_time=now,
            expires_time=now + policy.longest,
        )
    )
    return token


async def read_session(
    connection: AsyncConnection, token: str, policy: SessionPolicy, now: datetime
) -> SignedInUser | None:
    """Whose session it is, unless it has expired."""
    query = (
        select(
            sessions.c.username,
            sessions.c.seen_time,
            accounts.c.role,
            second_factors.c.confirmed_time,
        )
        .join(accounts, accounts.c.username == sessions.c.username)
        .outerjoin(second_factors, second_factors.c.username == sessions.c.username)
        .where(
            sessions.c.token_hash == _hash(token),
            sessions.c.expires_time > now,
            sessions.c.seen_time > now - policy.idle,
        )
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    has_second_factor = row.confirmed_time is not None
    return SignedInUser(row.username, Role(row.role), token, row.seen_time, has_second_factor)


def is_due(session: SignedInUser, now: datetime) -> bool:
    """Whether its use should be noted: not at every click."""
    return now - session.seen_time >= _TOUCH


async def touch_session(connection: AsyncConnection, token: str, now: datetime) -> None:
    """Note that it is in use."""
    await connection.execute(
        update(sessions).where(sessions.c.token_hash == _hash(token)).values(seen_time=now)
    )


async def close_session(connection: AsyncConnection, token: str) -> None:
    """End a session."""
    await connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


async def close_sessions(connection: AsyncConnection, username: str) -> None:
    """End all sessions of a user."""
    await connection.execute(delete(sessions).where(sessions.c.username == username))


async def close_other_sessions(connection: AsyncConnection, user: SignedInUser) -> None:
    """End the user's sessions except this one."""
    others = sessions.c.username == user.username, sessions.c.token_hash != _hash(user.token)
    await connection.execute(delete(sessions).where(*others))


async def prune_sessions(connection: AsyncConnection, policy: SessionPolicy, now: datetime) -> None:
    """Forget the sessions that have expired."""
    expired = or_(sessions.c.expires_time <= now, sessions.c.seen_time <= now - policy.idle)
    await connection.execute(delete(sessions).where(expired))
