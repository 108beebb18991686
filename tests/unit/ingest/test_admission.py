"""Admission: vocabulary, ownership, time, pseudonym, digest, canonical form."""

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from purposewatch_contract import CanonicalEvent, ErrorClass
from purposewatch_contract.codec import FastEventCodec
from purposewatch_contract.submission import RefusedError
from purposewatch_ingest.admission import Admission, AdmittedEvent, RefusedEvent
from purposewatch_ingest.pseudonyms.derived import Pseudonymiser
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_policy import Kind, Outcome, decide, load_policies
from purposewatch_policy.vocabulary import OTHER_PERSON, Taxonomy, Vocabulary
from tests.unit.contract.codec.fast_path import fast_path_of

POLICIES = Path(__file__).parents[3] / "policies"

Admit: TypeAlias = Callable[..., AdmittedEvent]
MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture
def admission() -> Admission:
    """What all batches of a test share."""
    return Admission()


@pytest.fixture
def admit(
    admission: Admission, publisher: Publisher, rules: AdmissionRules, now: datetime
) -> Admit:
    """Admit a document under the rules, or raise the refusal."""

    def run(document: dict[str, Any], **changed: Any) -> AdmittedEvent:
        batch = admission.batch(changed.pop("rules", rules), changed.pop("now", now))
        options: dict[str, Any] = {"origin": "http", "publisher": publisher} | changed
        result = batch.admit(json.dumps(document).encode(), **options)
        if isinstance(result, RefusedEvent):
            raise result.error
        return result

    return run


def canonical(event: AdmittedEvent) -> CanonicalEvent:
    """Read the canonical event back, as the auditor does."""
    return CanonicalEvent.model_validate_json(event.value, strict=True)


def refused(admit: Admit, document: dict[str, Any]) -> RefusedError:
    """The refusal of a document."""
    with pytest.raises(RefusedError) as raised:
        admit(document)
    return raised.value


def test_canonical_event_keeps_everything_but_the_subject(
    admit: Admit, event: MakeEvent, now: datetime
) -> None:
    """The canonical event satisfies its own contract and says what was submitted."""
    facts = {"consent.marketing": True}
    extra = {"source": "employer", "location": "eu", "retention_days": 0, "legal_basis": "consent"}
    document = event({**extra, "facts": facts, "data_categories": ["user.name", "user.contact"]})
    result = admit(document)
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


def test_digest_is_equal_for_a_repeat(admit: Admit, event: MakeEvent) -> None:
    """A repeat has the same digest however it is written down, and whenever it arrives."""
    facts = {"facts": {"consent.marketing": True}, "data_categories": ["user.name", "user"]}
    first = canonical(admit(event(facts)))
    reordered = event({**facts, "data_categories": ["user", "user.name"]})
    reordered["time"] = "2026-03-02T09:15:00+01:00"
    later = datetime(2026, 3, 3, tzinfo=UTC)
    repeat = canonical(admit(reordered, now=later, origin="data-access.raw/0/7"))
    assert first.contentdigest == repeat.contentdigest


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "essential.service"},
        {"subject_id": "customer-4712"},
        {"retention_days": 1},
        {"count": 2},
        {"facts": {"consent.marketing": False}},
        {"data_categories": ["user.contact.email", "user.name"]},
    ],
)
def test_digest_differs_for_other_content(
    admit: Admit, event: MakeEvent, change: dict[str, Any]
) -> None:
    """The same id with other content can be distinguished from a repeat."""
    first = canonical(admit(event()))
    other = canonical(admit(event(change)))
    assert first.id == other.id
    assert first.contentdigest != other.contentdigest


def test_digest_is_the_documented_one(admit: Admit, event: MakeEvent) -> None:
    """The digest can be computed by others from what is documented."""
    read = canonical(admit(event()))
    text = (
        '["purposewatch.data_access.v1","2026-03-02T08:15:00Z",{"controller":"wework-labs",'
        '"data_categories":["user.contact.email"],"facts":{},"operation":"share",'
        '"purpose":"marketing.advertising","recipient":"third_party.advertising",'
        f'"role":"member","subject":"{read.data.subject}"}}]'
    )
    assert blake2b(text.encode(), digest_size=16).hexdigest() == read.contentdigest


