"""Bounds how often the same line is logged."""

__all__ = ["LogLimiter"]

_SECONDS = 60.0
_MAX_KEYS = 256


class LogLimiter:
    """Admits a line of one kind once a minute, and counts those in between."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[float, int]] = {}

    def admit(self, kind: str, now: float) -> int | None:
        """How many lines of this kind were suppressed since the last one; None to suppress it."""
        since, suppressed = self._kinds.get(kind, (-_SECONDS, 0))
        if now - since < _SECONDS:
            self._kinds[kind] = (since, suppressed + 1)
            return None
        if len(self._kinds) >= _MAX_KEYS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        return suppressed
