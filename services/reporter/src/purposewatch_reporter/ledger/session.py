"""The accounts of the events topic that a batch touches, and which page each event belongs to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol, Self

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_reporter.epochs.digests import canonical_digest, event_digest, record_digest
from purposewatch_reporter.epochs.lookup import Claim, Known
from purposewatch_reporter.ledger.fingerprint import Mark
from purposewatch_reporter.ledger.offsets import TooManyIntervalsError
from purposewatch_reporter.ledger.partition import PartitionLedger
from purposewatch_reporter.ledger.read import ReadVerdict, SetAside
from purposewatch_reporter.store.ledgers import lock_ledgers, lock_old_pages, save_ledgers
from purposewatch_runtime.kafka import StopConsumingError

DOUBT = timedelta(minutes=15)
"""How far the clocks of different machines may be apart, with room."""


class VerdictsBehindError(Exception):
    """Dead letters are too far ahead of the verdicts; they must be tried again later."""


class Page(Protocol):
    """What there is to know about a page to see whether something belongs to it."""

    page: int
    opened_time: datetime | None


def in_doubt(account: Page, time: datetime) -> bool:
    """Whether what happened at that time may belong to the page before."""
    return account.opened_time is not None and time < account.opened_time + DOUBT


def claim_of_event(read: ReadVerdict) -> Claim:
    """That the event which the verdict is about stands where the verdict says."""
    said = read.verdict
    digest = event_digest(said.event_source, said.event_id, said.accepted_time)
    return Claim(said.topic, said.partition, said.offset, digest, canonical_digest)


def claim_of_letter(letter: SetAside) -> Claim | None:
    """That the record which the dead letter keeps stands where the letter says.

    `None` for a letter that keeps none, because it was too large or can't be decoded. Such a
    letter is taken to be about the log as it is.
    """
    if letter.digest is None:
        return None
    origin = letter.origin
    return Claim(origin.topic, origin.partition, origin.offset, letter.digest, record_digest)


class Accounts:
    """Locked accounts: the current page of each partition, and the one before where it is needed.

    INVARIANT: what is about another record than the log holds now is booked on the page before.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        topic: str,
        current: dict[int, PartitionLedger],
        known: Known | None,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._known = known
        self.current = current
        self._before: dict[int, PartitionLedger] = {}

    @classmethod
    async def lock(
        cls,
        connection: AsyncConnection,
        topic: str,
        partitions: Iterable[int],
        known: Known | None,
    ) -> Self:
        """The accounts of these partitions. Without `known` Kafka is never asked."""
        current = await lock_ledgers(connection, topic, sorted(set(partitions)))
        return cls(connection, topic, current, known)

    async def save(self) -> None:
        """Store them."""
        both = [*self.current.items(), *self._before.items()]
        await save_ledgers(self._connection, self._topic, both)

    def of(self, item: ReadVerdict) -> PartitionLedger:
        """The account that a verdict is booked in."""
        return self._of(item.verdict.partition, item.page)

    async def sort_verdicts(self, items: Sequence[ReadVerdict]) -> Sequence[ReadVerdict]:
        """The verdicts, each with its page."""
        if not any(account.page for account in self.current.values()):
            return items
        claims = {
            id(item): claim_of_event(item)
            for item in items
            if in_doubt(self.current[item.verdict.partition], item.verdict.accepted_time)
        }
        pages = await self._pages(claims)
        return [
            msgspec.structs.replace(
                item,
                page=pages.get(id(item), self.current[item.verdict.partition].page),
            )
            for item in items
        ]

    async def sort_letters(self, letters: Sequence[SetAside]) -> Sequence[SetAside]:
        """The dead letters about events, each with its page."""
        if not any(account.page for account in self.current.values()):
            return letters
        claims = {
            id(item): claim
            for item in letters
            if in_doubt(
                self.current[item.origin.partition], min(item.record_time, item.failed_time)
            )
            and (claim := claim_of_letter(item)) is not None
        }
        pages = await self._pages(claims)
        return [
            replace(item, page=pages.get(id(item), self.current[item.origin.partition].page))
            for item in letters
        ]

    async def _pages(self, claims: Mapping[int, Claim]) -> dict[int, int]:
        """The page of each item in doubt that is not about the current one."""
        if self._known is None:
            return {}
        self._known.require_claims(claims.values())
        old = {
            name: claim.partition for name, claim in claims.items() if not self._known.claims[claim]
        }
        pages = {partition: self.current[partition].page - 1 for partition in old.values()}
        self._before |= await lock_old_pages(self._connection, self._topic, pages.items())
        return {name: pages[partition] for name, partition in old.items()}

    def book_verdicts(self, items: Sequence[ReadVerdict]) -> Sequence[ReadVerdict]:
        """Account for events by verdicts; those that are not repeats."""
        news: list[ReadVerdict] = []
        suspects: set[int] = set()
        first: dict[int, ReadVerdict] = {}
        last: dict[int, ReadVerdict] = {}
        for run in _runs(items):
            verdict = run[0].verdict
            partition = verdict.partition
            account = self._of(partition, run[0].page)
            if verdict.offset < account.base:
                suspects.add(partition)
            booked = run
            if not account.book_verdicts(verdict.offset, len(run)):
                booked = _book_singly(account, run)
                if len(booked) < len(run) and account.closed_time is None:
                    suspects.add(partition)
            news += booked
            if booked and account.closed_time is None:
                first.setdefault(partition, booked[0])
                last[partition] = booked[-1]
        if self._known is not None:  # a repeat, unless the log is another one
            self._known.require_recognised((self._topic, partition) for partition in suspects)
        for partition, latest in last.items():
            self._move_marks(self.current[partition], first[partition], latest)
        return news

    def _move_marks(
        self, account: PartitionLedger, first: ReadVerdict, latest: ReadVerdict
    ) -> None:
        for item in (first, latest) if account.marks.first is None else (latest,):
            claim = claim_of_event(item)
            account.mark(Mark(claim.offset, claim.digest))

    def book_letters(self, letters: Iterable[SetAside]) -> list[SetAside]:
        """Account for events by dead letters; those that are not repeats."""
        news: list[SetAside] = []
        for item in letters:
            account = self._of(item.origin.partition, item.page)
            try:
                booked = account.book_dead_letter(item.origin.offset)
            except TooManyIntervalsError as error:
                message = (
                    f"partition {item.origin.partition} of the events topic: {error} with a dead "
                    "letter; waiting for the verdicts between them"
                )
                raise VerdictsBehindError(message) from error
            if booked:
                news.append(item)
        return news

    def _of(self, partition: int, page: int) -> PartitionLedger:
        account = self.current[partition]
        return account if account.page == page else self._before[partition]


def _runs(items: Sequence[ReadVerdict]) -> Iterator[Sequence[ReadVerdict]]:
    """The verdicts in pieces: of one page, about one event after the other."""
    start = 0
    partition = page = expected = -1
    for number, item in enumerate(items):
        verdict = item.verdict
        offset = verdict.offset
        if offset != expected or verdict.partition != partition or item.page != page:
            if number > start:
                yield items[start:number]
            start, partition, page = number, verdict.partition, item.page
        expected = offset + 1
    if items:
        yield items[start:]


def _book_singly(account: PartitionLedger, run: Sequence[ReadVerdict]) -> list[ReadVerdict]:
    try:
        return [item for item in run if account.book_verdict(item.verdict.offset)]
    except TooManyIntervalsError as error:
        message = (
            f"partition {run[0].verdict.partition} of the events topic: {error} with a verdict; "
            "compare the auditor's output with the events before restarting"
        )
        raise StopConsumingError(message) from error
