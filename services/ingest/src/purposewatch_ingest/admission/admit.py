"""Admission: what the contract alone can't tell, and the making of the canonical event."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from purposewatch_contract import ErrorClass, SubmittedEvent
from purposewatch_contract.submission import MAX_ERRORS, FieldError, RefusedError
from purposewatch_ingest.admission.canonical import AdmittedEvent, write_canonical
from purposewatch_ingest.admission.rules import EARLIEST, AdmissionRules, is_own, is_plausible
from purposewatch_ingest.publishers import Publisher
from purposewatch_policy.vocabulary import UnknownTerm, Vocabulary, find_unknown_terms
from purposewatch_policy.yaml_reader import did_you_mean

_MAX_SUGGESTIONS = 4


def admit(  # noqa: PLR0913 - everything that admission depends on is passed in
    event: SubmittedEvent,
    publisher: Publisher,
    rules: AdmissionRules,
    *,
    now: datetime,
    origin: str,
    traceparent: str | None = None,
    suggest: bool = True,
) -> AdmittedEvent:
    """Admit an event that satisfies the contract, or raise `RefusedError` with what is wrong.

    `traceparent` is the transport's, used when the event has none. Looking for the term that was
    meant is slow; `suggest=False` leaves it out.
    """
    if not is_own(event.source, publisher):
        detail = f"is not the publisher's own; make it `/{publisher.name}` or a path below it"
        raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/source", detail))
    vocabulary = _vocabulary(event, publisher, rules.vocabularies)
    unknown = find_unknown_terms(vocabulary, event.data)
    if unknown:
        errors = _unknown_terms(unknown, vocabulary, suggest=suggest)
        raise RefusedError(ErrorClass.UNKNOWN_TERM, *errors)
    _check_time(event.time, now, rules.max_future)
    return write_canonical(
        event,
        publisher=publisher.name,
        subject=rules.pseudonymise(event.data.controller, event.data.subject_id),
        accepted=now,
        origin=origin,
        traceparent=event.traceparent or traceparent,
    )


def _vocabulary(
    event: SubmittedEvent, publisher: Publisher, vocabularies: Mapping[str, Vocabulary]
) -> Vocabulary:
    controller = event.data.controller
    vocabulary = vocabularies.get(controller)
    if vocabulary is None:
        # Only the publisher's own controllers are suggested; others are not its business.
        hint = did_you_mean(controller, publisher.controllers & vocabularies.keys())
        detail = "is an unknown controller" + (hint or "; name one that has a declared policy")
        raise RefusedError(ErrorClass.UNKNOWN_CONTROLLER, FieldError("/data/controller", detail))
    if controller not in publisher.controllers:
        detail = "is not among the publisher's controllers; have it added to the register"
        raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/data/controller", detail))
    return vocabulary


def _unknown_terms(
    unknown: Iterable[UnknownTerm], vocabulary: Vocabulary, *, suggest: bool
) -> Iterator[FieldError]:
    by_noun = {taxonomy.noun: taxonomy for taxonomy in vocabulary.taxonomies().values()}
    for number, term in enumerate(unknown):
        if number == MAX_ERRORS:
            return
        hint = ""
        if suggest and number < _MAX_SUGGESTIONS:
            hint = did_you_mean(term.term, by_noun[term.noun])
        detail = f"has an unknown {term.noun}" + (hint or "; look the term up in the vocabulary")
        yield FieldError(f"/data/{term.field}", detail)


def _check_time(time: datetime, now: datetime, max_future: timedelta) -> None:
    if is_plausible(time, now, max_future):
        return
    detail = "is in the future; check the publisher's clock and the time's zone"
    if time < EARLIEST:
        detail = "is before 1970; check the publisher's clock"
    raise RefusedError(ErrorClass.IMPLAUSIBLE_TIME, FieldError("/time", detail))
