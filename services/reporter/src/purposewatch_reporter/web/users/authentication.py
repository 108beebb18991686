"""Compares what somebody claims to know, within the limits of guessing."""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.web.users.attempts import Attempt, Attempts
from purposewatch_reporter.web.users.passwords import Passwords
from purposewatch_reporter.web.users.second_factors import find_second_factor, use_code
from purposewatch_reporter.web.users.store import User, find_user
from purposewatch_reporter.web.users.totp import TotpKey
from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


class AuthenticationError(Exception):
    """The name, the password or the code is wrong, or too much was guessed before."""

    def __init__(self, remaining: timedelta | None = None) -> None:
        super().__init__()
        self.seconds = 0 if remaining is None else math.ceil(remaining.total_seconds())
        """How long to wait; 0 when nothing is blocked."""

    @property
    def fault(self) -> str:
        """The key of the text that says so."""
        return "blocked" if self.seconds else "wrong"


class Authenticator:
    """Tells whether somebody is the user that they claim to be."""

    def __init__(
        self,
        database: Transactions,
        passwords: Passwords,
        attempts: Attempts,
        totp_key: TotpKey | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._totp_key = totp_key
        self._clock = clock
        self._limiter = LogLimiter()

    async def authenticate(
        self, attempt: Attempt, password: str, *, code: str | None = None
    ) -> User:
        """The user, if the password is right, and the code if the user has a second factor.

        Without a `code`, for who is signed in already, none is asked for. Raises
        `AuthenticationError`, which tells neither whether the name exists nor whether the password
        or the code was wrong; nor does the time that it takes.
        INVARIANT: no log line has the name that was given, which may be a password.
        """
        remaining = await self._attempts.begin(attempt, self._clock())
        if remaining is not None:
            self._log_refusal("sign-in blocked", attempt.address)
            raise AuthenticationError(remaining)
        async with self._database.reading() as connection:
            user = await find_user(connection, attempt.username)
        matches = await self._passwords.matches(password, user.password_hash if user else None)
        if user is None or not matches or not await self._accept(attempt, code):
            self._log_refusal("sign-in failed", attempt.address)
            raise AuthenticationError
        return user

    async def _accept(self, attempt: Attempt, code: str | None) -> bool:
        async with self._database.writing() as connection:
            if code is not None and not await self._is_right(connection, attempt.username, code):
                return False
            await self._attempts.succeed(connection, attempt, self._clock())
        return True

    async def _is_right(self, connection: AsyncConnection, username: str, code: str) -> bool:
        """Whether the code is right; any is, if the user has no second factor."""
        factor = await find_second_factor(connection, username)
        if factor is None or factor.confirmed_time is None:
            return True
        if self._totp_key is None:
            _log.error(
                "second factor cannot be checked; set PURPOSEWATCH_REPORTER_TOTP_KEY",
                username=username,
            )
            return False
        return await use_code(connection, self._totp_key, factor, code, self._clock())

    def _log_refusal(self, event: str, address: str) -> None:
        suppressed = self._limiter.admit(address, time.monotonic())
        if suppressed is not None:
            _log.warning(event, address=address, suppressed=suppressed)
