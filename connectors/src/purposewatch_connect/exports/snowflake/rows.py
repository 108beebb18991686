"""The rows in an exported file, whichever tool wrote it."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from purposewatch_connect.exports.reading import UnreadableFileError

Row = Mapping[str, Any]
READ = "BASE_OBJECTS_ACCESSED"
READ_DIRECTLY = "DIRECT_OBJECTS_ACCESSED"
MODIFIED = "OBJECTS_MODIFIED"
DEFINED = "OBJECT_MODIFIED_BY_DDL"
ID = "QUERY_ID"

_PARSED = (READ, READ_DIRECTLY, MODIFIED, DEFINED)
"""Columns that hold JSON."""
_NULLS = frozenset({"", r"\N", "NULL"})
"""What stands for null in CSV: by default, `COPY INTO` writes a backslash and N."""
_PARQUET = b"PAR1"


def rows_of(content: bytes) -> Iterator[Row | None]:
    """Return the rows by column, in upper case; `None` for one that can't be read.

    They are JSON on lines, a JSON array, or CSV with a header. Results of other statements before
    them are passed over, as the CLI prints every result. Raises `UnreadableFileError`.
    """
    if content.startswith(_PARQUET):
        message = "the file is Parquet; export JSON or CSV"
        raise UnreadableFileError(message)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "the file is not in UTF-8"
        raise UnreadableFileError(message) from None
    match text.lstrip()[:1]:
        case "{":
            return (_from_line(line) for line in text.split("\n") if line.strip())
        case "[":
            return _from_array(text)
        case _:
            return _from_csv(text)


def _from_line(line: str) -> Row | None:
    try:
        return _row(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _from_array(text: str) -> Iterator[Row | None]:
    """Return the rows of an array, or of the arrays in it that are results of this view."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        message = "the file is not JSON"
        raise UnreadableFileError(message) from None
    results = document if document and isinstance(document[0], list) else [document]
    rows = [[_row(each) for each in result] for result in results if isinstance(result, list)]
    found = [result for result in rows if any(row and ID in row for row in result)]
    if not found and any(rows):
        raise _not_of_this_view()
    return (row for result in found for row in result)


def _from_csv(text: str) -> Iterator[Row | None]:
    csv.field_size_limit(sys.maxsize)  # a row's arrays are long; the file is bounded
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for values in rows:
            names = [value.strip().upper() for value in values]
            if ID in names:
                header = names
            elif header and values:
                stated = ("" if value in _NULLS else value for value in values)
                is_whole = len(values) == len(header)
                yield _row(dict(zip(header, stated, strict=True))) if is_whole else None
    except csv.Error:
        message = f"line {rows.line_num} is not CSV; what follows is not read"
        raise UnreadableFileError(message) from None
    if not header:
        raise _not_of_this_view()


def _row(stated: object) -> Row | None:
    """Return a row whose arrays are parsed, which exports may have as text."""
    if not isinstance(stated, Mapping):
        return None
    row = {name.upper(): value for name, value in stated.items()}
    for name in _PARSED:
        if isinstance(row.get(name), str):
            try:
                row[name] = json.loads(row[name] or "[]")
            except (ValueError, RecursionError):
                return None
    return row


def _not_of_this_view() -> UnreadableFileError:
    return UnreadableFileError(f"the file is neither JSON nor CSV with a column `{ID}`")
