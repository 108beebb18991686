"""The command that manages the users of the page: `python -m purposewatch_reporter users …`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from purposewatch_reporter.settings import DatabaseSettings
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.users.passwords import Passwords, generate
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.second_factors import remove_second_factor
from purposewatch_reporter.web.users.sessions import close_sessions
from purposewatch_reporter.web.users.store import (
    User,
    add_user,
    is_username,
    list_users,
    remove_user,
    set_password,
)
from purposewatch_runtime.settings import load_settings

_DONE, _FAILED = 0, 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m purposewatch_reporter users",
        description="Users who may sign in to the page. Passwords are generated, and shown once.",
    )
    acts = parser.add_subparsers(dest="act", required=True)
    add = acts.add_parser("add", help="add a user")
    add.add_argument("username")
    add.add_argument("--role", choices=[str(role) for role in Role], default=str(Role.VIEWER))
    for act, about in (
        ("reset", "set a new password and end every session of a user"),
        ("remove", "remove a user and end every session of theirs"),
        ("reset-second-factor", "remove the second factor and end every session of a user"),
    ):
        acts.add_parser(act, help=about).add_argument("username")
    acts.add_parser("list", help="list the users and their roles")
    return parser


def run_command(arguments: Sequence[str]) -> int:
    """Run the command; the exit status."""
    asked = _parser().parse_args(arguments)
    settings = load_settings(DatabaseSettings)
    return asyncio.run(_run(asked, settings))


async def _run(asked: argparse.Namespace, settings: DatabaseSettings) -> int:
    database = Database(settings.database_url)
    await database.start()
    try:
        match asked.act:
            case "add":
                return await _add(database, asked.username, Role(asked.role))
            case "reset":
                return await _reset(database, asked.username)
            case "remove":
                return await _remove(database, asked.username)
            case "reset-second-factor":
                return await _reset_second_factor(database, asked.username)
            case _:
                return await _list(database)
    finally:
        await database.stop()


async def _add(database: Database, username: str, role: Role) -> int:
    if not is_username(username):
        return _fail(f"`{username}` is not a valid name; use at most 64 of a-z 0-9 `.` `_` `@` `-`")
    password = generate()
    user = User(username, role, await Passwords().hashed(password))
    async with database.writing() as connection:
        added = await add_user(connection, user, datetime.now(UTC))
    if not added:
        return _fail(f"`{username}` exists already; `reset` gives it a new password")
    return _say(f"{username} ({role}): {password}")


async def _reset(database: Database, username: str) -> int:
    password = generate()
    hashed = await Passwords().hashed(password)
    async with database.writing() as connection:
        changed = await set_password(connection, username, hashed, datetime.now(UTC))
    return _say(f"{username}: {password}") if changed else _unknown(username)


async def _remove(database: Database, username: str) -> int:
    async with database.writing() as connection:
        removed = await remove_user(connection, username)
    return _say(f"removed {username}") if removed else _unknown(username)


async def _reset_second_factor(database: Database, username: str) -> int:
    async with database.writing() as connection:
        removed = await remove_second_factor(connection, username)
        await close_sessions(connection, username)
    if not removed:
        return _fail(f"`{username}` has no second factor")
    return _say(f"removed the second factor of {username}")


async def _list(database: Database) -> int:
    async with database.reading() as connection:
        for user in await list_users(connection):
            _say(f"{user.username}\t{user.role}")
    return _DONE


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return _DONE


def _unknown(username: str) -> int:
    return _fail(f"there is no user `{username}`; `list` shows the existing ones")


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return _FAILED
