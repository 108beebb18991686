"""The position of this service in the topics that it reads, as a pure state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from purposewatch_reporter.ledger.fingerprint import (
    LogFingerprint,
    RecordFingerprint,
    whole_digest,
)
from purposewatch_reporter.ledger.lookups import LogFacts
from purposewatch_runtime.kafka import Record


class SkippedRecordsError(Exception):
    """The consumer handed over records beyond the ledger's position in that partition."""


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """The next offset to read of a partition, and the log epoch that it belongs to."""

    next_offset: int = 0
    log_epoch: int = 0
    fingerprint: LogFingerprint = field(default_factory=LogFingerprint)

    def after(self, first: Record, last: Record) -> "ReadPosition":
        """The position after a batch; never before this one."""
        if last.offset < self.next_offset:
            return self
        fingerprint = self.fingerprint
        for record in (last,) if fingerprint.first else (first, last):
            digest = whole_digest(record.timestamp, record.key, record.value)
            fingerprint = fingerprint.moved_to(RecordFingerprint(record.offset, digest))
        return ReadPosition(last.offset + 1, self.log_epoch, fingerprint)


def advance(
    before: Mapping[int, ReadPosition],
    records: Sequence[Record],
    facts: LogFacts,
    *,
    is_compacted: bool = False,
) -> dict[int, ReadPosition]:
    """The positions after a batch of one topic, by partition.

    A batch that begins before a position is a repeat, or comes from another log: that asks for the
    log to be recognised. Raises `SkippedRecordsError` when it begins after a position although
    Kafka still holds some of what lies between.
    """
    topic = records[0].topic
    first = {record.partition: record for record in reversed(records)}
    last = {record.partition: record for record in records}
    for partition, record in first.items():
        offset, expected = record.offset, before[partition].next_offset
        if offset < expected:
            facts.require_recognised([(topic, partition)])
        elif offset > expected:
            start = (
                facts.first_from((topic, partition), expected)
                if is_compacted
                else facts.start_of((topic, partition))
            )
            if start is not None and offset > start:
                message = (
                    f"partition {partition} of `{topic}` continues at {offset}, the ledger at "
                    f"{expected}; the consumer returns to the ledger's position"
                )
                raise SkippedRecordsError(message)
    return {
        partition: before[partition].after(first[partition], record)
        for partition, record in last.items()
    }
