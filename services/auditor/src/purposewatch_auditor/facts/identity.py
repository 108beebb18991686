"""Tells whether a log is the one that the state was made from. No I/O.

Kafka gives a topic that was deleted and created again the same name and the same offsets. What was
applied at a few offsets tells both apart. A record that is missing proves nothing, because the
topic is compacted; another record in its place does.
"""

import hashlib
from collections.abc import Mapping
from enum import Enum

from purposewatch_auditor.facts.state import Position, Sample
from purposewatch_runtime.kafka import Record

_KEPT = 8


class Finding(Enum):
    """What the comparison of a position with the log has shown."""

    SAME = "same"
    REPLACED = "replaced"
    """The log is another one, or lost its end."""
    STALE = "stale"
    """Tombstones may have been removed that were never applied."""


def sample_of(record: Record) -> Sample:
    """What to remember of a record that is applied."""
    digest = hashlib.blake2b(record.key or b"", digest_size=8).hexdigest()
    return Sample(record.offset, digest, record.timestamp)


def with_sample(samples: tuple[Sample, ...], added: Sample) -> tuple[Sample, ...]:
    """The samples to keep: the first, the last, and between them fewer the older they are."""
    kept = (*samples, added)
    if len(kept) <= _KEPT:
        return kept
    spans = [
        (after.offset - before.offset) / (added.offset - each.offset + 1)
        for before, each, after in zip(kept, kept[1:], kept[2:], strict=False)
    ]
    drop = spans.index(min(spans)) + 1
    return (*kept[:drop], *kept[drop + 1 :])


def compare(  # noqa: PLR0913 - what there is to compare
    position: Position,
    *,
    begins: int,
    ends: int,
    found: Mapping[int, Record],
    now: float,
    retention_seconds: float,
) -> Finding:
    """Whether the state at a position can be continued from the log that begins and ends there.

    `found` holds records at offsets of the samples. When the log has none of them, nothing is
    proved, and to restore the state is the safe way.
    """
    if position.offset > ends or position.offset < begins:
        return Finding.REPLACED
    same = [
        sample_of(record) == sample
        for sample in position.samples
        if (record := found.get(sample.offset)) is not None
    ]
    if not all(same) or (position.samples and not same):
        return Finding.REPLACED
    if position.offset < ends and now - position.current_at > retention_seconds:
        return Finding.STALE
    return Finding.SAME