def test_digest_of_a_count_is_the_documented_one(admit: Admit, event: MakeEvent) -> None:
    """Under its name, in the order of names; a count of 1 is the same as none."""
    read = canonical(admit(event({"count": 250})))
    text = (
        '["purposewatch.data_access.v1","2026-03-02T08:15:00Z",{"controller":"wework-labs",'
        '"count":250,"data_categories":["user.contact.email"],"facts":{},"operation":"share",'
        '"purpose":"marketing.advertising","recipient":"third_party.advertising",'
        f'"role":"member","subject":"{read.data.subject}"}}]'
    )
    assert blake2b(text.encode(), digest_size=16).hexdigest() == read.contentdigest
    one = canonical(admit(event({"count": 1})))
    assert one.contentdigest == canonical(admit(event())).contentdigest


def test_count_is_passed_on(admit: Admit, event: MakeEvent) -> None:
    """The canonical event states it, unless it is 1."""
    counted, one = admit(event({"count": 250})), admit(event({"count": 1}))
    assert canonical(counted).data.count == 250
    assert canonical(one).data.count == 1
    assert b'"count"' not in one.value


@pytest.mark.parametrize("count", [0, -1, 1_000_001, 2.0, "2", True])
def test_count_out_of_range_is_refused(admit: Admit, event: MakeEvent, count: object) -> None:
    """With its place and the range."""
    with pytest.raises(RefusedError, match="1 to 1000000") as refused:
        admit(event({"count": count}))
    assert [error.field for error in refused.value.errors] == ["/data/count"]


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
    admit: Admit, event: MakeEvent, field: str, term: str, suggested: str
) -> None:
    """An unknown term is not quoted, but the nearest one of the vocabulary is suggested."""
    refusal = refused(admit, event({field: term}))
    assert refusal.error_class is ErrorClass.UNKNOWN_TERM
    assert [f"/data/{field}"] == [error.field for error in refusal.errors]
    assert f"did you mean `{suggested}`?" in str(refusal)
    assert f"`{term}`" not in str(refusal)


def test_unknown_role_is_answered_with_the_role_for_others(
    admit: Admit, event: MakeEvent, rules: AdmissionRules, vocabulary: Vocabulary
) -> None:
    """The refusal names the role for people whom the policy does not speak of, if there is one."""
    with_role = replace(vocabulary, roles=Taxonomy.of("role", "member", OTHER_PERSON))
    rules = replace(rules, vocabularies={"wework-labs": with_role})
    with pytest.raises(RefusedError) as refusal:
        admit(event({"role": "applicant"}), rules=rules)
    [error] = refusal.value.errors
    assert error.detail.endswith(
        "; for a person whom the policy does not speak of, state `other_person`"
    )
    assert OTHER_PERSON not in refused(admit, event({"role": "applicant"})).errors[0].detail


@pytest.mark.parametrize("controller", ["wework-labs", "linggan-house"])
def test_role_for_others_reaches_compliance(
    admit: Admit, event: MakeEvent, rules: AdmissionRules, controller: str
) -> None:
    """By the policies at hand, an event about such a person is admitted and a violation."""
    policies = load_policies(POLICIES)
    rules = replace(rules, vocabularies=policies.vocabularies)
    publisher = Publisher("crm", frozenset({controller}))
    admitted = admit(
        event(
            {
                "controller": controller,
                "role": OTHER_PERSON,
                "operation": "use",
                "purpose": "essential.service.provision",
                "recipient": "first_party",
                "data_categories": ["user.contact.phone_number"],
            }
        ),
        rules=rules,
        publisher=publisher,
    )
    decision = decide(canonical(admitted).data, datetime(2026, 3, 2, tzinfo=UTC), policies)
    assert (decision.outcome, decision.kind) == (Outcome.VIOLATION, Kind.UNDECLARED_ROLE)


def test_unknown_categories_and_facts_are_refused(admit: Admit, event: MakeEvent) -> None:
    """Each unknown category and fact is an error of its own; a category's names its index."""
    categories = ["user.nme", "user.name", "zzz"]
    document = event({"data_categories": categories, "facts": {"consent.markting": True}})
    refusal = refused(admit, document)
    assert [error.field for error in refusal.errors] == [
        "/data/data_categories/0",
        "/data/data_categories/2",
        "/data/facts",
    ]
    assert "`user.name`" in refusal.errors[0].detail
    assert "look the term up" in refusal.errors[1].detail


