"""The trail of exports: who took what out of the database, when, and how it ended.

INVARIANT: the trail is append-only, and an export is in it before its first row is sent. Its end is
a row of its own, missing while it runs and when the process was killed.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.store.tables import export_ends, exports

PAGE_EXPORTS = 50


class Format(StrEnum):
    """What kind of file; the ending of its name."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    JSON = "json"
    HTML = "html"
    WORD = "docx"


class End(StrEnum):
    """How an export ended; all but the first mean that it was cut off."""

    FINISHED = "finished"
    CLIENT = "client"
    DATABASE = "database"
    TIME = "time"
    STOPPED = "stopped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Export:
    """An export as the trail shows it; without an end, it runs or its process was killed."""

    id: str
    author: str
    format: Format
    filters: Mapping[str, str]
    started_time: datetime
    end: End | None
    rows: int | None
    ended_time: datetime | None


async def append_start(
    connection: AsyncConnection,
    author: str,
    file_format: Format,
    filters: Mapping[str, str],
    now: datetime,
) -> str:
    """Append that an export starts; returns its id."""
    name = uuid.uuid4().hex
    await connection.execute(
        insert(exports).values(
            id=name,
            author=author,
            format=str(file_format),
            filters=json.dumps(filters, ensure_ascii=False),
            started_time=now,
        )
    )
    return name


async def append_end(
    connection: AsyncConnection, name: str, end: End, rows: int, now: datetime
) -> None:
    """Append how an export ended, after how many rows."""
    await connection.execute(
        insert(export_ends).values(export_id=name, outcome=str(end), row_count=rows, ended_time=now)
    )


async def read_exports(connection: AsyncConnection, page: int) -> tuple[Sequence[Export], bool]:
    """A page of the trail, the latest first; and whether there are earlier ones."""
    query = (
        select(exports, export_ends.c.outcome, export_ends.c.row_count, export_ends.c.ended_time)
        .outerjoin(export_ends, export_ends.c.export_id == exports.c.id)
        .order_by(exports.c.started_time.desc(), exports.c.id)
        .limit(PAGE_EXPORTS + 1)
        .offset((page - 1) * PAGE_EXPORTS)
    )
    found = [_export(row) for row in await connection.execute(query)]
    return found[:PAGE_EXPORTS], len(found) > PAGE_EXPORTS


def _export(row: Any) -> Export:
    return Export(
        id=row.id,
        author=row.author,
        format=Format(row.format),
        filters=json.loads(row.filters),
        started_time=row.started_time,
        end=None if row.outcome is None else End(row.outcome),
        rows=row.row_count,
        ended_time=row.ended_time,
    )
