"""How long to wait before trying again. Pure: chance is passed in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double up to a limit, each between half and the whole of its length.

    The random part keeps several senders from coming back at the same moment.
    """

    first_seconds: float
    last_seconds: float

    def pause(self, failures: int, chance: float) -> float:
        """Seconds to wait after that many failures in a row (1 or more); chance is in [0, 1)."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 60)
        return min(doubled, self.last_seconds) * (0.5 + chance / 2)
