"""Publishes the entries of a log, one batch after the other."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime

from purposewatch_connect.mapping import GapKind, make_gap
from purposewatch_connect.pgaudit.audit import AuditReader, Database
from purposewatch_connect.pgaudit.databases import Databases
from purposewatch_connect.pgaudit.entries import LogEntry, UnreadableEntryError
from purposewatch_connect.pgaudit.follow import Batch, LogFollower
from purposewatch_connect.pipeline import Input, Pipeline
from purposewatch_runtime import metrics as m
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry
from purposewatch_runtime.service import Check

_POLL_SECONDS = 0.25
_BACKOFF = Backoff(first_seconds=0.5, last_seconds=15.0)

_log = get_logger(__name__)


class PgauditComponent:
    """Reads, publishes and remembers its position, in that order, until it is stopped."""

    name = "log follower"

    def __init__(
        self,
        follower: LogFollower,
        reader: AuditReader,
        databases: Databases,
        pipeline: Pipeline,
        metric_set: m.MetricSet,
    ) -> None:
        """Read once in the pipeline's window, so that what is identical is read together."""
        window = pipeline.window
        self._pause = max(_POLL_SECONDS, window.total_seconds() if window else 0.0)
        self._follower = follower
        self._reader = reader
        self._databases = databases
        self._pipeline = pipeline
        self._unread = metric_set.gauge(m.CONNECT_UNREAD_BYTES).labels("pgaudit")
        self._task: asyncio.Task[None] | None = None
        self._fault = ""

    async def start(self) -> None:
        """Begin to follow the log."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish; what was not remembered is read again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> Check:
        """Whether the log is being followed."""
        return Check(ok=not self._fault, detail=self._fault or "following the log")

    async def _run(self) -> None:
        while True:
            more = await retry(self._step, backoff=_BACKOFF, on_failure=self._report)
            self._fault = ""
            if not more:
                await asyncio.sleep(self._pause)

    def _report(self, error: BaseException, pause: float) -> None:
        # An operating system's error names a file, a database's may quote: show only its kind.
        detail = str(error) if isinstance(error, OSError) else ""
        self._fault = f"waiting ({type(error).__name__})"
        _log.warning(
            "waiting", error=type(error).__name__, detail=detail, retry_seconds=round(pause, 3)
        )

    async def _step(self) -> bool:
        """Publish what is new; whether there is more."""
        batch = await asyncio.to_thread(self._follower.poll)
        if batch is None:
            return False
        entries = self._read(batch)
        names = sorted({entry.database for entry in entries})
        databases = {name: await self._databases.of(name) for name in names}
        await asyncio.to_thread(self._publish, entries, databases)
        await asyncio.to_thread(self._follower.commit, batch)
        self._unread.set(batch.unread)
        return batch.unread > 0

    def _read(self, batch: Batch) -> list[LogEntry]:
        """The entries of pgaudit; one that can't be read is a gap."""
        entries = []
        unreadable = batch.skipped
        for text in batch.entries:
            try:
                entry = self._follower.format.read(text)
            except UnreadableEntryError:
                unreadable += 1
                continue
            if entry is not None:
                entries.append(entry)
        position = batch.position
        gaps = [
            make_gap(
                GapKind.UNREADABLE_RECORD,
                "postgresql",
                identity=f"pgaudit/{position.inode}/{position.offset}/{number}",
                time=datetime.now(UTC),
            )
            for number in range(unreadable)
        ]
        self._pipeline.publish([Input((), gaps)])
        self._pipeline.count_records(unreadable, "unreadable")
        self._pipeline.count_records(
            len(batch.entries) + batch.skipped - unreadable - len(entries), "ignored"
        )
        return entries

    def _publish(self, entries: list[LogEntry], databases: Mapping[str, Database]) -> None:
        inputs = [Input(*self._reader.read(each, databases[each.database])) for each in entries]
        self._pipeline.publish(inputs)
        read = sum(bool(observations or gaps) for observations, gaps in inputs)
        self._pipeline.count_records(read, "read")
        self._pipeline.count_records(len(entries) - read, "ignored")
