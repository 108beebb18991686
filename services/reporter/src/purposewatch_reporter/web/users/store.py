"""The users in the database."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import (
    accounts,
    recovery_codes,
    second_factors,
    sessions,
    sign_in_networks,
)
from purposewatch_reporter.web.users.roles import Role

USERNAME_PATTERN = r"[a-z0-9][a-z0-9._@-]{0,63}"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in."""

    username: str
    role: Role
    password_hash: str | None = None
    """`None` for a user who signs in through another identity provider."""


def normalised(username: str) -> str:
    """The name as it is stored: people type capitals and spaces."""
    return username.strip().lower()


def is_username(text: str) -> bool:
    """Whether a user can have this name."""
    return re.fullmatch(USERNAME_PATTERN, text) is not None


async def find_user(connection: AsyncConnection, username: str) -> User | None:
    """The user of that name."""
    query = select(accounts).where(accounts.c.username == username)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else User(row.username, Role(row.role), row.password_hash)


async def list_users(connection: AsyncConnection) -> list[User]:
    """All users, by name."""
    rows = await connection.execute(select(accounts).order_by(accounts.c.username))
    return [User(row.username, Role(row.role), row.password_hash) for row in rows]


async def count_users(connection: AsyncConnection) -> int:
    """How many there are."""
    return (await connection.execute(select(func.count()).select_from(accounts))).scalar_one()


async def add_user(connection: AsyncConnection, user: User, now: datetime) -> bool:
    """Add a user; False if the name is taken."""
    added = await connection.execute(
        insert_into(connection, accounts)
        .values(
            username=user.username,
            role=str(user.role),
            password_hash=user.password_hash,
            created_time=now,
            password_time=now,
        )
        .on_conflict_do_nothing()
        .returning(accounts.c.username)
    )
    return added.scalar_one_or_none() is not None


async def set_password(
    connection: AsyncConnection, username: str, password_hash: str, now: datetime
) -> bool:
    """Set a password and end the user's sessions; False if there is no such user."""
    changed = await connection.execute(
        update(accounts)
        .where(accounts.c.username == username)
        .values(password_hash=password_hash, password_time=now)
    )
    await connection.execute(delete(sessions).where(sessions.c.username == username))
    return changed.rowcount > 0


async def remove_user(connection: AsyncConnection, username: str) -> bool:
    """Remove a user and end their sessions; their actions stay in the trail."""
    for table in (sessions, sign_in_networks, second_factors, recovery_codes):
        await connection.execute(delete(table).where(table.c.username == username))
    removed = await connection.execute(delete(accounts).where(accounts.c.username == username))
    return removed.rowcount > 0
