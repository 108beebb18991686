"""Decoding and encoding the messages of the hot path.

Every message has two codecs behind one interface. The reference codecs are pydantic's models. The
fast codecs, which the services use, know the one notation that the services write themselves and
cache what repeats; whatever they can't decode themselves they leave to the reference.
"""

from purposewatch_contract.codec.caches import TextCache
from purposewatch_contract.codec.event import FastEventCodec
from purposewatch_contract.codec.fact import FactKey, FastFactCodec, fact_key, parse_fact_key
from purposewatch_contract.codec.interface import (
    DecodedEvent,
    DecodedFact,
    DecodedFactFinding,
    DecodedFlow,
    DecodedPolicy,
    DecodedSubmission,
    DecodedVerdict,
    EventCodec,
    FactCodec,
    Flow,
    FlowDecision,
    SubmissionCodec,
    VerdictCodec,
)
from purposewatch_contract.codec.reference import (
    ReferenceEventCodec,
    ReferenceFactCodec,
    ReferenceSubmissionCodec,
    ReferenceVerdictCodec,
    decoded_submission,
)
from purposewatch_contract.codec.submission import FastSubmissionCodec
from purposewatch_contract.codec.verdict import FastVerdictCodec

__all__ = [
    "DecodedEvent",
    "DecodedFact",
    "DecodedFactFinding",
    "DecodedFlow",
    "DecodedPolicy",
    "DecodedSubmission",
    "DecodedVerdict",
    "EventCodec",
    "FactCodec",
    "FactKey",
    "FastEventCodec",
    "FastFactCodec",
    "FastSubmissionCodec",
    "FastVerdictCodec",
    "Flow",
    "FlowDecision",
    "ReferenceEventCodec",
    "ReferenceFactCodec",
    "ReferenceSubmissionCodec",
    "ReferenceVerdictCodec",
    "SubmissionCodec",
    "TextCache",
    "VerdictCodec",
    "decoded_submission",
    "fact_key",
    "parse_fact_key",
]
