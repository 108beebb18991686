"""Identities: of an event, of its place in Kafka, and whether an id was used before."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from purposewatch_reporter.booking.read import ReadVerdict, Stated
from purposewatch_reporter.store.event_ids import HASH_SIZE, FirstUse
from purposewatch_shared.verdict import Position
from purposewatch_shared.wire.verdict import WirePosition

Use: TypeAlias = tuple[bytes, FirstUse, ReadVerdict]
"""An id's hash, what uses it, and the verdict that says so."""


def id_hash(verdict: Stated) -> bytes:
    """128 bits for an event's id, which is unique within its source."""
    name = f"{verdict.event_source}\0{verdict.event_id}".encode()
    return hashlib.blake2b(name, digest_size=HASH_SIZE).digest()


def place_id(position: Position | WirePosition, page: int = 0) -> str:
    """128 bits in hex for a place in Kafka: the same however often the books are written.

    The page keeps the places of a recreated topic apart from those before.
    """
    name = f"{position.topic}\0{position.partition}\0{position.offset}"
    if page:
        name += f"\0{page}"
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


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


def uses_of(verdicts: Iterable[ReadVerdict]) -> list[Use]:
    """What each verdict uses of which id, in order."""
    return [(id_hash(read.verdict), _use(read.verdict), read) for read in verdicts]


def candidates(uses: Iterable[Use]) -> dict[bytes, FirstUse]:
    """The first use of every id within the batch."""
    first: dict[bytes, FirstUse] = {}
    for name, use, _ in uses:
        first.setdefault(name, use)
    return first


def identify(uses: Iterable[Use], earlier: Mapping[bytes, FirstUse]) -> Identified:
    """Tell the first use of an id from repeats, given the uses booked before this batch."""
    first = dict(earlier)
    new, duplicates, conflicts = [], [], []
    for name, use, read in uses:
        booked = first.setdefault(name, use)
        if booked is use:
            new.append(read)
        elif booked.content_digest == use.content_digest:
            duplicates.append(read)
        else:
            conflicts.append(Conflict(read, booked))
    return Identified(tuple(new), tuple(duplicates), tuple(conflicts))


def _use(verdict: Stated) -> FirstUse:
    position = verdict.position
    return FirstUse(bytes.fromhex(verdict.content_digest), position.partition, position.offset)
