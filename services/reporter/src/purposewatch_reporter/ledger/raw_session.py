"""Book which records of the raw topic came through the gate, by what came of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from purposewatch_contract import Position
from purposewatch_reporter.epochs.digests import raw_digest, submitted_digest
from purposewatch_reporter.epochs.lookup import Claim, Known
from purposewatch_reporter.ledger.fingerprint import Mark
from purposewatch_reporter.ledger.raw import RawLedger, chunks_of
from purposewatch_reporter.ledger.read import ReadVerdict, SetAside
from purposewatch_reporter.ledger.session import claim_of_letter, in_doubt
from purposewatch_reporter.store.raw_ledgers import (
    load_chunks,
    load_raw_page,
    lock_raw_pages,
    save_raw_pages,
)


@dataclass(slots=True)
class _Booking:
    """What is to be booked of one page of one partition."""

    account: RawLedger
    accepted: list[tuple[int, str]] = field(default_factory=list)
    """Offsets, and the ids of their events."""
    dead_letters: list[int] = field(default_factory=list)

    def add(self, one: "_Outcome") -> None:
        """Book one outcome, later."""
        if one.event_id is None:
            self.dead_letters.append(one.offset)
        else:
            self.accepted.append((one.offset, one.event_id))

    def chunks(self) -> set[int]:
        """The chunks that it needs."""
        return chunks_of(
            [offset for offset, _ in self.accepted] + [*self.dead_letters, self.account.settled]
        )

    def book(self) -> int:
        """Book them now; how many events came of a record that had come before."""
        self.account.book_dead_letters(self.dead_letters)
        repeated = self.account.book_accepted(offset for offset, _ in self.accepted)
        if self.accepted:
            for offset, event_id in sorted({min(self.accepted), max(self.accepted)}):
                self.account.mark(Mark(offset, raw_digest(event_id)))
        self.account.settle()
        return repeated


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one raw record, and how to see which page that is about."""

    partition: int
    offset: int
    event_id: str | None
    """Of an accepted event; `None` for a dead letter."""
    claim: Claim | None


class RawLedgerSession:
    """Books a batch's origins in the accounts of the raw topic's partitions.

    A record counts as booked whichever comes first: the verdict of its canonical event, the dead
    letter that the gate made of it, or the one that the auditor made of its canonical event. What
    else comes with the same origin is a repeat: the gate crashed between sending and committing.
    """

    def __init__(self, topic: str) -> None:
        """`topic` is the raw topic's full name; with an empty one nothing is booked."""
        self.topic = topic
        self._prefix = f"{topic}/"

    async def book(
        self,
        connection: AsyncConnection,
        verdicts: Iterable[ReadVerdict],
        letters: Iterable[SetAside],
        known: Known | None,
    ) -> dict[int, int]:
        """Book what these news say about raw records; events that came by HTTP say nothing.

        Returns the page of every dead letter (by `id`) of a raw record that is not on page 0.
        """
        raw = [item for item in verdicts if item.verdict.origin.startswith(self._prefix)]
        aside = [(item.raw_origin, item) for item in letters if item.raw_origin is not None]
        if not raw and not aside:
            return {}
        places = [_place(item.verdict.origin) for item in raw]
        partitions = {partition for partition, _ in places}
        partitions |= {origin.partition for origin, _ in aside}
        current = await lock_raw_pages(connection, self.topic, sorted(partitions))
        outcomes = [
            _Outcome(*place, item.verdict.event_id, self._doubt_verdict(item, place, current))
            for item, place in zip(raw, places, strict=True)
        ]
        outcomes += [
            _Outcome(
                origin.partition, origin.offset, None, self._doubt_letter(item, origin, current)
            )
            for origin, item in aside
        ]
        if known is not None:
            known.require_claims(one.claim for one in outcomes if one.claim is not None)
        pages = [_page(one, current, known) for one in outcomes]
        bookings = await self._sorted(connection, current, outcomes, pages)
        await self._write(connection, bookings, known)
        letter_pages = zip(aside, pages[len(raw) :], strict=True)
        return {id(item): page for (_, item), page in letter_pages if page}

    async def _sorted(
        self,
        connection: AsyncConnection,
        current: Mapping[int, RawLedger],
        outcomes: Iterable[_Outcome],
        pages: Iterable[int],
    ) -> dict[tuple[int, int], _Booking]:
        bookings: dict[tuple[int, int], _Booking] = {}
        for one, page in zip(outcomes, pages, strict=True):
            account = current.get(one.partition)
            if account is None:
                continue  # Kafka has no such partition, so nobody waits for its records
            booking = bookings.get((one.partition, page))
            if booking is None:
                found: RawLedger | None = account
                if page != account.page:
                    found = await load_raw_page(connection, self.topic, one.partition, page)
                if found is None:
                    continue
                booking = bookings[one.partition, page] = _Booking(found)
            booking.add(one)
        return bookings

    async def _write(
        self,
        connection: AsyncConnection,
        bookings: Mapping[tuple[int, int], _Booking],
        known: Known | None,
    ) -> None:
        await load_chunks(
            connection,
            self.topic,
            [(partition, one.account, one.chunks()) for (partition, _), one in bookings.items()],
        )
        suspects = {
            (self.topic, partition)
            for (partition, _), one in bookings.items()
            if one.book() and one.account.closed_time is None
        }
        if known is not None:
            known.require_recognised(suspects)
        accounts = [
            (partition, one.account)
            for (partition, _), one in sorted(bookings.items(), key=lambda item: item[0])
        ]
        await save_raw_pages(connection, self.topic, accounts)

    def _doubt_verdict(
        self, item: ReadVerdict, place: tuple[int, int], current: Mapping[int, RawLedger]
    ) -> Claim | None:
        account = current.get(place[0])
        if account is None or not account.page or not in_doubt(account, item.verdict.accepted_time):
            return None
        return Claim(self.topic, *place, raw_digest(item.verdict.event_id), submitted_digest)

    def _doubt_letter(
        self, item: SetAside, origin: Position, current: Mapping[int, RawLedger]
    ) -> Claim | None:
        account = current.get(origin.partition)
        if account is None or not account.page or not in_doubt(account, item.failed_time):
            return None
        # of a canonical event that was set aside, only the place of its raw record is known
        return claim_of_letter(item) if item.origin == origin else None


def _place(origin: str) -> tuple[int, int]:
    _, partition, offset = origin.rsplit("/", 2)
    return int(partition), int(offset)


def _page(one: _Outcome, current: Mapping[int, RawLedger], known: Known | None) -> int:
    account = current.get(one.partition)
    if account is None:
        return 0
    is_old = one.claim is not None and known is not None and not known.claims[one.claim]
    return account.page - is_old
