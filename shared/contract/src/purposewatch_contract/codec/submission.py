"""Submitted events whose flow was decoded before need no second full check.

Services do the same few things to ever new subjects, so the text of their `data` without the
subject and the count mostly repeats. What is cached is what the reference codec accepted; the
envelope, the subject and the count are checked for every event. Any doubt leaves the event to the
reference codec.
"""

import re
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from purposewatch_contract import terms
from purposewatch_contract.codec.caches import TextCache
from purposewatch_contract.codec.interface import DecodedFlow, DecodedSubmission
from purposewatch_contract.codec.patterns import COUNT, unanchored
from purposewatch_contract.codec.reference import ReferenceSubmissionCodec
from purposewatch_contract.submission import TIME_PATTERN

# One match is several times as fast as three. INVARIANT: none of the three matches a line break.
_ENVELOPE = re.compile(
    f"(?!{unanchored(terms.TELEPHONE_PATTERN)}\n)"
    + "\n".join(
        (unanchored(terms.IDENTIFIER_PATTERN), unanchored(terms.SOURCE_PATTERN), TIME_PATTERN)
    ),
    re.ASCII,
)
_SUBJECT_KEY = b'"subject_id"'
_SUBJECT_FIELD = re.compile(rb'"subject_id"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
_COUNT_KEY = b'"count"'
_COUNT_FIELD = re.compile(rf'"count"[ \t\r\n]*:[ \t\r\n]*({COUNT})(?=[ \t\r\n,}}])'.encode())
_SUBJECT = re.compile(unanchored(terms.SUBJECT_PATTERN))

_REQUIRED_STRINGS = 11
"""Strings outside of `data`: six names and five values."""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`SubmittedEvent` with its `data` left encoded."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["purposewatch.data_access.v1"]
    time: str
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] | UnsetType = UNSET
    dataschema: Literal["urn:purposewatch:schema:submitted-event:1.0"] | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET


class FastSubmissionCodec:
    """Decodes submitted events; caches the flows of those that were admitted.

    No subject is part of what is cached.
    """

    def __init__(self) -> None:
        self._reference = ReferenceSubmissionCodec()
        self._decode_envelope = msgspec.json.Decoder(_Envelope).decode
        self._flows: TextCache[DecodedFlow] = TextCache()

    def decode(self, value: bytes) -> DecodedSubmission:
        """See `SubmissionCodec`."""
        key, flow, count = None, None, 1
        try:
            envelope = self._decode_envelope(value)
            data = bytes(envelope.data)
            key, subject, count = _split(data)
            flow = self._flows.get(key)
            if flow is not None:
                return _with_cached_flow(value, envelope, data, flow, subject.decode(), count=count)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # the reference decides, and says what is wrong
        decoded = self._reference.decode(value)
        if flow is not None or decoded.count != count:  # cached, or the count is spelt otherwise
            return decoded
        return msgspec.structs.replace(decoded, flow_key=key)

    def cache_flow(self, submission: DecodedSubmission) -> None:
        """See `SubmissionCodec`.

        INVARIANT: what is cached was, with a subject and a count in their places, the `data` of an
        event that the reference accepted. It is the same flow with any others there: a text without
        quotes and escapes is replaced by another, and a number by another.
        """
        if submission.flow_key is not None:
            self._flows.put(submission.flow_key, submission.flow, cost=len(submission.flow.text))


def _split(data: bytes) -> tuple[bytes, bytes, int]:
    """The `data` with subject and count blanked, and these two; `ValueError` without certainty.

    INVARIANT: in a valid `data` the match can't be anything but the field: no other field's value
    is a text, or a number, behind that name, and a quote within a text has a backslash before it.
    """
    found = _SUBJECT_FIELD.match(data, max(0, data.find(_SUBJECT_KEY)))
    if found is None:
        message = "the subject is not in plain text"
        raise ValueError(message)
    key = data[: found.start(1)] + data[found.end(1) :]
    at = key.find(_COUNT_KEY)
    if at < 0:
        return key, found[1], 1
    count = _COUNT_FIELD.match(key, at)
    if count is None:
        message = "the count is not in plain digits"
        raise ValueError(message)
    return key[: count.start(1)] + key[count.end(1) :], found[1], int(count[1])


def _with_cached_flow(  # noqa: PLR0913 - the parts of a submission
    value: bytes,
    envelope: _Envelope,
    data: bytes,
    flow: DecodedFlow,
    subject_id: str,
    *,
    count: int,
) -> DecodedSubmission:
    """The submission, once its envelope and its subject are found valid; `ValueError` otherwise.

    Two quotes mark each name and each string, so counting them shows a name that occurs once more
    than was decoded. An escaped quote only adds to the count.
    """
    optional = (envelope.datacontenttype, envelope.dataschema, envelope.traceparent)
    strings = _REQUIRED_STRINGS + 2 * sum(field is not UNSET for field in optional)
    trace = None if envelope.traceparent is UNSET else envelope.traceparent
    time = datetime.fromisoformat(envelope.time.upper())
    if (
        value.count(b'"') - data.count(b'"') != 2 * strings
        or _ENVELOPE.fullmatch(f"{envelope.id}\n{envelope.source}\n{envelope.time}") is None
        or "/." in envelope.source
        or (trace is not None and not terms.is_traceparent(trace))
        or time.tzinfo is None
        or _SUBJECT.fullmatch(subject_id) is None
        or len(subject_id) > terms.MAX_SUBJECT
    ):
        message = "the envelope or the subject is not plainly valid"
        raise ValueError(message)
    return DecodedSubmission(envelope.id, envelope.source, time, trace, subject_id, flow, count)
