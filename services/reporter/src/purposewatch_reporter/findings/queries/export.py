"""A filter's violations as a file, written while it is sent."""

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from purposewatch_reporter.findings.export_trail import Format
from purposewatch_reporter.findings.queries.filters import Filters
from purposewatch_reporter.findings.queries.finding_page import matching_findings
from purposewatch_reporter.findings.queries.matching import Matching
from purposewatch_reporter.findings.queries.rows import Row, load_rows
from purposewatch_reporter.parameters import Key  # noqa: TC001
from purposewatch_reporter.store.engine import Transactions
from purposewatch_reporter.store.tables import findings

COLUMNS = (
    "id",
    "event_time",
    "recorded_time",
    "controller",
    "publisher",
    "role",
    "operation",
    "categories",
    "purpose",
    "recipient",
    "outcome",
    "kind",
    "severity",
    "status",
    "assignee",
    "policy_version",
    "statement",
    "clause",
    "grade",
    "subject",
    "event_id",
    "event_source",
    "summary",
    "topic",
    "partition",
    "event_offset",
    "accesses",
)

BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets misread everything but ASCII
_CHUNK = 100
_WALK_CHUNK = 200
_PAUSE = 1.0
"""How long an export pauses for each second that it works: the ledger is written meanwhile."""
_WORTH_WALKING = 0.05
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet interprets as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _values(row: Row) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in COLUMNS}
    for name, value in values.items():
        if isinstance(value, datetime):
            values[name] = value.isoformat()
    return {**values, "categories": list(row.categories)}


def csv_lines(rows: Sequence[Row]) -> str:
    """The rows as CSV, several categories separated by spaces."""
    lines = []
    for row in rows:
        values = _values(row)
        values["categories"] = " ".join(values["categories"])
        lines.append([safe_cell(values[name]) for name in COLUMNS])
    return _csv(lines)


def csv_incomplete(reason: str, rows: int) -> str:
    """The last line of a CSV file that was cut off after so many rows."""
    return _csv([[f"incomplete: {reason} after {rows} rows", *[""] * (len(COLUMNS) - 1)]])


def _csv(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def json_lines(rows: Sequence[Row]) -> str:
    """The rows as JSON Lines."""
    return "".join(f"{json.dumps(_values(row), ensure_ascii=False)}\n" for row in rows)


def json_incomplete(reason: str, rows: int) -> str:
    """The last line of a JSON Lines file that was cut off after so many rows."""
    return f"{json.dumps({'incomplete': True, 'reason': reason, 'rows': rows})}\n"


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How violations are written into a file."""

    name: Format
    media_type: str
    head: str
    lines: Callable[[Sequence[Row]], str]
    incomplete: Callable[[str, int], str]
    """The last line of a file that was cut off, from the reason and the number of rows."""


CSV = FileFormat(
    Format.CSV,
    "text/csv; charset=utf-8",
    f"{BYTE_ORDER_MARK}{','.join(COLUMNS)}\r\n",
    csv_lines,
    csv_incomplete,
)
JSON_LINES = FileFormat(
    Format.JSON_LINES, "application/jsonl; charset=utf-8", "", json_lines, json_incomplete
)


async def exported(database: Transactions, filters: Filters) -> AsyncIterator[Sequence[Row]]:
    """Every violation that matches, newest first, some at a time, in short transactions.

    Between them it leaves the event loop and the database to others.

    Violations recorded meanwhile are included if they sort behind the position reached.
    """
    walk = await _is_worth_walking(database, filters)
    matching = Matching(filters, walk=walk)
    after: Key | None = None
    while True:
        started = time.monotonic()
        async with database.reading() as connection:
            taken = await matching.take(connection, after, _WALK_CHUNK if walk else _CHUNK)
            rows = await load_rows(connection, [key.id for key in taken.keys])
        if rows:
            yield rows
        if taken.resume is None:
            return
        after = taken.resume
        await asyncio.sleep(_PAUSE * (time.monotonic() - started))


async def _is_worth_walking(database: Transactions, filters: Filters) -> bool:
    """Whether so many match that reading all is faster than merging findings."""
    async with database.reading() as connection:
        total = (await connection.execute(select(func.sum(findings.c.count)))).scalar()
        counted = matching_findings(filters).subquery()
        wanted = (await connection.execute(select(func.sum(counted.c.count)))).scalar()
    return float(wanted or 0) >= _WORTH_WALKING * float(total or 1)
