"""Admission: a submitted event in JSON in, a canonical event or a refusal out. No clock, no I/O.

`Admission` lives as long as the process and caches; an `AdmissionBatch` admits the events of one
request, or of one batch of records, under one set of rules and at one time.
"""

import hmac
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from purposewatch_contract import EVENT_TYPE, ErrorClass
from purposewatch_contract.codec import (
    DecodedEvent,
    DecodedFlow,
    DecodedSubmission,
    FastEventCodec,
    FastSubmissionCodec,
    Flow,
    TextCache,
    decoded_submission,
)
from purposewatch_contract.submission import (
    MAX_ERRORS,
    FieldError,
    RefusedError,
    parse_json,
    read_event,
)
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_policy.vocabulary import (
    OTHER_PERSON,
    UnknownTerm,
    Vocabulary,
    find_unknown_terms,
)
from purposewatch_policy.yaml_reader import did_you_mean

UNREGISTERED = "_unregistered"
"""Label for publishers that are not in the register; no registered name begins with `_`."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SUGGESTIONS = 4
_NOBODY = "nobody"
MAX_EVENTS_WITH_SUGGESTIONS = 4
"""Finding the nearest term takes milliseconds: further events of a batch get no suggestion."""


class AdmittedEvent(msgspec.Struct, frozen=True, gc=False):
    """A canonical event, ready to be published."""

    publisher: str
    key: bytes
    """The subject's pseudonym: all events of one subject stay in order."""
    value: bytes
    """A `CanonicalEvent` in JSON."""
    traceparent: str | None
    flow: DecodedFlow
    time: datetime
    """When the access happened."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that was not admitted, and never will be as it stands."""

    publisher: str
    """A registered name, or `UNREGISTERED`."""
    error: RefusedError


class Pseudonymiser:
    """Replaces a subject's identifier with `psn:<key id>:<128 bits in hex>`.

    The bits are the first half of HMAC-SHA256(key, controller NUL identifier): the same person
    has the same pseudonym everywhere under one controller and unrelated ones under two, and only
    the holder of the key can tell which pseudonym belongs to an identifier.
    """

    __slots__ = ("_key", "_prefix")

    def __init__(self, key: bytes, key_id: str) -> None:
        self._key = key
        self._prefix = f"psn:{key_id}:"

    def __call__(self, controller: str, subject_id: str) -> str:
        """The pseudonym of one of the controller's data subjects."""
        # INVARIANT: a controller's name holds no NUL, so no two pairs give the same message.
        message = f"{controller}\0{subject_id}".encode()
        return self._prefix + hmac.digest(self._key, message, "sha256")[:16].hex()


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The rules in force for one batch, apart from the contract."""

    vocabularies: Mapping[str, Vocabulary]
    """By controller."""
    register: PublisherRegister
    pseudonymise: Pseudonymiser
    max_future: timedelta
    """How far ahead of ingest's clock an event's time may be."""


class _KnownFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow whose terms were looked up."""

    vocabulary: Vocabulary
    """Has every term of the flow."""
    digested: str
    """The `data` that the content digest is taken of, up to the value of `subject`."""


class Admission:
    """What all batches share: the codecs and the flows whose terms were looked up."""

    def __init__(self) -> None:
        self.submissions = FastSubmissionCodec()
        self.events = FastEventCodec()
        self.flows: TextCache[_KnownFlow] = TextCache()

    def batch(self, rules: AdmissionRules, now: datetime) -> "AdmissionBatch":
        """Begin the admission of events that arrived together."""
        return AdmissionBatch(self, rules, now)


