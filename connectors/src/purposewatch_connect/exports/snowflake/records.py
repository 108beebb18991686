"""Rows of `ACCESS_HISTORY` become observations."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b

from purposewatch_connect.documents import text_of, time_of
from purposewatch_connect.exports.reading import IGNORED, Reading
from purposewatch_connect.exports.snowflake.objects import Use, uses_of
from purposewatch_connect.exports.snowflake.rows import (
    DEFINED,
    ID,
    MODIFIED,
    READ,
    READ_DIRECTLY,
    Row,
    rows_of,
)
from purposewatch_connect.mapping import GapKind, Observation, Terms, make_gap
from purposewatch_connect.named import named

_OFFSET = re.compile(r"\s+(?=Z|[+-]\d\d:?\d\d$)")


def read_snowflake(content: bytes) -> Iterator[Reading]:
    """Return what each row of an export says. Raises `UnreadableFileError`."""
    digest = blake2b(content, digest_size=16).hexdigest()
    for number, row in enumerate(rows_of(content)):
        yield _read(row, f"snowflake/{digest}/{number}")


def _read(row: Row | None, position: str) -> Reading:
    """Return what one row says; `position` identifies it if it has no id."""
    if row is None:
        return _unreadable(position)
    query, time = text_of(row, ID), _time_of(text_of(row, "QUERY_START_TIME").strip())
    has_objects = any(isinstance(row.get(name), list) for name in (READ, READ_DIRECTLY, MODIFIED))
    if not query or time is None or not (has_objects or isinstance(row.get(DEFINED), dict)):
        return _unreadable(f"snowflake/{query}" if query else position)
    services, purpose = _named(row)
    observations = tuple(
        Observation(
            identity=f"snowflake/{query}/{use.action}/{_identity(use)}",
            time=time,
            action=use.action,
            services=services,
            dataset=use.name,
            columns=columns,
            attributes=_attributes(row),
            terms=Terms(purpose=purpose),
            label=use.label,
        )
        for use, columns in uses_of(row).items()
    )
    return Reading(observations) if observations else IGNORED


def _time_of(text: str) -> datetime | None:
    """Return a time in one of Snowflake's formats with an offset: as in ISO 8601, or in e-mails."""
    time = time_of(_OFFSET.sub("", text))
    if time is not None:
        return time
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _identity(use: Use) -> str:
    """Return what identifies an object: its name, unless that can hold personal data."""
    if not use.is_file:
        return use.name
    return blake2b(use.name.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _unreadable(identity: str) -> Reading:
    gap = make_gap(
        GapKind.UNREADABLE_RECORD, "snowflake", identity=identity, time=datetime.now(UTC)
    )
    return Reading(gaps=(gap,))


def _named(row: Row) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the acting service, and the purpose if the query's tag states one."""
    tag = named(text_of(row, "QUERY_TAG"))
    names = (tag[1] if tag else "", text_of(row, "ROLE_NAME"), text_of(row, "USER_NAME"))
    return tuple(filter(None, names)), tag[2] if tag else None


def _attributes(row: Row) -> dict[str, str]:
    """Return what rules can refer to."""
    stated = {
        "snowflake.query_tag": text_of(row, "QUERY_TAG"),
        "snowflake.role": text_of(row, "ROLE_NAME"),
        "snowflake.user": text_of(row, "USER_NAME"),
        "snowflake.warehouse": text_of(row, "WAREHOUSE_NAME"),
    }
    return {name: value for name, value in stated.items() if value}
