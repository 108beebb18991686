"""Identities: of an event, of its position in Kafka, and whether an id was used before."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from purposewatch_contract import Position
from purposewatch_contract.codec import DecodedVerdict
from purposewatch_reporter.ledger.read import ReadVerdict
from purposewatch_reporter.store.event_ids import FirstUse, Uses, id_hash


def position_id(position: Position | DecodedVerdict, log_epoch: int = 0) -> str:
    """128 bits in hex for a position in Kafka: the same whenever the ledger is rebuilt.

    The log epoch distinguishes the positions of a recreated topic from the earlier ones.
    """
    name = f"{position.topic}\0{position.partition}\0{position.offset}"
    if log_epoch:
        name += f"\0{log_epoch}"
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A verdict about an event whose id was used before with other content."""

    read: ReadVerdict
    first: FirstUse


@dataclass(frozen=True, slots=True)
class Identified:
    """A batch's verdicts, grouped by the use of their events' ids."""

    new: Sequence[ReadVerdict]
    duplicates: Sequence[ReadVerdict]
    conflicts: Sequence[Conflict]


def uses_of(verdicts: Sequence[ReadVerdict]) -> Uses:
    """What each verdict uses of which id, in order."""
    stated = [read.verdict for read in verdicts]
    return Uses(
        names=[id_hash(one.event_source, one.event_id) for one in stated],
        digests=bytes.fromhex("".join([one.content_digest for one in stated])),
        positions=[(one.partition, one.offset) for one in stated],
    )


def identify(
    verdicts: Sequence[ReadVerdict], uses: Uses, earlier: Mapping[bytes, FirstUse] | None
) -> Identified:
    """Distinguish the first use of an id from repeats, given what `record_ids` returned."""
    if earlier is None:
        return Identified(verdicts, (), ())
    first = dict(earlier)
    new, duplicates, conflicts = [], [], []
    for read, name, use in zip(verdicts, uses.names, uses.each(), strict=True):
        recorded = first.setdefault(name, use)
        if recorded is use:
            new.append(read)
        elif recorded.content_digest == use.content_digest:
            duplicates.append(read)
        else:
            conflicts.append(Conflict(read, recorded))
    return Identified(new, duplicates, conflicts)
