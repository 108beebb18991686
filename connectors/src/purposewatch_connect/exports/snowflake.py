"""Exports of Snowflake's view `ACCESS_HISTORY`: rows become observations."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b

from purposewatch_connect.documents import Document, objects_of, text_of, time_of
from purposewatch_connect.exports.reading import IGNORED, Reading, UnreadableFileError
from purposewatch_connect.mapping import Action, GapKind, Observation, Terms, make_gap
from purposewatch_connect.named import named

_CODE = frozenset({"function", "procedure"})
"""Domains of objects that hold no data."""
_ERASING = frozenset({"DELETE", "TRUNCATE_TABLE", "TRUNCATE"})
_ARRAYS = ("BASE_OBJECTS_ACCESSED", "DIRECT_OBJECTS_ACCESSED", "OBJECTS_MODIFIED")
_OFFSET = re.compile(r"\s+(?=Z|[+-]\d\d:?\d\d$)")

Row = Mapping[str, object]


def read_snowflake(content: bytes) -> Iterator[Reading]:
    """Return what each row of an export says. Raises `UnreadableFileError`."""
    digest = blake2b(content, digest_size=16).hexdigest()
    for number, row in enumerate(_rows(content)):
        yield _read(row, f"snowflake/{digest}/{number}")


def _rows(content: bytes) -> Iterator[Row | None]:
    """Return the rows by column, in upper case; `None` for one that can't be read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "the file is not in UTF-8"
        raise UnreadableFileError(message) from None
    if text.lstrip().startswith("{"):
        yield from (_json_row(line) for line in text.split("\n") if line.strip())
        return
    csv.field_size_limit(sys.maxsize)  # a row's arrays are long; the file is bounded
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().upper() for name in next(rows, [])]
        if "QUERY_ID" not in header:
            message = "the file is neither JSON lines nor CSV with a column `QUERY_ID`"
            raise UnreadableFileError(message)
        for values in rows:
            yield _csv_row(header, values)
    except csv.Error:
        message = f"line {rows.line_num} is not CSV; what follows is not read"
        raise UnreadableFileError(message) from None


def _json_row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    return _with_arrays({name.upper(): value for name, value in row.items()})


def _csv_row(header: list[str], values: list[str]) -> Row | None:
    if len(header) != len(values):
        return None
    return _with_arrays(dict(zip(header, values, strict=True)))


def _with_arrays(row: dict[str, object]) -> Row | None:
    """Parse the arrays that the export has as text."""
    for name in _ARRAYS:
        value = row.get(name)
        if not isinstance(value, str):
            continue
        try:
            row[name] = json.loads(value) if value else []
        except (ValueError, RecursionError):
            return None
    return row


def _read(row: Row | None, position: str) -> Reading:
    """Return what one row says; `position` identifies it if it has no id."""
    if row is None:
        return _unreadable(position)
    query = text_of(row, "QUERY_ID")
    time = time_of(_OFFSET.sub("", text_of(row, "QUERY_START_TIME").strip()))
    if not query or time is None or not any(isinstance(row.get(name), list) for name in _ARRAYS):
        return _unreadable(f"snowflake/{query}" if query else position)
    services, purpose = _named(row)
    observations = tuple(
        Observation(
            identity=f"snowflake/{query}/{action}/{dataset}",
            time=time,
            action=action,
            services=services,
            dataset=dataset,
            columns=columns,
            attributes=_attributes(row),
            terms=Terms(purpose=purpose),
        )
        for (action, dataset), columns in _uses(row).items()
    )
    return Reading(observations) if observations else IGNORED


def _unreadable(identity: str) -> Reading:
    gap = make_gap(
        GapKind.UNREADABLE_RECORD, "snowflake", identity=identity, time=datetime.now(UTC)
    )
    return Reading(gaps=(gap,))


def _uses(row: Row) -> dict[tuple[Action, str], tuple[str, ...] | None]:
    """Return the columns that were used, by what was done with which object.

    The base objects are the tables behind views; a row that lacks them names what the query did.
    """
    found: dict[tuple[Action, str], tuple[str, ...] | None] = {}
    read = objects_of(row, _ARRAYS[0]) or objects_of(row, _ARRAYS[1])
    for each in read:
        _add(found, Action.READ, each, _columns(each))
    is_erased = text_of(row, "QUERY_TYPE").upper() in _ERASING
    for each in objects_of(row, _ARRAYS[2]):
        if is_erased:
            _add(found, Action.DELETE, each, None)
        else:
            _add(found, Action.WRITE, each, _columns(each) or None)
    return found


def _add(
    found: dict[tuple[Action, str], tuple[str, ...] | None],
    action: Action,
    accessed: Document,
    columns: tuple[str, ...] | None,
) -> None:
    """Add an object; one that is listed twice is one use of the columns of both."""
    name = text_of(accessed, "objectName").replace('"', "")
    if not name or text_of(accessed, "objectDomain").casefold() in _CODE:
        return
    before = found.get((action, name), ())
    merged = None if before is None or columns is None else dict.fromkeys((*before, *columns))
    found[action, name] = None if merged is None else tuple(merged)


def _columns(accessed: Document) -> tuple[str, ...] | None:
    """Return the columns; `None` if the object has none of its own, as a stage."""
    if not isinstance(accessed.get("columns"), list):
        return None
    names = (text_of(each, "columnName") for each in objects_of(accessed, "columns"))
    return tuple(filter(None, names))


def _named(row: Row) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the acting service, and the purpose if the query's tag states one."""
    tag = named(text_of(row, "QUERY_TAG"))
    names = (tag[1] if tag else "", text_of(row, "ROLE_NAME"), text_of(row, "USER_NAME"))
    return tuple(filter(None, names)), tag[2] if tag else None


def _attributes(row: Row) -> dict[str, str]:
    stated = {
        "snowflake.query_tag": text_of(row, "QUERY_TAG"),
        "snowflake.role": text_of(row, "ROLE_NAME"),
        "snowflake.user": text_of(row, "USER_NAME"),
        "snowflake.warehouse": text_of(row, "WAREHOUSE_NAME"),
    }
    return {name: value for name, value in stated.items() if value}
