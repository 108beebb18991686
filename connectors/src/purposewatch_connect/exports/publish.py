"""Publishes what exported files say, and returns once all of it is in the spool."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from purposewatch_connect.connector import Connector, SpoolOf
from purposewatch_connect.exports.files import content_of, files_of
from purposewatch_connect.exports.reading import Reader, Reading, UnreadableFileError
from purposewatch_connect.exports.settings import ExportSettings
from purposewatch_connect.pipeline import Input, Pipeline, Published, SpoolError
from purposewatch_connect.spool import ClientSpool
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.retry import Backoff, retry

_BATCH = 100
_AGGREGATED_BATCH = 1_000
"""Records among which identical accesses become one event, if they do at all."""
_BACKOFF = Backoff(first_seconds=0.5, last_seconds=15.0)

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of some files."""

    records: int
    accesses: int
    gaps: Counter[str]
    """How many, by their kind and name."""
    faults: tuple[str, ...]
    """What is wrong with files that could not be read, in whole or from some record on."""


async def publish_files(
    name: str,
    reader: Reader,
    paths: Iterable[Path],
    settings: ExportSettings,
    spool_of: SpoolOf = ClientSpool.of,
) -> Summary:
    """Publish what the files say. While the spool is full, it waits.

    Raises `InvalidSourceError` when the mapping or the vocabulary is faulty. A file that can't be
    read is a fault of the summary, and the others are read.
    """
    connector = Connector(name, settings, spool_of, window=settings.aggregation_window)
    run = _Run(connector.pipeline, reader, settings.connect_export_max_bytes)
    await connector.spool.start()
    try:
        return await run.publish(paths)
    finally:
        await connector.spool.stop()


class _Run:
    """One pass over some files."""

    def __init__(self, pipeline: Pipeline, reader: Reader, max_bytes: int) -> None:
        self._pipeline = pipeline
        self._reader = reader
        self._max_bytes = max_bytes
        self._batch = _AGGREGATED_BATCH if pipeline.window else _BATCH
        self._records = 0
        self._accesses = 0
        self._gaps: Counter[str] = Counter()

    async def publish(self, paths: Iterable[Path]) -> Summary:
        faults = []
        for path in files_of(paths):
            try:
                await self._publish(await asyncio.to_thread(self._content, path))
            except OSError as error:
                faults.append(f"{path}: {error.strerror}")
            except UnreadableFileError as error:
                faults.append(f"{path}: {error}")
        return Summary(self._records, self._accesses, self._gaps, tuple(faults))

    def _content(self, path: Path) -> bytes:
        return content_of(path, max_bytes=self._max_bytes)

    async def _publish(self, content: bytes) -> None:
        batch: list[Reading] = []
        for reading in self._reader(content):
            batch.append(reading)
            if len(batch) == self._batch:
                await self._append(batch)
                batch = []
        await self._append(batch)

    async def _append(self, batch: list[Reading]) -> None:
        """Put a batch in the spool; what was put there before a failure has the same ids again."""
        inputs = [Input(each.observations, each.gaps) for each in batch]

        async def attempt() -> list[Published]:
            return await asyncio.to_thread(self._pipeline.publish, inputs)

        published = await retry(attempt, backoff=_BACKOFF, on=SpoolError, on_failure=_report)
        read = sum(bool(each.observations) for each in batch)
        unreadable = sum(not each.observations and bool(each.gaps) for each in batch)
        self._pipeline.count_records(read, "read")
        self._pipeline.count_records(unreadable, "unreadable")
        self._pipeline.count_records(len(batch) - read - unreadable, "ignored")
        self._records += len(batch)
        for each in published:
            self._accesses += each.accesses
            self._gaps.update(f"{gap.kind} {gap.name}" for gap in each.gaps)


def _report(error: BaseException, pause: float) -> None:
    _log.warning("waiting", error=type(error).__name__, retry_seconds=round(pause, 3))
