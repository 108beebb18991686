"""The facts about the logs that the writer needs to assign a batch to a log epoch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from purposewatch_runtime.kafka import Record

TopicPartition: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """A record that the log must hold at a position if something belongs to its current epoch."""

    topic: str
    partition: int
    offset: int
    digest: bytes
    digest_of: Callable[[Record], bytes | None]

    def matches(self, record: Record) -> bool:
        """Whether this is the expected record."""
        return self.digest_of(record) == self.digest

    def differs(self, record: Record) -> bool:
        """Whether this is another record; one that can't be read proves nothing."""
        digest = self.digest_of(record)
        return digest is not None and digest != self.digest


@dataclass(slots=True)
class LookUps:
    """Look-ups that a plan needs and that nobody has made yet."""

    recognition: set[TopicPartition] = field(default_factory=set)
    """Partitions whose log must be recognised as the one of the current epoch."""
    starts: set[TopicPartition] = field(default_factory=set)
    """Partitions whose lowest offset is needed."""
    firsts: set[tuple[TopicPartition, int]] = field(default_factory=set)
    """Partitions of compacted topics, and the offset from which on the first record is needed."""
    ends: set[TopicPartition] = field(default_factory=set)
    """Partitions whose end is needed."""
    records: set[ExpectedRecord] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.recognition or self.starts or self.firsts or self.ends or self.records)


@dataclass(slots=True)
class LogFacts:
    """What is known about the logs while one batch is planned; it collects what is missing."""

    recognised: set[TopicPartition] = field(default_factory=set)
    starts: dict[TopicPartition, int] = field(default_factory=dict)
    firsts: dict[tuple[TopicPartition, int], int] = field(default_factory=dict)
    """The offset of the first record from an offset on."""
    reached: dict[TopicPartition, int] = field(default_factory=dict)
    """Lower bounds of the ends, found after the batch was received."""
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    """The ends, found after the batch was received."""
    records: dict[ExpectedRecord, bool] = field(default_factory=dict)
    """Whether the log holds the expected record."""
    others: set[ExpectedRecord] = field(default_factory=set)
    """The expected records in whose place the log holds another one."""
    missing: LookUps = field(default_factory=LookUps)

    def require_recognised(self, partitions: Iterable[TopicPartition]) -> None:
        """Ask for those of the partitions that have not been recognised."""
        self.missing.recognition |= set(partitions) - self.recognised

    def start_of(self, partition: TopicPartition) -> int | None:
        """The lowest offset of a partition; asked for when it is not known."""
        start = self.starts.get(partition)
        if start is None:
            self.missing.starts.add(partition)
        return start

    def first_from(self, partition: TopicPartition, offset: int) -> int | None:
        """The first offset from this one on that holds a record; asked for when not known."""
        first = self.firsts.get((partition, offset))
        if first is None:
            self.missing.firsts.add((partition, offset))
        return first

    def is_beyond(self, partition: TopicPartition, offset: int) -> bool | None:
        """Whether the offset lies at or beyond the log's end; asked for when it is not known.

        INVARIANT: False for every record that existed before the batch was received, as long as the
        log was not replaced or truncated since.
        """
        if offset < self.reached.get(partition, 0):
            return False
        end = self.ends.get(partition)
        if end is None:
            self.missing.ends.add(partition)
            return None
        return offset >= end

    def holds(self, expected: ExpectedRecord) -> bool | None:
        """Whether the log holds this record; asked for when it is not known."""
        found = self.records.get(expected)
        if found is None:
            self.missing.records.add(expected)
        return found

    def holds_other(self, expected: ExpectedRecord) -> bool | None:
        """Whether the log holds another record in its place; asked for when it is not known."""
        return None if self.holds(expected) is None else expected in self.others
