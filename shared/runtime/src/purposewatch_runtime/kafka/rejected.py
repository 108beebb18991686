"""Records that were rejected before they reach a handler, each with its reason."""

from dataclasses import dataclass
from typing import Self, TypeAlias

from aiokafka import ConsumerRecord

from purposewatch_contract import ErrorClass

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]


@dataclass
class RejectedRecord(ConsumerRecord[bytes | None, bytes | None]):  # type: ignore[misc]
    """A record that is to be dead-lettered as it is.

    INVARIANT: a handler dead-letters it without parsing it. Parsing may be what crashed the process
    (`poison`), and parts of an `undecodable` record may be missing.
    """

    error_class: ErrorClass
    reason: str
    raw: bytes | None = None
    """The bytes in Kafka's log when they could not be decoded."""

    @classmethod
    def of(
        cls, record: Record, error_class: ErrorClass, reason: str, *, raw: bytes | None = None
    ) -> Self:
        """The same record, rejected."""
        return cls(**vars(record), error_class=error_class, reason=reason, raw=raw)
