"""What a publisher may publish, and when. No clock, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from purposewatch_contract import ErrorClass
from purposewatch_contract.submission import FieldError, RefusedError
from purposewatch_ingest.pseudonyms.interface import PseudonymBatch
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_policy.vocabulary import Vocabulary
from purposewatch_policy.yaml_reader import did_you_mean

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """The rules in force for one batch, apart from the contract."""

    vocabularies: Mapping[str, Vocabulary]
    """By controller."""
    register: PublisherRegister
    pseudonymise: PseudonymBatch
    max_future: timedelta
    """How far ahead of ingest's clock an event's time may be."""
    max_fact_future: timedelta = timedelta(days=366)
    """How far ahead of it a fact may become effective."""


def owner_of(source: str, register: PublisherRegister) -> Publisher:
    """The publisher that a record's source names; over HTTP the request says who it is."""
    publisher = register.owner_of(source)
    if publisher is None:
        detail = "names no registered publisher; make it `/<publisher>` or a path below it"
        raise RefusedError(ErrorClass.UNKNOWN_PUBLISHER, FieldError("/source", detail))
    return publisher


def ensure_active(publisher: Publisher) -> None:
    """Refuse the records of a paused publisher; over HTTP its requests are refused before."""
    if publisher.paused is not None:
        detail = f"names a publisher that is paused: {publisher.paused}"
        raise RefusedError(ErrorClass.PAUSED, FieldError("/source", detail))


def vocabulary_for(
    controller: str, source: str, publisher: Publisher, rules: AdmissionRules
) -> Vocabulary:
    """The controller's vocabulary, if the publisher may publish about it under this source."""
    if not publisher.may_use(source):
        own = "`, `".join(publisher.own_sources)
        detail = f"is not the publisher's own; make it `{own}` or a path below"
        raise RefusedError(ErrorClass.FORBIDDEN, FieldError("/source", detail))
    vocabulary = rules.vocabularies.get(controller)
    if vocabulary is None or controller not in publisher.controllers:
        raise _refused_controller(controller, publisher, rules)
    return vocabulary


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


def in_utc(time: datetime) -> str:
    """RFC 3339 in UTC, the same text for the same instant. OverflowError at the calendar's ends."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None).isoformat() + "Z"
