"""Admission: a submitted event or fact in JSON in, a canonical one or a refusal out.

`Admission` lives as long as the process and caches; an `AdmissionBatch` admits what arrived in one
request, or in one batch of records, under one set of rules and at one time. No clock, no I/O.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from purposewatch_contract import EVENT_TYPE, ErrorClass
from purposewatch_contract.codec import (
    DecodedEvent,
    DecodedFact,
    DecodedFlow,
    DecodedSubmission,
    FastEventCodec,
    FastFactCodec,
    FastSubmissionCodec,
    Flow,
    TextCache,
    decoded_submission,
    fact_key,
)
from purposewatch_contract.submission import (
    MAX_ERRORS,
    FieldError,
    RefusedError,
    parse_json,
    read_event,
    read_fact,
)
from purposewatch_ingest.fact_rules import check_fact, fact_content
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rights import (
    AdmissionRules,
    check_time,
    ensure_active,
    in_utc,
    owner_of,
    vocabulary_for,
)
from purposewatch_ingest.unknown_terms import UnknownTerms
from purposewatch_policy.vocabulary import (
    OTHER_PERSON,
    UnknownTerm,
    Vocabulary,
    find_unknown_terms,
)
from purposewatch_policy.yaml_reader import did_you_mean

UNREGISTERED = "_unregistered"
"""Label for publishers that are not in the register; no registered name begins with `_`."""

_MAX_SUGGESTIONS = 4
_NOBODY = "nobody"
MAX_EVENTS_WITH_SUGGESTIONS = 4
"""Finding the nearest term takes milliseconds: further events of a batch get no suggestion."""


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A canonical event or fact, ready to be published."""

    publisher: str
    subject: str
    """The pseudonym, which decides the partition: all about one subject stays in order."""
    key: bytes
    value: bytes
    """A `CanonicalEvent` or `CanonicalFact` in JSON."""
    traceparent: str | None


class AdmittedEvent(Admitted, frozen=True, gc=False):
    """A canonical event. Its key is the pseudonym."""

    flow: DecodedFlow
    time: datetime
    """When the access happened."""


class AdmittedFact(Admitted, frozen=True, gc=False):
    """A canonical fact. Its key is unique to the statement."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event or fact that was not admitted, and never will be as it stands."""

    publisher: str
    """A registered name, or `UNREGISTERED`."""
    error: RefusedError


class _UnknownTermsError(RefusedError):
    """Terms of the event are not in the controller's vocabulary."""

    def __init__(
        self, unknown: Sequence[UnknownTerm], vocabulary: Vocabulary, errors: Iterable[FieldError]
    ) -> None:
        super().__init__(ErrorClass.UNKNOWN_TERM, *errors)
        self.unknown = unknown
        self.vocabulary = vocabulary


