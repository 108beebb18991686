"""Identities: of an event, of its place in Kafka, and whether an id was used before."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from purposewatch_reporter.booking.read import ReadVerdict
from purposewatch_reporter.store.event_ids import FirstUse
from purposewatch_shared.verdict import Position, Verdict


def id_hash(verdict: Verdict) -> bytes:
    """128 bits for an event's id, which is unique within its source."""
    name = f"{verdict.event_source}\0{verdict.event_id}".encode()
    return hashlib.blake2b(name, digest_size=16).digest()


def place_id(position: Position) -> str:
    """128 bits in hex for a place in Kafka: the same however often the books are written."""
    name = f"{position.topic}\0{position.partition}\0{position.offset}".encode()
    return hashlib.blake2b(name, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A verdict about an event whose id was used before with other content."""

    read: ReadVerdict
    first: FirstUse


@dataclass(frozen=True, slots=True)
class Identified:
    """A batch's verdicts, told apart by the use of their events' ids."""

    new: tuple[ReadVerdict, ...]
    duplicates: tuple[ReadVerdict, ...]
    conflicts: tuple[Conflict, ...]


def candidates(verdicts: Iterable[ReadVerdict]) -> dict[bytes, FirstUse]:
    """The first use of every id within the batch."""
    uses: dict[bytes, FirstUse] = {}
    for read in verdicts:
        uses.setdefault(id_hash(read.verdict), _use(read.verdict))
    return uses


def identify(verdicts: Iterable[ReadVerdict], earlier: Mapping[bytes, FirstUse]) -> Identified:
    """Tell the first use of an id from repeats, given the uses booked before this batch."""
    first = dict(earlier)
    new, duplicates, conflicts = [], [], []
    for read in verdicts:
        name = id_hash(read.verdict)
        use = _use(read.verdict)
        booked = first.setdefault(name, use)
        if booked is use:
            new.append(read)
        elif booked.content_digest == use.content_digest:
            duplicates.append(read)
        else:
            conflicts.append(Conflict(read, booked))
    return Identified(tuple(new), tuple(duplicates), tuple(conflicts))


def _use(verdict: Verdict) -> FirstUse:
    return FirstUse(
        bytes.fromhex(verdict.content_digest), verdict.position.partition, verdict.position.offset
    )
