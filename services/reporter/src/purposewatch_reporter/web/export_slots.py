"""How many exports may run at once: a pure count, by session and in the process."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Taken(StrEnum):
    """Why no further export may begin; each has a text below `error`."""

    SESSION = "exports_session"
    PROCESS = "exports_process"


class NoExportSlotError(Exception):
    """As many exports run as may; try again later."""

    def __init__(self, taken: Taken) -> None:
        super().__init__(str(taken))
        self.taken = taken


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How many exports may run at once, and for how long."""

    process: int
    session: int
    longest: timedelta


class ExportSlots:
    """The exports that run now."""

    def __init__(self, limits: ExportLimits) -> None:
        self.limits = limits
        self._running: Counter[str] = Counter()

    def take(self, session: str) -> None:
        """Begin an export; raises `NoExportSlotError`. Whoever takes a slot releases it once."""
        if self._running[session] >= self.limits.session:
            raise NoExportSlotError(Taken.SESSION)
        if self._running.total() >= self.limits.process:
            raise NoExportSlotError(Taken.PROCESS)
        self._running[session] += 1

    def release(self, session: str) -> None:
        """End an export."""
        self._running[session] -= 1
        self._running += Counter()  # drops the sessions without any