def test_unknown_controller_is_refused_with_the_nearest_of_the_publishers_own(
    admit: Admit, event: MakeEvent
) -> None:
    """A misspelt controller is suggested only if it is the publisher's business."""
    refusal = refused(admit, event({"controller": "wework-lab"}))
    assert refusal.error_class is ErrorClass.UNKNOWN_CONTROLLER
    assert "`wework-labs`" in str(refusal)
    assert "linggan" not in str(refused(admit, event({"controller": "linggan-hous"})))


def test_controller_of_others_is_forbidden(admit: Admit, event: MakeEvent) -> None:
    """A publisher speaks only for the controllers in its register entry."""
    refusal = refused(admit, event({"controller": "linggan-house"}))
    assert refusal.error_class is ErrorClass.FORBIDDEN


@pytest.mark.parametrize("source", ["/crmx", "/crmx/y", "/billing", "/billing/crm"])
def test_source_of_others_is_forbidden(admit: Admit, event: MakeEvent, source: str) -> None:
    """A publisher speaks only under its own name."""
    refusal = refused(admit, event(source=source))
    assert refusal.error_class is ErrorClass.FORBIDDEN
    assert [error.field for error in refusal.errors] == ["/source"]


@pytest.mark.parametrize("source", ["/crm", "/crm/a/b/c/d"])
def test_own_source_is_admit(admit: Admit, event: MakeEvent, source: str) -> None:
    """The publisher's own name and paths below it are fine."""
    assert source == canonical(admit(event(source=source))).source


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
def test_implausible_time_is_refused(admit: Admit, event: MakeEvent, instant: str) -> None:
    """A time far ahead of the clock of ingest, or before 1970, is refused, whatever the offset."""
    assert refused(admit, event(time=instant)).error_class is ErrorClass.IMPLAUSIBLE_TIME


def test_time_too_far_ahead_is_told_the_bound(admit: Admit, event: MakeEvent) -> None:
    """The refusal says how far ahead of the clock of ingest a time may be."""
    [error] = refused(admit, event(time="2026-03-02T11:00:01Z")).errors
    assert error.detail.startswith("is more than 7200 seconds ahead of the clock of ingest;")


@pytest.mark.parametrize("instant", ["2026-03-02T11:00:00Z", "1970-01-01T00:00:00Z"])
def test_clock_that_is_an_hour_off_is_survived(
    admit: Admit, event: MakeEvent, instant: str
) -> None:
    """Up to the limit, times ahead of the clock of ingest are admitted."""
    assert instant == canonical(admit(event(time=instant))).time.isoformat().replace("+00:00", "Z")


def test_traceparent_of_the_event_goes_before_the_transports(
    admit: Admit, event: MakeEvent
) -> None:
    """The event's own trace context is passed on; the transport's only in its absence."""
    own, transport = (
        "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "00-" + "c" * 32 + "-" + "d" * 16 + "-00",
    )
    assert own == admit(event(traceparent=own), traceparent=transport).traceparent
    result = admit(event(), traceparent=transport)
    assert transport == result.traceparent == canonical(result).traceparent


def test_masses_of_unknown_terms_are_cheap(admit: Admit, event: MakeEvent) -> None:
    """Looking for suggestions does not turn a hostile event into a load."""
    categories = [f"user.contct.emai{n}" for n in range(64)]
    facts = {f"consent.marketin{n}": True for n in range(32)}
    started = time.process_time()
    refusal = refused(admit, event({"data_categories": categories, "facts": facts}))
    assert len(refusal.errors) == 16
    assert time.process_time() - started < 0.1


def test_admission_is_quick(event: MakeEvent, admit: Admit) -> None:
    """An event of a new flow takes some tens of microseconds; 10 times that is a regression."""
    documents = [event({"retention_days": number}) for number in range(1_000)]
    started = time.process_time()
    for document in documents:
        admit(document)
    assert (time.process_time() - started) / len(documents) < 0.0004


def test_future_limit_is_a_setting(event: MakeEvent, rules: AdmissionRules, admit: Admit) -> None:
    """With no allowance even a second ahead is refused."""
    strict = replace(rules, max_future=timedelta(0))
    with pytest.raises(RefusedError):
        admit(event(time="2026-03-02T09:00:01Z"), rules=strict)


