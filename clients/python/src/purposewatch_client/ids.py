"""Event ids."""

import os
from collections.abc import Callable
from random import Random

__all__ = ["IdGenerator"]

_RANDOM_BITS = 74
_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_LOW = (1 << 62) - 1


class IdGenerator:
    """Makes UUIDs of version 7: a time in milliseconds, then 74 random bits.

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
        bits = draw(_RANDOM_BITS)
        number = (
            ((now_ns // 1_000_000) << 80)
            | _VERSION_7
            | ((bits >> 62) << 64)
            | _VARIANT
            | (bits & _LOW)
        )
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    @staticmethod
    def _seeded() -> tuple[int, Callable[[int], int]]:
        return os.getpid(), Random(os.urandom(32)).getrandbits  # noqa: S311 - ids are no secrets
