"""Event ids."""

import itertools
import os
import secrets
import time

__all__ = ["IdGenerator"]


class IdGenerator:
    """Makes ids of a time, 64 random bits and a count: `01a22329cf23-5f8f2ab280fcd4b4-31`.

    Time and random bits are drawn once for each process, so an id costs little. INVARIANT: no two
    processes count with the same ones. A forked child draws others, also if it was forked by C code
    that tells Python nothing: the process id is compared at each call.
    """

    def __init__(self) -> None:
        self._drawn = self._draw()

    def __call__(self) -> str:
        """A new id."""
        pid, prefix, count = self._drawn
        if pid != os.getpid():
            self._drawn = pid, prefix, count = self._draw()
        return f"{prefix}{next(count)}"

    @staticmethod
    def _draw() -> tuple[int, str, "itertools.count[int]"]:
        prefix = f"{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(8)}-"
        return os.getpid(), prefix, itertools.count(1)
