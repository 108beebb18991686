"""What recording needs to know from Kafka before it can tell the log epochs of the ledger apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from purposewatch_runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """That a certain record stands at a place in the log as it is now."""

    topic: str
    partition: int
    offset: int
    digest: bytes
    digest_of: Callable[[Record], bytes | None]

    def matches(self, record: Record) -> bool:
        """Whether this is the record that is meant."""
        return self.digest_of(record) == self.digest


@dataclass(slots=True)
class LogFacts:
    """What Kafka has said while a batch is being recorded."""

    recognised: set[tuple[str, int]] = field(default_factory=set)
    """Partitions whose log is the one that the current log epoch is about."""
    expected: dict[ExpectedRecord, bool] = field(default_factory=dict)

    def require_recognised(self, suspects: Iterable[tuple[str, int]]) -> None:
        """Raise an inquiry about the (topic, partition) that nobody has looked at."""
        unknown = set(suspects) - self.recognised
        if unknown:
            raise InquiryError(suspects=unknown)

    def require_expected(self, expected: Iterable[ExpectedRecord]) -> None:
        """Raise an inquiry about the claims that nobody has looked into."""
        unknown = [expected for expected in expected if expected not in self.expected]
        if unknown:
            raise InquiryError(expected=unknown)


class InquiryError(Exception):
    """Ask Kafka, then record again: no database lock is held while Kafka is asked."""

    def __init__(
        self, *, suspects: Iterable[tuple[str, int]] = (), expected: Iterable[ExpectedRecord] = ()
    ) -> None:
        super().__init__("the log must be looked at first")
        self.suspects = frozenset(suspects)
        self.expected = frozenset(expected)
