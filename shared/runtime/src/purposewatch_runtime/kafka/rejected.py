"""Records that a handler must not look at: what is wrong with them was found out before."""

from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import ConsumerRecord

from purposewatch_contract import ErrorClass

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]


@dataclass
class RejectedRecord(ConsumerRecord[bytes | None, bytes | None]):  # type: ignore[misc]
    """A record to be set aside as it is.

    INVARIANT: a handler makes it a dead letter without parsing it. Parsing may be what ended the
    process (`poison`), and of an `undecodable` one the parts may be missing.
    """

    error_class: ErrorClass
    reason: str
    raw: bytes | None = None
    """The bytes in Kafka's log, where they could not be decoded."""


def condemned(
    record: Record, error_class: ErrorClass, reason: str, *, raw: bytes | None = None
) -> RejectedRecord:
    """The same record, not to be looked at any more."""
    return RejectedRecord(**vars(record), error_class=error_class, reason=reason, raw=raw)
