"""Reading and writing the busy messages fast: canonical events and verdicts.

The pydantic models remain the contract. These readers know the one notation that gate and auditor
write in. They accept nothing that the models refuse, and read what they accept as the models do;
what they can't read themselves, they hand to the models, whose verdict stands. A property test
holds the two together.

What repeats is read once: services do the same few things over and over, so the flow that an
event states, and the reasons that a verdict gives, are mostly texts that were met before.
"""

from purposewatch_contract.codec.cache import BoundedCache
from purposewatch_contract.codec.event import DecodedEvent, EventReader
from purposewatch_contract.codec.flow import Flow, ReadFlow
from purposewatch_contract.codec.texts import body
from purposewatch_contract.codec.verdict import (
    DecodedVerdict,
    VerdictReader,
    VerdictWriter,
    encode_reasons,
)

__all__ = [
    "BoundedCache",
    "DecodedEvent",
    "DecodedVerdict",
    "EventReader",
    "Flow",
    "ReadFlow",
    "VerdictReader",
    "VerdictWriter",
    "body",
    "encode_reasons",
]
