"""Admits events about flows that were admitted before, without reading them in full again.

Services do the same few things to ever new subjects. What they say of a flow is the same text
every time, so that a flow whose text is met again needs no second check; the envelope around it
and the subject do.

This is no second reading of submitted events: it only knows again what the contract has accepted
and admission has let pass. Whatever it does not know, or has any doubt about, it leaves to them.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from purposewatch_contract import (
    IDENTIFIER_PATTERN,
    SOURCE_PATTERN,
    TRACEPARENT_PATTERN,
    SubmittedEvent,
)
from purposewatch_contract.codec import BoundedCache, body
from purposewatch_contract.submission import SUBJECT_PATTERN, TIME_PATTERN
from purposewatch_ingest.admission.canonical import (
    AdmittedEvent,
    Envelope,
    FlowText,
    compose,
    flow_text,
)
from purposewatch_ingest.admission.rules import AdmissionRules, is_own, is_plausible
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy.vocabulary import Vocabulary

# One match is several times as fast as three. INVARIANT: none of the three matches a line break.
_ENVELOPE = re.compile(
    "\n".join((body(IDENTIFIER_PATTERN), body(SOURCE_PATTERN), TIME_PATTERN)),
    re.ASCII,
)
_TRACEPARENT = re.compile(body(TRACEPARENT_PATTERN))
_SUBJECT_KEY = b'"subject_id"'
_SUBJECT_FIELD = re.compile(rb'"subject_id"[ \t\r\n]*:[ \t\r\n]*"([^"\\]*)"')
_SUBJECT = re.compile(SUBJECT_PATTERN)

_REQUIRED_TEXTS = 11
"""Pieces in quotes outside of `data`: six names and five values."""


class _Submitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The envelope of `SubmittedEvent`, `data` unread."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["purposewatch.data_access.v1"]
    time: str
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] | UnsetType = UNSET
    dataschema: Literal["urn:purposewatch:schema:submitted-event:1.0"] | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET


class _Known(msgspec.Struct, frozen=True, gc=False):
    """A flow that was admitted."""

    controller: str
    vocabulary: Vocabulary
    """Has every term of the flow."""
    text: FlowText


class AdmissionCache:
    """Remembers the texts of admitted flows, within a budget. No subject is ever part of them."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Submitted).decode
        self._known: BoundedCache[_Known] = BoundedCache()

    def admit(  # noqa: PLR0913 - everything that admission depends on is passed in
        self,
        text: bytes,
        publisher_of: Callable[[str], Publisher | None],
        rules: AdmissionRules,
        *,
        now: datetime,
        origin: str,
        traceparent: str | None = None,
    ) -> tuple[Publisher, AdmittedEvent] | None:
        """Admit the event in this JSON text, or return `None`: then it must be read in full."""
        try:
            read = self._decode(text)
            data = bytes(read.data)
            if not _is_plain(text, read, data):
                return None
            found = _split(data)
            known = None if found is None else self._known.get(found[0])
            if found is None or known is None:
                return None
            time = datetime.fromisoformat(read.time.upper())
            subject_id = found[1].decode()
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        publisher = publisher_of(read.source)
        if (
            publisher is None
            or not is_own(read.source, publisher)
            or known.controller not in publisher.controllers
            or known.vocabulary is not rules.vocabularies.get(known.controller)
            or time.tzinfo is None
            or not is_plausible(time, now, rules.max_future)
            or _SUBJECT.fullmatch(subject_id) is None
        ):
            return None
        envelope = Envelope(
            read.id,
            read.source,
            time,
            publisher.name,
            now,
            origin,
            traceparent if read.traceparent is UNSET else read.traceparent,
        )
        pseudonym = rules.pseudonymise(known.controller, subject_id)
        return publisher, compose(envelope, known.text, pseudonym)

    def remember(self, text: bytes, event: SubmittedEvent, rules: AdmissionRules) -> None:
        """Keep the flow of an event that was read from this text and admitted by these rules.

        INVARIANT: what is kept was, with a subject in its place, the `data` of an event that was
        read in full. Then it is the same flow with any other subject there: a text without quotes
        and escapes takes the place of another.
        """
        try:
            found = _split(bytes(self._decode(text).data))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        if found is not None:
            controller = event.data.controller
            known = _Known(controller, rules.vocabularies[controller], flow_text(event.data))
            self._known.keep(found[0], known)


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """The `data` with the subject blanked, and the subject; `None` if it is not plain to see.

    INVARIANT: in a valid `data` the field can't be anything else: no other field's value is a
    text behind that name, and a quote within a text has a backslash before it.
    """
    found = _SUBJECT_FIELD.match(data, max(0, data.find(_SUBJECT_KEY)))
    if found is None:
        return None
    return data[: found.start(1)] + data[found.end(1) :], found[1]


def _is_plain(text: bytes, read: _Submitted, data: bytes) -> bool:
    """Whether the envelope is as the contract has it, and names no field twice.

    Two quotes mark each name and each text, so that counting them shows a name that stands there
    once more than was read. An escaped quote only adds to the count.
    """
    optional = (read.datacontenttype, read.dataschema, read.traceparent)
    pieces = _REQUIRED_TEXTS + 2 * sum(value is not UNSET for value in optional)
    return (
        text.count(b'"') - data.count(b'"') == 2 * pieces
        and _ENVELOPE.fullmatch(f"{read.id}\n{read.source}\n{read.time}") is not None
        and (read.traceparent is UNSET or _TRACEPARENT.fullmatch(read.traceparent) is not None)
    )