@pytest.mark.parametrize("cached", [False, True])
def test_cached_flow_is_admitted_under_the_rules_in_force(
    *, admit: Admit, event: MakeEvent, rules: AdmissionRules, vocabulary: Vocabulary, cached: bool
) -> None:
    """A reloaded vocabulary, another publisher, another key: the answer is as for a new flow."""
    if cached:
        admit(event())
    without = replace(vocabulary, roles=Vocabulary.of(roles=["mentor"]).roles)
    for changed, error_class in (
        ({"rules": replace(rules, vocabularies={"wework-labs": without})}, ErrorClass.UNKNOWN_TERM),
        ({"publisher": Publisher("shop", frozenset({"wework-labs"}))}, ErrorClass.FORBIDDEN),
        ({"publisher": Publisher("crm", frozenset({"linggan-house"}))}, ErrorClass.FORBIDDEN),
    ):
        with pytest.raises(RefusedError) as refusal:
            admit(event(), **changed)
        assert error_class is refusal.value.error_class
    other = replace(rules, pseudonymise=Pseudonymiser(b"x" * 32, "2"))
    assert admit(event(), rules=other).key.startswith(b"psn:2:")
    assert admit(event()).key.startswith(b"psn:1:")


def test_what_was_refused_is_not_cached(
    admit: Admit, admission: Admission, event: MakeEvent
) -> None:
    """A term outside the vocabulary may be free text about a person."""
    refused(admit, event({"role": "alice"}))
    assert not admission.flows._entries
    assert not admission.submissions._flows._entries


def test_cached_and_new_flows_give_the_same_event(admit: Admit, event: MakeEvent) -> None:
    """The cache changes nothing but the speed."""
    facts = {"facts": {"consent.marketing": True}, "data_categories": ["user.name", "user"]}
    assert admit(event(facts)) == admit(event(facts))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("origin", ["http", "data-access.raw/3/17"])
def test_canonical_event_is_in_the_notation_of_the_fast_codec(
    *, admit: Admit, event: MakeEvent, full: bool, traced: bool, origin: str
) -> None:
    """Otherwise the auditor would need several times as long for it."""
    extra = {
        "source": "employer",
        "location": "eu",
        "retention_days": 365,
        "legal_basis": "consent",
        "facts": {"consent.marketing": False},
    }
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01" if traced else None
    result = admit(event(extra if full else {}), origin=origin, traceparent=trace)
    decoded = fast_path_of(FastEventCodec()).decode(result.value)
    assert (decoded.origin, decoded.traceparent) == (origin, trace)


def test_publisher_uses_only_the_sources_that_it_has(admit: Admit, event: MakeEvent) -> None:
    """Those listed and all below them; the error names them."""
    some = Publisher("crm", frozenset({"wework-labs"}), sources=("/crm/newsletter", "/crm/shop"))
    for source in ("/crm/newsletter", "/crm/newsletter/weekly", "/crm/shop"):
        admit(event(source=source), publisher=some)
    for source in ("/crm", "/crm/newsletters", "/crm/other", "/billing"):
        with pytest.raises(RefusedError) as raised:
            admit(event(source=source), publisher=some)
        assert raised.value.error_class is ErrorClass.FORBIDDEN
        assert "`/crm/newsletter`, `/crm/shop`" in str(raised.value)


def test_publisher_states_only_the_facts_that_it_may(admit: Admit, event: MakeEvent) -> None:
    """Whether it says that they hold or not; the error names the fact, which the vocabulary has."""
    facts = {"facts": {"consent.marketing": False}}
    allowed = Publisher("crm", frozenset({"wework-labs"}), facts=frozenset({"consent.marketing"}))
    admit(event(facts), publisher=allowed)
    other = Publisher("crm", frozenset({"wework-labs"}), facts=frozenset({"loan.overdue"}))
    admit(event(), publisher=other)
    for _ in range(2):  # also with a flow that is cached
        with pytest.raises(RefusedError) as raised:
            admit(event(facts), publisher=other)
        assert raised.value.error_class is ErrorClass.FORBIDDEN
        [fault] = raised.value.errors
        assert fault.field == "/data/facts/consent.marketing"
