"""The first user: without it nobody could sign in."""

from collections.abc import Callable
from datetime import datetime

from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.web.users.passwords import Passwords, generate
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import User, add_user, count_users
from purposewatch_runtime.logs import get_logger

FIRST_USERNAME = "officer"

_log = get_logger(__name__)


class FirstUser:
    """Creates the user `officer` in a database without users, and logs its password once."""

    name = "first user"

    def __init__(
        self, database: Transactions, passwords: Passwords, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock

    async def start(self) -> None:
        """Create it; of several reporters that start at once, one does."""
        async with self._database.reading() as connection:
            if await count_users(connection):
                return
        password = generate()
        hashed = await self._passwords.hashed(password)
        user = User(FIRST_USERNAME, Role.OFFICER, hashed)
        async with self._database.writing() as connection:
            added = await add_user(connection, user, self._clock())
        if added:
            _log.warning(
                "created the first user; its password is shown only once, change it soon",
                username=FIRST_USERNAME,
                password=password,
            )

    async def stop(self) -> None:
        """Nothing to stop."""