class AdmissionBatch:
    """Admits events that arrived together, under the same rules and at the same time."""

    def __init__(self, admission: Admission, rules: AdmissionRules, now: datetime) -> None:
        self._admission = admission
        self._rules = rules
        self.now = now
        self._accepted_text = _in_utc(now)
        self._suggested = 0

    def admit(
        self,
        text: bytes,
        *,
        origin: str,
        traceparent: str | None = None,
        publisher: Publisher | None = None,
        suggest: bool = True,
    ) -> AdmittedEvent | RefusedEvent:
        """Admit or refuse the event in this JSON text.

        `publisher` is the authenticated one; without it the event's source names the publisher.
        `traceparent` is the transport's, used when the event has none. Without `suggest` no time is
        spent on finding terms for unknown ones.

        The content digest is BLAKE2b-128 of the JSON text `[type, time in UTC, data]`, in which
        names and data categories are sorted, and absent fields and a count of 1 are left out.
        """
        try:
            event = self._admission.submissions.decode(text)
            if publisher is None:
                publisher = self._publisher_of(event.source)
                _ensure_active(publisher)
            digested = self._check(event, publisher, suggest=suggest)
        except RefusedError as error:
            return RefusedEvent(publisher.name if publisher else UNREGISTERED, error)
        self._admission.submissions.cache_flow(event)
        controller = event.flow.terms.controller
        subject = self._rules.pseudonymise(controller, event.subject_id)
        time = _in_utc(event.time)
        if event.count != 1:
            digested = _with_count(digested, event.count)
        content = f'["{EVENT_TYPE}","{time}",{digested}{subject}"}}]'
        traceparent = event.traceparent or traceparent
        canonical = DecodedEvent(
            event.flow,
            subject,
            event.id,
            event.source,
            publisher.name,
            blake2b(content.encode(), digest_size=16).hexdigest(),
            origin,
            traceparent,
            event.time,
            self.now,
            time,
            self._accepted_text,
            event.count,
        )
        value = self._admission.events.encode(canonical)
        return AdmittedEvent(
            publisher.name, subject.encode(), value, traceparent, event.flow, event.time
        )

    def check(
        self, text: bytes, publisher: Publisher, *, suggest: bool = True
    ) -> DecodedSubmission | RefusedEvent:
        """Check the event in this JSON text as `admit` does, but let it leave out its subject."""
        try:
            document = parse_json(text)
        except RefusedError as error:
            return RefusedEvent(publisher.name, error)
        return self.check_parsed(document, publisher, suggest=suggest)

    def check_parsed(
        self, document: object, publisher: Publisher, *, suggest: bool = True
    ) -> DecodedSubmission | RefusedEvent:
        """Check an event as parsed from JSON likewise. Changes it; do not reuse it."""
        try:
            data = document.get("data") if isinstance(document, dict) else None
            if isinstance(data, dict):
                data.setdefault("subject_id", _NOBODY)
            event = decoded_submission(read_event(document))
            self._check(event, publisher, suggest=suggest)
        except RefusedError as error:
            return RefusedEvent(publisher.name, error)
        return event

    def _publisher_of(self, source: str) -> Publisher:
        publisher = self._rules.register.owner_of(source)
        if publisher is None:
            detail = "names no registered publisher; make it `/<publisher>` or a path below it"
            raise RefusedError(ErrorClass.UNKNOWN_PUBLISHER, FieldError("/source", detail))
        return publisher

    def _check(self, event: DecodedSubmission, publisher: Publisher, *, suggest: bool) -> str:
        """Check what the contract alone can't tell; return the flow's part of the digested text."""
        if not publisher.may_use(event.source):
            own = "`, `".join(publisher.own_sources)
            detail = f"is not the publisher's own; make it `{own}` or a path below"
            raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/source", detail))
        vocabulary = self._rules.vocabularies.get(event.flow.terms.controller)
        if vocabulary is None or event.flow.terms.controller not in publisher.controllers:
            raise _refused_controller(event.flow.terms.controller, publisher, self._rules)
        known = self._admission.flows.get(event.flow.text)
        if known is None or known.vocabulary is not vocabulary:
            known = self._look_up_terms(event.flow, vocabulary, suggest=suggest)
        check_time(event.time, self.now, self._rules.max_future)
        if publisher.facts is not None:
            _ensure_facts(event.flow.terms.facts, publisher.facts)
        return known.digested

    def _look_up_terms(
        self, flow: DecodedFlow, vocabulary: Vocabulary, *, suggest: bool
    ) -> _KnownFlow:
        """Look the terms of a flow up, and cache it if the vocabulary has them all."""
        unknown = find_unknown_terms(vocabulary, flow.terms)
        if unknown:
            suggest = suggest and self._suggested < MAX_EVENTS_WITH_SUGGESTIONS
            self._suggested += suggest
            errors = _unknown_terms(unknown, flow.terms, vocabulary, suggest=suggest)
            raise RefusedError(ErrorClass.UNKNOWN_TERM, *errors)
        known = _KnownFlow(vocabulary, _digested(flow.terms))
        self._admission.flows.put(flow.text, known, cost=len(known.digested))
        return known


