"""Admission: vocabulary, ownership, time, pseudonym, digest, canonical form."""

import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeAlias

import pytest

from purposewatch_contract import CanonicalEvent, ErrorClass
from purposewatch_contract.submission import RefusedError, read_event
from purposewatch_ingest.admission import AdmissionRules, AdmittedEvent, Pseudonymiser, admit
from purposewatch_ingest.publishers import Publisher

Admit: TypeAlias = Callable[..., AdmittedEvent]
MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture
def admitted(publisher: Publisher, rules: AdmissionRules, now: datetime) -> Admit:
    """Admit a document under the rules."""

    def run(document: dict[str, Any], **changed: Any) -> AdmittedEvent:
        options: dict[str, Any] = {"now": now, "origin": "http"} | changed
        return admit(read_event(document), publisher, rules, **options)

    return run


def canonical(event: AdmittedEvent) -> CanonicalEvent:
    """Read the canonical event back, as the auditor does."""
    return CanonicalEvent.model_validate_json(event.value, strict=True)


def refused(admitted: Admit, document: dict[str, Any]) -> RefusedError:
    """The refusal of a document."""
    with pytest.raises(RefusedError) as raised:
        admitted(document)
    return raised.value


def test_canonical_event_keeps_everything_but_the_subject(
    admitted: Admit, event: MakeEvent, now: datetime
) -> None:
    """The canonical event satisfies its own contract and says what was submitted."""
    facts = {"consent.marketing": True}
    extra = {"source": "employer", "location": "eu", "retention_days": 0, "legal_basis": "consent"}
    document = event({**extra, "facts": facts, "data_categories": ["user.name", "user.contact"]})
    result = admitted(document)
    read = canonical(result)
    assert (
        read.id,
        read.source,
        read.publisher,
        read.origin,
    ) == ("e-1", "/crm/newsletter", "crm", "http")
    assert now == read.acceptedtime
    assert datetime(2026, 3, 2, 8, 15, tzinfo=UTC) == read.time
    assert read.data.data_categories == ("user.name", "user.contact")
    assert facts == read.data.facts
    assert extra == {name: getattr(read.data, name) for name in extra}
    assert result.key == read.data.subject.encode()
    assert b"customer-4711" not in result.value


def test_pseudonym_is_keyed_and_bound_to_the_controller() -> None:
    """The pseudonym is the documented HMAC, and differs by key, controller and subject."""
    pseudonymise = Pseudonymiser(b"k" * 32, "7")
    expected = hmac.new(b"k" * 32, b"wework-labs\0customer-4711", "sha256").hexdigest()[:32]
    assert f"psn:7:{expected}" == pseudonymise("wework-labs", "customer-4711")
    others = {
        pseudonymise("linggan-house", "customer-4711"),
        pseudonymise("wework-labs", "customer-4712"),
        Pseudonymiser(b"x" * 32, "7")("wework-labs", "customer-4711"),
        pseudonymise("wework-labs", "名前 \U0001f600"),
    }
    assert len(others | {f"psn:7:{expected}"}) == 5


def test_digest_is_equal_for_a_repeat(admitted: Admit, event: MakeEvent) -> None:
    """A repeat has the same digest however it is written down, and whenever it arrives."""
    facts = {"facts": {"consent.marketing": True}, "data_categories": ["user.name", "user"]}
    first = canonical(admitted(event(facts)))
    reordered = event({**facts, "data_categories": ["user", "user.name"]})
    reordered["time"] = "2026-03-02T09:15:00+01:00"
    later = datetime(2026, 3, 3, tzinfo=UTC)
    repeat = canonical(admitted(reordered, now=later, origin="data-access.raw/0/7"))
    assert first.contentdigest == repeat.contentdigest


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "essential.service"},
        {"subject_id": "customer-4712"},
        {"retention_days": 1},
        {"facts": {"consent.marketing": False}},
        {"data_categories": ["user.contact.email", "user.name"]},
    ],
)
def test_digest_differs_for_other_content(
    admitted: Admit, event: MakeEvent, change: dict[str, Any]
) -> None:
    """The same id with other content can be told from a repeat."""
    first = canonical(admitted(event()))
    other = canonical(admitted(event(change)))
    assert first.id == other.id
    assert first.contentdigest != other.contentdigest


def test_digest_is_the_documented_one(admitted: Admit, event: MakeEvent) -> None:
    """The digest can be computed by others from what is documented."""
    read = canonical(admitted(event()))
    text = (
        '["purposewatch.data_access.v1","2026-03-02T08:15:00Z",{"controller":"wework-labs",'
        '"data_categories":["user.contact.email"],"facts":{},"operation":"share",'
        '"purpose":"marketing.advertising","recipient":"third_party.advertising",'
        f'"role":"member","subject":"{read.data.subject}"}}]'
    )
    assert blake2b(text.encode(), digest_size=16).hexdigest() == read.contentdigest


@pytest.mark.parametrize(
    ("field", "term", "suggested"),
    [
        ("role", "membr", "member"),
        ("operation", "shared", "share"),
        ("purpose", "marketing.advertizing", "marketing.advertising"),
        ("recipient", "third_party.adverts", "third_party.advertising"),
        ("source", "employers", "employer"),
        ("location", "euu", "eu"),
        ("legal_basis", "consents", "consent"),
    ],
)
def test_unknown_term_is_refused_with_the_nearest(
    admitted: Admit, event: MakeEvent, field: str, term: str, suggested: str
) -> None:
    """An unknown term is not quoted, but the nearest one of the vocabulary is suggested."""
    refusal = refused(admitted, event({field: term}))
    assert refusal.error_class is ErrorClass.UNKNOWN_TERM
    assert [f"/data/{field}"] == [error.field for error in refusal.errors]
    assert f"did you mean `{suggested}`?" in str(refusal)
    assert f"`{term}`" not in str(refusal)


