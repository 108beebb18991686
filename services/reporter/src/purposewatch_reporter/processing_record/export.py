"""Records as files, each of which leaves a trail."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from purposewatch_reporter.findings.export_trail import End, Format, append_end, append_start
from purposewatch_reporter.processing_record.as_csv import as_csv
from purposewatch_reporter.processing_record.as_html import as_html, html_policy
from purposewatch_reporter.processing_record.as_json import as_json
from purposewatch_reporter.processing_record.as_word import as_word
from purposewatch_reporter.processing_record.document import RecordDocument
from purposewatch_reporter.processing_record.reader import RecordReader
from purposewatch_reporter.store.engine import Transactions
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)


RECORD = "record"
"""The filter of the trail that names the controller whose record was exported."""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """How a record is written into a file."""

    name: Format
    media_type: str
    write: Callable[[RecordDocument], str | bytes]


def _json(document: RecordDocument) -> str:
    return as_json(document).model_dump_json()


RECORD_FILES: Mapping[Format, RecordFile] = {
    each.name: each
    for each in (
        RecordFile(Format.JSON, "application/json", _json),
        RecordFile(Format.CSV, "text/csv; charset=utf-8", as_csv),
        RecordFile(Format.HTML, "text/html; charset=utf-8", as_html),
        RecordFile(
            Format.WORD,
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            as_word,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose record was asked for, of which time, in which language."""

    controller: str
    language: str
    since: datetime | None = None
    until: datetime | None = None

    def filters(self) -> dict[str, str]:
        """Return what the trail says of it."""
        times = {"since": self.since, "until": self.until}
        return {
            RECORD: self.controller,
            **{name: time.isoformat() for name, time in times.items() if time is not None},
        }


class RecordExports:
    """Makes files of records, and keeps the trail of them."""

    def __init__(
        self, reader: RecordReader, database: Transactions, clock: Callable[[], datetime]
    ) -> None:
        self._reader = reader
        self._database = database
        self._clock = clock

    async def respond(
        self, asked: Asked, file: RecordFile, author: str, *, is_attached: bool = True
    ) -> Response:
        """Return the response with the file, which the trail has by then.

        Raises what `RecordReader.read` raises.
        """
        content, rows = await self._reader.read(
            asked.controller,
            asked.language,
            lambda document: (file.write(document), len(document.sheets)),
            since=asked.since,
            until=asked.until,
        )
        now = self._clock()
        async with self._database.writing() as connection:
            name = await append_start(connection, author, file.name, asked.filters(), now)
        _log.info("export started", id=name, username=author, format=str(file.name))
        headers = {"Cache-Control": "no-store"}
        if file.name is Format.HTML:
            headers["Content-Security-Policy"] = html_policy()
        if is_attached:
            filename = f"record-{asked.controller}-{now:%Y%m%d-%H%M%S}.{file.name}"
            headers["Content-Disposition"] = f'attachment; filename="{filename}"'

        async def ended(end: End) -> None:
            async with self._database.writing() as connection:
                await append_end(connection, name, end, rows, self._clock())

        return _TrailedResponse(content, file.media_type, headers, ended)


class _TrailedResponse(Response):
    """Says how its sending ended."""

    def __init__(
        self,
        content: str | bytes,
        media_type: str,
        headers: Mapping[str, str],
        ended: Callable[[End], Awaitable[None]],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, to a client that may have left."""
        end = End.CLIENT
        try:
            with suppress(OSError):
                await super().__call__(scope, receive, send)
                end = End.FINISHED
        finally:
            await self._ended(end)