class _KnownFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow whose terms were looked up."""

    vocabulary: Vocabulary
    """Has every term of the flow."""
    digested: str
    """The `data` that the content digest is taken of, up to the value of `subject`."""


class Admission:
    """What all batches share: the codecs and the flows whose terms were looked up."""

    def __init__(self, unknown_terms: UnknownTerms | None = None) -> None:
        """`unknown_terms` counts the terms for which events are refused."""
        self.unknown_terms = unknown_terms
        self.submissions = FastSubmissionCodec()
        self.events = FastEventCodec()
        self.facts = FastFactCodec()
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
        self._accepted_text = in_utc(now)
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
                publisher = owner_of(event.source, self._rules.register)
                ensure_active(publisher)
            digested = self._check(event, publisher, suggest=suggest)
        except _UnknownTermsError as error:
            return self._refuse_terms(error, event, publisher)
        except RefusedError as error:
            return RefusedEvent(publisher.name if publisher else UNREGISTERED, error)
        self._admission.submissions.cache_flow(event)
        controller = event.flow.terms.controller
        subject = self._rules.pseudonymise(controller, event.subject_id)
        time = in_utc(event.time)
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
            _digest(content),
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
            publisher.name, subject, subject.encode(), value, traceparent, event.flow, event.time
        )

    def admit_fact(
        self,
        text: bytes,
        *,
        origin: str,
        traceparent: str | None = None,
        publisher: Publisher | None = None,
        suggest: bool = True,
    ) -> AdmittedFact | RefusedEvent:
        """Admit or refuse the statement of a fact in this JSON text, likewise."""
        try:
            fact = read_fact(parse_json(text))
            if publisher is None:
                publisher = owner_of(fact.source, self._rules.register)
                ensure_active(publisher)
            suggest = suggest and self._may_suggest()
            check_fact(fact, publisher, self._rules, self.now, suggest=suggest)
        except RefusedError as error:
            return RefusedEvent(publisher.name if publisher else UNREGISTERED, error)
        data = fact.data
        subject = self._rules.pseudonymise(data.controller, data.subject_id)
        traceparent = fact.traceparent or traceparent
        canonical = DecodedFact(
            subject=subject,
            controller=data.controller,
            fact=data.fact,
            value=data.value,
            effective_from=fact.effective_from.astimezone(UTC),
            until=data.until and data.until.astimezone(UTC),
            evidence=data.evidence,
            id=fact.id,
            source=fact.source,
            publisher=publisher.name,
            content_digest=_digest(fact_content(fact, subject)),
            origin=origin,
            traceparent=traceparent,
            time=fact.time.astimezone(UTC),
            accepted_time=self.now,
        )
        value = self._admission.facts.encode(canonical)
        return AdmittedFact(publisher.name, subject, fact_key(canonical), value, traceparent)

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

    def _check(self, event: DecodedSubmission, publisher: Publisher, *, suggest: bool) -> str:
        """Check what the contract alone can't tell; return the flow's part of the digested text."""
        vocabulary = vocabulary_for(
            event.flow.terms.controller, event.source, publisher, self._rules
        )
        known = self._admission.flows.get(event.flow.text)
        if known is None or known.vocabulary is not vocabulary:
            known = self._look_up_terms(event.flow, vocabulary, suggest=suggest)
        check_time(event.time, self.now, self._rules.max_future)
        if publisher.facts is not None:
            _ensure_facts(event.flow.terms.facts, publisher.facts)
        return known.digested

    def _refuse_terms(
        self, error: _UnknownTermsError, event: DecodedSubmission, publisher: Publisher | None
    ) -> RefusedEvent:
        assert publisher is not None  # noqa: S101 - terms are looked up last
        if self._admission.unknown_terms is not None:
            self._admission.unknown_terms.collect(
                error.unknown,
                error.vocabulary,
                publisher=publisher.name,
                controller=event.flow.terms.controller,
                subject_id=event.subject_id,
                now=self.now,
            )
        return RefusedEvent(publisher.name, error)

    async def resolve_subjects(self) -> bool:
        """Look up pseudonyms that were not at hand; whether all must be admitted again.

        INVARIANT: until this has returned false, or all was admitted again, nothing that was
        admitted may be published. Raises `SubjectsUnavailableError`.
        """
        return await self._rules.pseudonymise.resolve()

    def _may_suggest(self) -> bool:
        self._suggested += 1
        return self._suggested <= MAX_EVENTS_WITH_SUGGESTIONS

    def _look_up_terms(
        self, flow: DecodedFlow, vocabulary: Vocabulary, *, suggest: bool
    ) -> _KnownFlow:
        """Look the terms of a flow up, and cache it if the vocabulary has them all."""
        unknown = find_unknown_terms(vocabulary, flow.terms)
        if unknown:
            suggest = suggest and self._may_suggest()
            errors = _unknown_terms(unknown, flow.terms, vocabulary, suggest=suggest)
            raise _UnknownTermsError(unknown, vocabulary, errors)
        known = _KnownFlow(vocabulary, _digested(flow.terms))
        self._admission.flows.put(flow.text, known, cost=len(known.digested))
        return known


def _ensure_facts(stated: Iterable[str], allowed: Container[str]) -> None:
    """Refuse facts that the publisher may not claim; all of them are known to the vocabulary."""
    detail = "is a fact that the publisher may not claim; have it added to the register"
    refused = [FieldError(f"/data/facts/{fact}", detail) for fact in stated if fact not in allowed]
    if refused:
        raise RefusedError(ErrorClass.FORBIDDEN, *refused[:MAX_ERRORS])


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


def _digest(content: str) -> str:
    return blake2b(content.encode(), digest_size=16).hexdigest()
