"""What booking needs to know from Kafka before it can tell the pages of the books apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from purposewatch_runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class Claim:
    """That a certain record stands at a place in the log as it is now."""

    topic: str
    partition: int
    offset: int
    digest: bytes
    digest_of: Callable[[Record], bytes | None]

    def holds_for(self, record: Record) -> bool:
        """Whether this is the record that is meant."""
        return self.digest_of(record) == self.digest


@dataclass(slots=True)
class Known:
    """What Kafka has said while a batch is being booked."""

    recognised: set[tuple[str, int]] = field(default_factory=set)
    """Partitions whose log is the one that the current page is about."""
    claims: dict[Claim, bool] = field(default_factory=dict)

    def require_recognised(self, suspects: Iterable[tuple[str, int]]) -> None:
        """Raise an inquiry about the (topic, partition) that nobody has looked at."""
        unknown = set(suspects) - self.recognised
        if unknown:
            raise InquiryError(suspects=unknown)

    def require_claims(self, claims: Iterable[Claim]) -> None:
        """Raise an inquiry about the claims that nobody has looked into."""
        unknown = [claim for claim in claims if claim not in self.claims]
        if unknown:
            raise InquiryError(claims=unknown)


class InquiryError(Exception):
    """Ask Kafka, then book again: no database lock is held while Kafka is asked."""

    def __init__(
        self, *, suspects: Iterable[tuple[str, int]] = (), claims: Iterable[Claim] = ()
    ) -> None:
        super().__init__("the log must be looked at first")
        self.suspects = frozenset(suspects)
        self.claims = frozenset(claims)
