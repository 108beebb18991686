"""Second factors in the database: set up, confirmed, asked for at the sign-in, removed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.bulk import insert_into
from purposewatch_reporter.store.tables import recovery_codes, second_factors
from purposewatch_reporter.web.users.totp import TotpKey, new_recovery_codes, new_salt


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A user's authenticator app."""

    username: str
    salt: bytes
    confirmed_time: datetime | None
    """`None` while it is being set up; it is not asked for until it has given a code."""


async def find_second_factor(connection: AsyncConnection, username: str) -> SecondFactor | None:
    """The user's second factor, confirmed or not."""
    query = select(second_factors).where(second_factors.c.username == username)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else SecondFactor(row.username, row.salt, row.confirmed_time)


async def begin_second_factor(connection: AsyncConnection, username: str) -> SecondFactor | None:
    """Begin to set one up, with a new secret; `None` if the user has a confirmed one."""
    t, salt = second_factors.c, new_salt()
    begun = await connection.execute(
        insert_into(connection, second_factors)
        .values(username=username, salt=salt, last_step=0)
        .on_conflict_do_update(
            index_elements=["username"], set_={"salt": salt}, where=t.confirmed_time.is_(None)
        )
        .returning(t.username)
    )
    return None if begun.scalar_one_or_none() is None else SecondFactor(username, salt, None)


async def confirm_second_factor(
    connection: AsyncConnection, key: TotpKey, factor: SecondFactor, code: str, now: datetime
) -> list[str] | None:
    """Ask for it from now on, if the code is right: its recovery codes, which are shown once."""
    t, step = second_factors.c, key.step_of(factor.salt, code, now)
    if step is None:
        return None
    confirmed = await connection.execute(
        update(second_factors)
        .where(t.username == factor.username, t.salt == factor.salt, t.confirmed_time.is_(None))
        .values(confirmed_time=now, last_step=step)
    )
    if not confirmed.rowcount:
        return None
    codes = new_recovery_codes()
    hashes = (key.recovery_hash(factor.username, each) for each in codes)
    await connection.execute(
        recovery_codes.insert(),
        [{"username": factor.username, "code_hash": each} for each in hashes],
    )
    return codes


async def use_code(
    connection: AsyncConnection, key: TotpKey, factor: SecondFactor, code: str, now: datetime
) -> bool:
    """Whether it is a right code of the app or for recovery that was not used before."""
    t, step = second_factors.c, key.step_of(factor.salt, code, now)
    if step is not None:
        used = await connection.execute(
            update(second_factors)
            .where(t.username == factor.username, t.salt == factor.salt, t.last_step < step)
            .values(last_step=step)
        )
        return used.rowcount == 1
    used = await connection.execute(
        delete(recovery_codes).where(
            recovery_codes.c.username == factor.username,
            recovery_codes.c.code_hash == key.recovery_hash(factor.username, code),
        )
    )
    return used.rowcount == 1


async def count_recovery_codes(connection: AsyncConnection, username: str) -> int:
    """How many recovery codes are left."""
    t = recovery_codes
    query = select(func.count()).select_from(t).where(t.c.username == username)
    return (await connection.execute(query)).scalar_one()


async def remove_second_factor(connection: AsyncConnection, username: str) -> bool:
    """Remove it and its recovery codes; False if there is none."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.username == username))
    removed = await connection.execute(
        delete(second_factors).where(second_factors.c.username == username)
    )
    return removed.rowcount > 0