def check_time(time: datetime, now: datetime, max_future: timedelta) -> None:
    """Raise `RefusedError` for a time that no working clock can have given."""
    if _EARLIEST <= time <= now + max_future:
        return
    detail = (
        f"is more than {max_future.total_seconds():.0f} seconds ahead of the clock of ingest; "
        "check the publisher's clock and the time's zone"
    )
    if time < _EARLIEST:
        detail = "is before 1970; check the publisher's clock"
    raise RefusedError(ErrorClass.IMPLAUSIBLE_TIME, FieldError("/time", detail))


def _ensure_active(publisher: Publisher) -> None:
    """Refuse the records of a paused publisher; over HTTP its requests are refused before."""
    if publisher.paused is not None:
        detail = f"names a publisher that is paused: {publisher.paused}"
        raise RefusedError(ErrorClass.PAUSED, FieldError("/source", detail))


def _ensure_facts(stated: Iterable[str], allowed: Container[str]) -> None:
    """Refuse facts that the publisher may not state; all of them are known to the vocabulary."""
    detail = "is a fact that the publisher may not state; have it added to the register"
    refused = [FieldError(f"/data/facts/{fact}", detail) for fact in stated if fact not in allowed]
    if refused:
        raise RefusedError(ErrorClass.FORBIDDEN, *refused[:MAX_ERRORS])


def _refused_controller(
    controller: str, publisher: Publisher, rules: AdmissionRules
) -> RefusedError:
    if controller in rules.vocabularies:
        detail = "is not among the publisher's controllers; have it added to the register"
        return RefusedError(ErrorClass.FORBIDDEN, FieldError("/data/controller", detail))
    # Suggest only the publisher's own controllers: others must not be revealed to it.
    hint = did_you_mean(controller, publisher.controllers & rules.vocabularies.keys())
    detail = "is an unknown controller" + (hint or "; name one that has a declared policy")
    return RefusedError(ErrorClass.UNKNOWN_CONTROLLER, FieldError("/data/controller", detail))


def _unknown_terms(
    unknown: Iterable[UnknownTerm], flow: Flow, vocabulary: Vocabulary, *, suggest: bool
) -> Iterator[FieldError]:
    by_noun = {taxonomy.noun: taxonomy for taxonomy in vocabulary.taxonomies().values()}
    for number, term in enumerate(unknown):
        if number == MAX_ERRORS:
            return
        hint = ""
        if suggest and number < _MAX_SUGGESTIONS:
            hint = did_you_mean(term.term, by_noun[term.noun])
        hint = hint or "; look the term up in the vocabulary"
        if term.field == "role" and OTHER_PERSON in vocabulary.roles:
            hint += f"; for a person whom the policy does not speak of, state `{OTHER_PERSON}`"
        detail = f"has an unknown {term.noun}" + hint
        yield FieldError(_pointer(term, flow), detail)


def _pointer(term: UnknownTerm, flow: Flow) -> str:
    """Where the term stands in the event."""
    if term.field == "data_categories":
        return f"/data/data_categories/{flow.data_categories.index(term.term)}"
    return f"/data/{term.field}"


def _digested(flow: Flow) -> str:
    """The flow as the content digest has it: names and categories sorted, no absent fields."""
    data = {
        **{name: getattr(flow, name) for name in sorted(flow.__struct_fields__)},
        "data_categories": sorted(flow.data_categories),
        "facts": dict(sorted(flow.facts.items())),
        "subject": "",
    }
    stated = {name: value for name, value in data.items() if value is not None}
    return msgspec.json.encode(stated).decode()[: -len('"}')]


def _with_count(digested: str, count: int) -> str:
    """The same with the count in its place: behind the controller, the name that sorts before."""
    controller, rest = digested.split(",", 1)
    return f'{controller},"count":{count},{rest}'


def _in_utc(time: datetime) -> str:
    """RFC 3339 in UTC, the same text for the same instant. OverflowError at the calendar's ends."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None).isoformat() + "Z"
