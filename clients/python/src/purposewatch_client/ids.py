"""Event ids."""

import os
from collections.abc import Callable
from random import Random

__all__ = ["IdGenerator"]

_RANDOM_BITS = 72


class IdGenerator:
    """Makes UUIDs of version 7: a time in milliseconds, then 72 random bits.

    INVARIANT: two processes never draw from the same state. A forked child seeds anew, also if it
    was forked by C code that tells Python nothing: the process id is compared at each call.
    """

    def __init__(self) -> None:
        self._drawn = self._seeded()

    def __call__(self, now_ns: int) -> str:
        """A new id for an event of this time."""
        pid, draw = self._drawn
        if pid != os.getpid():
            self._drawn = pid, draw = self._seeded()
        moment = f"{now_ns // 1_000_000:012x}"
        chance = f"{draw(_RANDOM_BITS):018x}"
        return f"{moment[:8]}-{moment[8:]}-7{chance[:3]}-8{chance[3:6]}-{chance[6:]}"

    @staticmethod
    def _seeded() -> tuple[int, Callable[[int], int]]:
        return os.getpid(), Random(os.urandom(32)).getrandbits  # noqa: S311 - ids are no secrets
