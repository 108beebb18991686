"""Tell whether a log is the one that the books are about, and turn the page when it is not."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from purposewatch_reporter.alerts.notices import NoticeKind, raise_notice
from purposewatch_reporter.epochs.digests import canonical_digest, record_digest, submitted_digest
from purposewatch_reporter.epochs.lookup import Claim, InquiryError, Known
from purposewatch_reporter.findings.severity import Severity
from purposewatch_reporter.ledger.fingerprint import Mark, Marks
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.raw import RawLedger
from purposewatch_reporter.store.engine import Database
from purposewatch_reporter.store.epochs import (
    EpochNote,
    Turn,
    begin_reading_anew,
    note_epoch,
    start_epoch,
    start_raw_epoch,
)
from purposewatch_reporter.store.ledgers import load_ledgers
from purposewatch_reporter.store.positions import load_places
from purposewatch_reporter.store.raw_ledgers import load_raw_pages
from purposewatch_runtime.kafka import Record
from purposewatch_runtime.logs import get_logger

SURE_AFTER = timedelta(seconds=20)
"""A new leader may show a shorter log for a moment, until its followers have caught up."""

_log = get_logger(__name__)


class Reason(StrEnum):
    """Why a page was opened."""

    REWRITTEN = "rewritten"
    """Other records stand where the books have read or booked some."""
    SHORT = "short"
    """The log ends before what the books have seen of it."""


def page_key(topic: str, partition: int) -> str:
    """The key of the notice that a page was opened."""
    return f"page/{topic}/{partition}"


class NotSureYetError(Exception):
    """The log looks shorter than it was; that must last before it is believed."""


class Log(Protocol):
    """A look at the logs: see `LogReader`."""

    async def spans(self, topic: str, partitions: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """The lowest offset of each partition, and one above the highest."""

    async def read(
        self, topic: str, partition: int, offsets: Collection[int]
    ) -> Mapping[int, Record]:
        """The records at offsets within the span."""


@dataclass(frozen=True, slots=True)
class BookTopics:
    """Full names of the topics that the books rest on."""

    raw: str
    events: str
    verdicts: str
    dead_letters: str

    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return (self.raw, self.events, self.verdicts, self.dead_letters)


@dataclass(frozen=True, slots=True)
class _Remembered:
    page: int
    marks: Marks
    end: int


def _of_account(account: PartitionLedger | RawLedger) -> _Remembered:
    return _Remembered(account.page, account.marks, account.end)


class EpochDetector:
    """Compares logs with what is remembered of them.

    INVARIANT: a page is turned only when Kafka shows other records than those booked, or fewer for
    a while. A repeat, however late, turns none: what it repeats still stands in its place.
    """

    def __init__(
        self, database: Database, log: Log, topics: BookTopics, *, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._log = log
        self._topics = topics
        self._clock = clock
        self._short_since: dict[tuple[str, int], datetime] = {}

    async def check(self, topic: str, partitions: Collection[int]) -> set[int]:
        """Turn the page where that is due; the partitions for which it can't be said yet."""
        remembered = await self._remembered(topic, partitions)
        spans = await self._log.spans(topic, list(remembered)) if remembered else {}
        unsure = set()
        for partition, known in remembered.items():
            start, end = spans[partition]
            try:
                reason = await self._unlike(topic, partition, known, start, end)
            except NotSureYetError as error:
                _log.warning("a log looks too short", topic=topic, detail=str(error))
                unsure.add(partition)
            else:
                if reason is not None:
                    await self._turn(topic, partition, known, reason, base=start)
        return unsure

    async def answer(self, inquiry: InquiryError, known: Known) -> None:
        """Find out what booking has to know; raises when Kafka can't say it now."""
        by_topic: dict[str, list[int]] = {}
        for topic, partition in sorted(inquiry.suspects):
            by_topic.setdefault(topic, []).append(partition)
        for topic, partitions in by_topic.items():
            if unsure := await self.check(topic, partitions):
                message = f"partitions {sorted(unsure)} of `{topic}` look shorter than they were"
                raise NotSureYetError(message)
        known.recognised |= inquiry.suspects
        by_partition: dict[tuple[str, int], list[Claim]] = {}
        for claim in inquiry.claims:
            by_partition.setdefault((claim.topic, claim.partition), []).append(claim)
        for (topic, partition), claims in sorted(by_partition.items()):
            start, end = (await self._log.spans(topic, [partition]))[partition]
            offsets = {claim.offset for claim in claims if start <= claim.offset < end}
            records = await self._log.read(topic, partition, offsets) if offsets else {}
            for claim in claims:
                record = records.get(claim.offset)
                known.claims[claim] = record is not None and claim.holds_for(record)

    async def _remembered(self, topic: str, partitions: Collection[int]) -> dict[int, _Remembered]:
        async with self._database.reading() as connection:
            if topic == self._topics.events:
                accounts = await load_ledgers(connection, topic)
                return {n: _of_account(accounts[n]) for n in partitions if n in accounts}
            if topic == self._topics.raw:
                pages = await load_raw_pages(connection, topic)
                return {n: _of_account(pages[n][-1]) for n in partitions if n in pages}
            places = await load_places(connection, topic, list(partitions))
            return {
                partition: _Remembered(place.page, place.marks, place.next_offset)
                for partition, place in places.items()
            }

    async def _unlike(
        self, topic: str, partition: int, remembered: _Remembered, start: int, end: int
    ) -> Reason | None:
        marks = [mark for mark in remembered.marks.both() if start <= mark.offset < end]
        records = (
            await self._log.read(topic, partition, {mark.offset for mark in marks}) if marks else {}
        )
        if any(self._differs(topic, mark, records.get(mark.offset)) for mark in marks):
            return Reason.REWRITTEN
        if end >= remembered.end:
            self._short_since.pop((topic, partition), None)
            return None
        now = self._clock()
        since = self._short_since.setdefault((topic, partition), now)
        if now - since < SURE_AFTER:
            message = (
                f"partition {partition} of `{topic}` ends at {end}, the books know of "
                f"{remembered.end}; a new page is opened when that lasts"
            )
            raise NotSureYetError(message)
        return Reason.SHORT

    def _differs(self, topic: str, mark: Mark, record: Record | None) -> bool:
        if record is None:
            return False
        if topic == self._topics.events:
            digest = canonical_digest(record)
        elif topic == self._topics.raw:
            digest = submitted_digest(record)
        else:
            digest = record_digest(record)
        return digest is not None and digest != mark.digest  # what can't be read proves nothing

    async def _turn(
        self, topic: str, partition: int, old: _Remembered, reason: Reason, *, base: int
    ) -> bool:
        turn = Turn(topic, partition, old.page, base, self._clock())
        note = EpochNote(topic, partition, old.page + 1, turn.now, reason)
        async with self._database.writing() as connection:
            if topic == self._topics.events:
                turned = await start_epoch(connection, turn)
            elif topic == self._topics.raw:
                turned = await start_raw_epoch(connection, turn)
            else:
                turned = await begin_reading_anew(connection, turn)
            if turned:
                await note_epoch(connection, note)
                await raise_notice(
                    connection,
                    kind=NoticeKind.BOOKS,
                    key=page_key(topic, partition),
                    summary=(
                        f"Partition {partition} of `{topic}` is not the log that the books were "
                        f"about ({reason}): page {note.page} is opened. Look at what the page "
                        "before lacks, and see docs/recovering.md."
                    ),
                    severity=Severity.CRITICAL,
                    now=turn.now,
                )
        self._short_since.pop((topic, partition), None)
        if turned:
            _log.critical(
                "a log is not the one that the books are about: a new page is opened",
                topic=topic,
                partition=partition,
                page=note.page,
                reason=str(reason),
            )
        return turned