def test_unknown_categories_and_facts_are_refused(admitted: Admit, event: MakeEvent) -> None:
    """Each unknown category and fact is an error of its own."""
    document = event({"data_categories": ["user.nme", "zzz"], "facts": {"consent.markting": True}})
    refusal = refused(admitted, document)
    assert [error.field for error in refusal.errors] == [
        "/data/data_categories",
        "/data/data_categories",
        "/data/facts",
    ]
    assert "`user.name`" in refusal.errors[0].detail
    assert "look the term up" in refusal.errors[1].detail


def test_unknown_controller_is_refused_with_the_nearest_of_the_publishers_own(
    admitted: Admit, event: MakeEvent
) -> None:
    """A misspelt controller is suggested only if it is the publisher's business."""
    refusal = refused(admitted, event({"controller": "wework-lab"}))
    assert refusal.error_class is ErrorClass.UNKNOWN_CONTROLLER
    assert "`wework-labs`" in str(refusal)
    assert "linggan" not in str(refused(admitted, event({"controller": "linggan-hous"})))


def test_controller_of_others_is_forbidden(admitted: Admit, event: MakeEvent) -> None:
    """A publisher speaks only for the controllers in its register entry."""
    refusal = refused(admitted, event({"controller": "linggan-house"}))
    assert refusal.error_class is ErrorClass.FORBIDDEN


@pytest.mark.parametrize("source", ["/crmx", "/crmx/y", "/billing", "/billing/crm"])
def test_source_of_others_is_forbidden(admitted: Admit, event: MakeEvent, source: str) -> None:
    """A publisher speaks only under its own name."""
    refusal = refused(admitted, event(source=source))
    assert refusal.error_class is ErrorClass.FORBIDDEN
    assert [error.field for error in refusal.errors] == ["/source"]


@pytest.mark.parametrize("source", ["/crm", "/crm/a/b/c/d"])
def test_own_source_is_admitted(admitted: Admit, event: MakeEvent, source: str) -> None:
    """The publisher's own name and paths below it are fine."""
    assert source == canonical(admitted(event(source=source))).source


@pytest.mark.parametrize(
    "instant",
    [
        "2026-03-02T11:00:00.000001Z",
        "2126-03-02T08:15:00Z",
        "9999-12-31T23:59:59.999999-23:59",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59Z",
    ],
)
def test_implausible_time_is_refused(admitted: Admit, event: MakeEvent, instant: str) -> None:
    """A time far ahead of the gate's clock, or before 1970, is refused, whatever the offset."""
    assert refused(admitted, event(time=instant)).error_class is ErrorClass.IMPLAUSIBLE_TIME


@pytest.mark.parametrize("instant", ["2026-03-02T11:00:00Z", "1970-01-01T00:00:00Z"])
def test_clock_that_is_an_hour_off_is_survived(
    admitted: Admit, event: MakeEvent, instant: str
) -> None:
    """Up to the limit, times ahead of the gate's clock are admitted."""
    assert instant == canonical(admitted(event(time=instant))).time.isoformat().replace(
        "+00:00", "Z"
    )


def test_traceparent_of_the_event_goes_before_the_transports(
    admitted: Admit, event: MakeEvent
) -> None:
    """The event's own trace context is passed on; the transport's only in its absence."""
    own, transport = (
        "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "c" * 32 + "-" + "d" * 16 + "-00",
    )
    assert own == admitted(event(traceparent=own), traceparent=transport).traceparent
    result = admitted(event(), traceparent=transport)
    assert transport == result.traceparent == canonical(result).traceparent


def test_masses_of_unknown_terms_are_cheap(admitted: Admit, event: MakeEvent) -> None:
    """Looking for suggestions does not turn a hostile event into a load."""
    categories = [f"user.contct.emai{n}" for n in range(64)]
    facts = {f"consent.marketin{n}": True for n in range(32)}
    started = time.perf_counter()
    refusal = refused(admitted, event({"data_categories": categories, "facts": facts}))
    assert len(refusal.errors) == 16
    assert time.perf_counter() - started < 0.1


def test_admission_is_quick(
    event: MakeEvent, publisher: Publisher, rules: AdmissionRules, now: datetime
) -> None:
    """Contract and admission take some tens of microseconds; 10 times that is a regression."""
    read = [event(id=f"e-{n}") for n in range(1_000)]
    started = time.perf_counter()
    for document in read:
        admit(read_event(document), publisher, rules, now=now, origin="http")
    assert (time.perf_counter() - started) / len(read) < 0.0004


def test_future_limit_is_a_setting(
    event: MakeEvent, publisher: Publisher, rules: AdmissionRules, now: datetime
) -> None:
    """With no allowance even a second ahead is refused."""
    strict = AdmissionRules(rules.vocabularies, rules.pseudonymise, timedelta(0))
    with pytest.raises(RefusedError):
        admit(
            read_event(event(time="2026-03-02T09:00:01Z")),
            publisher,
            strict,
            now=now,
            origin="http",
        )
