"""Moments as policies and cases write them: RFC 3339, always with a zone."""

import re
from datetime import UTC, datetime

_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_ZONED = re.compile(_DATE_TIME + r"([Zz]|[+-][0-9]{2}:[0-9]{2})")
_UNZONED = re.compile(_DATE_TIME)


def parse_instant(text: str) -> datetime:
    """Return the moment in its own zone. Raises `ValueError` that says what to write."""
    if _UNZONED.fullmatch(text):
        message = f"`{text}` lacks a time zone; append `Z` or an offset such as `+08:00`"
        raise ValueError(message)
    message = f"`{text}` is no moment; write one such as `2018-05-25T00:00:00+08:00`"
    if not _ZONED.fullmatch(text):
        raise ValueError(message)
    try:
        moment = datetime.fromisoformat(text.upper())
        moment.astimezone(UTC)  # at the ends of the calendar there is no such moment in UTC
    except (ValueError, OverflowError) as error:
        raise ValueError(message) from error
    return moment
