"""The response that carries an export, and records in the trail how it ended."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from purposewatch_reporter.findings.export_trail import End, append_end
from purposewatch_reporter.findings.queries.export import FileFormat
from purposewatch_reporter.findings.queries.rows import Row
from purposewatch_reporter.web.app import WebApp
from purposewatch_runtime.logs import get_logger

_STALLED_SECONDS = 60.0
_REASONS = {
    End.DATABASE: "the database did not respond",
    End.TIME: "the time limit was reached",
    End.STOPPED: "the reporter stopped",
    End.ERROR: "an error occurred",
}
"""What the last line of a file says; whoever has closed the connection reads no line."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunningExport:
    """An export that is in the trail and holds a slot of its session."""

    id: str
    session: str
    file: FileFormat


class ExportResponse(StreamingResponse):
    """Sends the rows as they are read, and holds a slot for as long as that takes.

    INVARIANT: a file that was cut off says so in its last line, and the response does not end, so
    that a client of HTTP/1.1 sees that it is truncated.
    """

    def __init__(
        self,
        app: WebApp,
        export: RunningExport,
        parts: AsyncIterator[Sequence[Row]],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(self._text(parts), media_type=export.file.media_type, headers=headers)
        self._app = app
        self._export = export
        self._rows = 0
        self._end = End.CLIENT

    async def _text(self, parts: AsyncIterator[Sequence[Row]]) -> AsyncIterator[str]:
        yield self._export.file.head
        try:
            async for rows in parts:
                yield self._export.file.lines(rows)
                self._rows += len(rows)
        except (SQLAlchemyError, OSError):
            self._end = End.DATABASE
            raise
        except Exception:
            self._end = End.ERROR
            raise
        self._end = End.FINISHED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or as much of it as possible."""
        try:
            async with asyncio.timeout(self._app.exports.limits.longest.total_seconds()) as limit:
                await super().__call__(scope, receive, _unless_stalled(send))
        except asyncio.CancelledError:
            self._end = End.STOPPED
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the file must say so
            if limit.expired():
                self._end = End.TIME
            _log.warning("export cut off", id=self._export.id, error=type(error).__name__)
        finally:
            self._app.exports.release(self._export.session)
            await self._say_why(_unless_stalled(send))
            await self._record()

    async def _say_why(self, send: Send) -> None:
        if self._end in _REASONS:
            line = self._export.file.incomplete(_REASONS[self._end], self._rows)
            try:
                await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
            except OSError:  # the client does not read any more
                self._end = End.CLIENT

    async def _record(self) -> None:
        _log.info("export ended", id=self._export.id, end=str(self._end), rows=self._rows)
        try:
            async with self._app.database.writing() as connection:
                await append_end(
                    connection, self._export.id, self._end, self._rows, self._app.clock()
                )
        except (SQLAlchemyError, OSError) as error:
            _log.warning(
                "end of export not recorded", id=self._export.id, error=type(error).__name__
            )


def _unless_stalled(send: Send) -> Send:
    """Fail when the client does not read what it asked for: it would keep others waiting."""

    async def send_soon(message: Message) -> None:
        async with asyncio.timeout(_STALLED_SECONDS):
            await send(message)

    return send_soon
