"""The first account: without it nobody could sign in."""

from collections.abc import Callable
from datetime import datetime

from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.web.users.passwords import Passwords, generate
from purposewatch_reporter.web.users.roles import Role
from purposewatch_reporter.web.users.store import Account, add_account, count_accounts
from purposewatch_runtime.logs import get_logger

FIRST_USERNAME = "officer"

_log = get_logger(__name__)


class FirstAccount:
    """Makes the account `officer` in a database without accounts, and says its password once."""

    name = "first account"

    def __init__(
        self, database: Database, passwords: Passwords, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock

    async def start(self) -> None:
        """Make it; of several reporters that start at once, one does."""
        async with self._database.reading() as connection:
            if await count_accounts(connection):
                return
        password = generate()
        hashed = await self._passwords.hashed(password)
        account = Account(FIRST_USERNAME, Role.OFFICER, hashed)
        async with self._database.writing() as connection:
            added = await add_account(connection, account, self._clock())
        if added:
            _log.warning(
                "made the first account; its password is shown this once, change it after sign-in",
                username=FIRST_USERNAME,
                password=password,
            )

    async def stop(self) -> None:
        """Nothing to let go of."""
