"""What a request may hold: the types of its texts, times, ids and cursors.

Every parameter of the API and of the page goes through one of these types, whether it stands in the
query, the path, the body, a form or a cookie. What passes can be stored by either database and
compared with what is stored, and written into an answer.
"""

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)

ID_PATTERN = "^[0-9a-f]{32}$"
"""The ids of rows."""


def check_text(text: str) -> str:
    """Return the text; ValueError when PostgreSQL can't store it or UTF-8 can't encode it."""
    if "\0" in text:
        message = "must not contain NUL characters"
        raise ValueError(message)
    if not is_encodable(text):
        message = "must not contain unpaired surrogates"
        raise ValueError(message)
    return text


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can encode the text: JSON can write half of a surrogate pair, UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_id(text: str) -> bool:
    """Whether it can be the id of a row."""
    return re.fullmatch(ID_PATTERN, text) is not None


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        message = f"`{time.isoformat()}` is outside the years 1 to 9999 in UTC"
        raise ValueError(message) from None


def _read_rfc_3339(value: Any) -> Any:
    """An RFC 3339 time with zone; ValueError says what is missing."""
    if not isinstance(value, str):
        return value
    text = check_text(value).upper()
    if re.search(r"\d \d\d:\d\d$", text):
        message = f"`{value}` has a space before its zone; send `+` as `%2B` in a URL"
        raise ValueError(message)
    if not _RFC_3339.fullmatch(text):
        message = f"`{value}` is not an RFC 3339 time with zone, such as 2026-03-02T08:15:00Z"
        raise ValueError(message)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = f"`{value}` is not a time that exists; check the day and the hour"
        raise ValueError(message) from None


def _read_form_time(value: Any) -> Any:
    """A date or a time as a browser's form writes it; without a zone it is UTC."""
    if not isinstance(value, str):
        return value
    text = check_text(value)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        message = f"`{text}` is not a time; write one such as 2026-03-02T08:15"
        raise ValueError(message) from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


StorableText = Annotated[
    str, AfterValidator(check_text), Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})
]
"""Any text that the databases can store."""

Id = Annotated[str, Field(pattern=ID_PATTERN)]
"""The id of a row."""

Time = Annotated[datetime, BeforeValidator(_read_rfc_3339), AfterValidator(_in_utc)]
"""A time of the API: RFC 3339 with zone."""

FormTime = Annotated[datetime, BeforeValidator(_read_form_time), AfterValidator(_in_utc)]
"""A time of the page: a date or a time, in UTC unless it has a zone."""


class Key(NamedTuple):
    """A row's place in the order of time."""

    time: datetime
    id: str


def write_cursor(place: Any) -> str:
    """A place in a list, as it stands in an address."""
    text = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_cursor(cursor: str) -> Any:
    """The place that was written; ValueError for what `write_cursor` did not write."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        message = "not a cursor"
        raise ValueError(message) from None


def key_parts(key: Key) -> list[str]:
    """A key as a part of a cursor."""
    return [key.time.isoformat(), key.id]


def read_key(parts: Any) -> Key:
    """The key that `key_parts` made; ValueError for anything else."""
    match parts:
        case [str() as time, str() as name]:
            moment = datetime.fromisoformat(time)
            if moment.tzinfo is not None:
                return Key(_in_utc(moment), check_text(name))
    message = "not a row's place"
    raise ValueError(message)
