"""Times as options take them."""

import re
from datetime import UTC, datetime, timedelta

_RELATIVE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time(text: str, now: datetime) -> datetime:
    """A time like `2026-03-02T08:15:00Z`, or as long ago as `90m`; raises `ValueError`."""
    relative = _RELATIVE.fullmatch(text)
    if relative is not None:
        return now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        message = (
            f"`{text}` is not a time; write `2026-03-02T08:15:00Z` with its zone, or `90d` for days"
        )
        raise ValueError(message)
    return time.astimezone(UTC)
