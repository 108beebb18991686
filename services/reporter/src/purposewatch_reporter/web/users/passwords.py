"""Passwords: made, hashed with Argon2id and compared, always at the same cost."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from purposewatch_reporter.web.users.guessable import is_guessable

MIN_LENGTH = 12
MAX_LENGTH = 128
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that is easily misread
_GROUPS = 5
_GROUP_LENGTH = 5
_AT_ONCE = 2


def generate() -> str:
    """A random password of more than 120 bits."""
    return typeable(_GROUPS)


def typeable(groups: int) -> str:
    """Random characters in groups that can be typed; each group has 24 bits."""
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(groups)
    )


class Passwords:
    """Hashes and compares; each costs tens of megabytes, so only two run at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()  # Argon2id, the parameters of RFC 9106
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._nobodys: str | None = None

    async def hashed(self, password: str) -> str:
        """The hash to store."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fault_of(self, password: str, username: str) -> str | None:
        """Why a user can't have this password: the key of a text."""
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            return "length"
        if username in password.lower():
            return "name"
        async with self._slots:
            guessable = await asyncio.to_thread(is_guessable, password, username)
        return "common" if guessable else None

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one.

        Without a stored one it takes as long: the answer must not tell which accounts exist.
        """
        if len(password) > MAX_LENGTH:
            password = password[:MAX_LENGTH] + "…"  # longer than any that could have been set
        if self._nobodys is None:
            self._nobodys = await self.hashed(generate())
        async with self._slots:
            verified = await asyncio.to_thread(self._verify, stored or self._nobodys, password)
        return verified and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
