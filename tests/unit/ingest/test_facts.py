"""Statements of facts: admission, `POST /v1/facts`, and the raw topic."""

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import httpx
import pytest

from purposewatch_contract import (
    FACT_TYPE,
    CanonicalEvent,
    CanonicalFact,
    DeadLetter,
    ErrorClass,
    read_example,
)
from purposewatch_contract.codec import FastFactCodec, fact_key, parse_fact_key
from purposewatch_ingest.admission import Admission, AdmittedFact, RefusedEvent
from purposewatch_ingest.content_modes import is_fact
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.publishers import Publisher, PublisherRegister, RateLimits, matches_fact
from purposewatch_ingest.raw import RawTopicHandler
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_policy.vocabulary import Authority, Taxonomy, TermEntry, Vocabulary
from purposewatch_runtime.kafka import DeadLetterLimit, DeadLetterPolicy
from tests.unit.conftest import SUBJECT_ID
from tests.unit.ingest.conftest import BATCHED, STRUCTURED, FakeProducer, problem
from tests.unit.ingest.test_http import MakeEvent
from tests.unit.ingest.test_raw import TOPIC, record

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CONSENT = "consent.marketing"


def fact(changes: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    """A statement of the publisher `crm`; a field that is None is left out."""
    document = {
        "specversion": "1.0",
        "id": "consent-1",
        "source": "/crm/consents",
        "type": FACT_TYPE,
        "time": "2026-03-02T08:15:00Z",
        **(changes or {}),
    }
    stated = {"controller": "wework-labs", "fact": CONSENT, "value": True, "subject_id": SUBJECT_ID}
    stated |= data
    document["data"] = {name: value for name, value in stated.items() if value is not None}
    return document


@pytest.fixture
def vocabulary(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary in which one fact is the ledger's."""
    ledger = TermEntry(CONSENT, authority=Authority.LEDGER, stated_by={"en": "The platform."})
    facts = {CONSENT: ledger, "visit.website": TermEntry("visit.website")}
    return replace(vocabulary, facts=Taxonomy("fact", facts))


@pytest.fixture
def publisher() -> Publisher:
    """A publisher that may state consents."""
    return Publisher("crm", frozenset({"wework-labs"}), states_facts=frozenset({"consent.*"}))


def admit(
    document: dict[str, Any], rules: AdmissionRules, publisher: Publisher | None, **options: Any
) -> AdmittedFact | RefusedEvent:
    """What becomes of a statement."""
    batch = Admission().batch(rules, options.pop("now", NOW))
    text = json.dumps(document).encode()
    return batch.admit_fact(text, publisher=publisher, **{"origin": "http"} | options)


def admitted(document: dict[str, Any], rules: AdmissionRules, publisher: Publisher) -> AdmittedFact:
    """One that is admitted."""
    result = admit(document, rules, publisher)
    assert isinstance(result, AdmittedFact), result
    return result


async def post(
    client: httpx.AsyncClient, content: object, content_type: str = STRUCTURED, **headers: str
) -> httpx.Response:
    """Post statements as JSON."""
    body = json.dumps(content).encode()
    return await client.post(
        "/v1/facts", content=body, headers={"content-type": content_type, **headers}
    )


def test_a_statement_becomes_canonical(rules: AdmissionRules, publisher: Publisher) -> None:
    """With everything, in UTC; the subject is the pseudonym that its events have."""
    document = fact(
        {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
        value=False,
        effective_from="2026-03-01T19:00:00+08:00",
        until="2026-04-01T00:00:00.5Z",
        evidence="consents/71",
    )
    result = admitted(document, rules, publisher)
    read = CanonicalFact.model_validate_json(result.value)
    assert read.data.subject == rules.pseudonymise("wework-labs", SUBJECT_ID) == result.subject
    assert (read.data.value, read.data.effective_from, read.data.until, read.data.evidence) == (
        False,
        datetime(2026, 3, 1, 11, tzinfo=UTC),
        datetime(2026, 4, 1, 0, 0, 0, 500_000, tzinfo=UTC),
        "consents/71",
    )
    assert (read.publisher, read.origin, read.acceptedtime) == ("crm", "http", NOW)
    assert result.traceparent == read.traceparent == document["traceparent"]
    assert SUBJECT_ID.encode() not in result.value + result.key
    decoded = FastFactCodec().decode(result.value)
    assert result.key == fact_key(decoded)
    assert parse_fact_key(result.key).subject == result.subject


def test_the_digest_is_of_type_time_and_data(rules: AdmissionRules, publisher: Publisher) -> None:
    """Names sorted, in UTC; a repeat has the same digest and key, other content another digest."""
    least = admitted(fact(), rules, publisher)
    first = CanonicalFact.model_validate_json(least.value)
    content = (
        f'["{FACT_TYPE}","2026-03-02T08:15:00Z",{{"controller":"wework-labs",'
        f'"effective_from":"2026-03-02T08:15:00Z","fact":"{CONSENT}",'
        f'"subject":"{least.subject}","value":true}}]'
    )
    assert first.contentdigest == blake2b(content.encode(), digest_size=16).hexdigest()
    repeat = fact({"time": "2026-03-02T16:15:00+08:00"}, effective_from="2026-03-02T08:15:00Z")
    again = admitted(repeat, rules, publisher)
    assert (again.key, again.value) == (least.key, least.value)
    for changed in ({"value": False}, {"until": "2027-01-01T00:00:00Z"}, {"evidence": "e"}):
        other = admitted(fact(**changed), rules, publisher)
        assert other.key == least.key
        assert CanonicalFact.model_validate_json(other.value).contentdigest != first.contentdigest


@pytest.mark.parametrize(
    ("document", "error_class", "field", "words"),
    [
        (fact(fact="consent.marketting"), "unknown_term", "/data/fact", f"`{CONSENT}`"),
        (fact(fact="zzz"), "unknown_term", "/data/fact", "look the term up"),
        (fact(fact="visit.website"), "invalid_event", "/data/fact", "`authority: ledger`"),
        (fact(controller="other"), "unknown_controller", "/data/controller", "unknown"),
        (fact(controller="linggan-house"), "forbidden", "/data/controller", "register"),
        (fact({"source": "/billing"}), "forbidden", "/source", "not the publisher's own"),
        (fact({"time": "2026-03-02T11:00:01Z"}), "implausible_time", "/time", "7200 seconds"),
        (fact({"time": "1969-03-02T11:00:01Z"}), "implausible_time", "/time", "1970"),
        (
            fact(effective_from="2027-03-03T09:00:01Z"),
            "implausible_time",
            "/data/effective_from",
            "more than 366 days ahead",
        ),
        (fact(value=None), "invalid_event", "/data/value", "missing"),
        (fact(until="2026-03-02T08:15:00Z"), "invalid_event", "/data/until", "after"),
    ],
)
def test_what_is_refused_is_named(
    document: dict[str, Any],
    error_class: str,
    field: str,
    words: str,
    *,
    rules: AdmissionRules,
    publisher: Publisher,
) -> None:
    """One error with the field, and what to do."""
    result = admit(document, rules, publisher)
    assert isinstance(result, RefusedEvent)
    [error] = result.error.errors
    assert (result.publisher, result.error.error_class, error.field) == ("crm", error_class, field)
    assert words in error.detail


def test_a_fact_may_take_effect_within_the_limit(
    rules: AdmissionRules, publisher: Publisher
) -> None:
    """At its end, and long ago; `until` may lie at the end of the calendar."""
    within: list[dict[str, Any]] = [
        {"effective_from": "2027-03-03T09:00:00Z"},
        {"effective_from": "1900-01-01T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
    ]
    for data in within:
        admitted(fact(**data), rules, publisher)
    document = fact(effective_from="2026-03-04T09:00:00Z")
    strict = replace(rules, max_fact_future=timedelta(days=1))
    assert isinstance(admit(document, strict, publisher), RefusedEvent)


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (set(), False),
        ({"consent"}, False),
        ({"consent.*"}, True),
        ({"consent.marketing"}, True),
        ({"consent.marketing.*"}, False),
        ({"consen.*", "loan.*"}, False),
        ({"loan.*", "*"}, True),
    ],
)
def test_a_right_to_state_is_a_pattern(
    patterns: set[str], *, allowed: bool, rules: AdmissionRules
) -> None:
    """Without one nothing may be stated; the facts that events may claim are no right to it."""
    some = Publisher(
        "crm",
        frozenset({"wework-labs"}),
        facts=frozenset({CONSENT}),
        states_facts=frozenset(patterns),
    )
    assert matches_fact(frozenset(patterns), CONSENT) is allowed
    result = admit(fact(), rules, some)
    if allowed:
        assert isinstance(result, AdmittedFact)
    else:
        assert isinstance(result, RefusedEvent)
        assert result.error.error_class is ErrorClass.FORBIDDEN
        assert "`states_facts`" in str(result.error)


async def test_statements_are_published_in_all_content_modes(
    client: httpx.AsyncClient, producer: FakeProducer, ingest: Ingest, rules: AdmissionRules
) -> None:
    """With the same record; in the partition of the subject's events."""
    document = fact()
    attributes = {f"ce-{name}": value for name, value in document.items() if name != "data"}
    responses = [
        await post(client, document),
        await post(client, [document], BATCHED),
        await post(client, document["data"], "application/json", **attributes),
    ]
    assert [(each.status_code, each.json()) for each in responses] == [(202, {"accepted": 1})] * 3
    assert len({(each.key, each.value) for each in producer.records}) == 1
    [published] = {each.topic for each in producer.records}
    assert published == "data-access.facts"
    subject = rules.pseudonymise("wework-labs", SUBJECT_ID)
    assert {each.partition for each in producer.records} == {int(subject[-8:], 16) % 6}
    text = ingest.metric_set
    counted = text.registry.get_sample_value(
        "purposewatch_ingest_facts_accepted_total", {"publisher": "crm", "transport": "http"}
    )
    assert counted == 3
    assert (
        text.registry.get_sample_value(
            "purposewatch_ingest_events_accepted_total", {"publisher": "crm", "transport": "http"}
        )
        is None
    )


async def test_one_refused_fact_refuses_the_request_unless_lenient(
    client: httpx.AsyncClient, producer: FakeProducer
) -> None:
    """With the index of the faulty one."""
    batch = [fact(), fact({"id": "c-2"}, fact="zzz"), fact({"id": "c-3"})]
    found = problem(await post(client, batch, BATCHED), 422, "invalid-fact")
    assert found["detail"] == "1 of 3 facts refused, so none was accepted; correct and resend"
    assert [(each["index"], each["field"]) for each in found["errors"]] == [(1, "/data/fact")]
    assert producer.records == []
    answer = await post(client, batch, BATCHED, Prefer="handling=lenient")
    assert (answer.status_code, answer.json()["accepted"], answer.json()["refused"]) == (202, 2, 1)
    assert len(producer.records) == 2


async def test_an_event_is_not_a_fact_and_a_fact_no_event(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent
) -> None:
    """Each has its own address."""
    found = problem(await post(client, event()), 422, "invalid-fact")
    assert "/type" in {each["field"] for each in found["errors"]}
    headers = {"content-type": STRUCTURED}
    answer = await client.post("/v1/events", content=json.dumps(fact()), headers=headers)
    found = problem(answer, 422, "invalid-event")
    assert "/type" in {each["field"] for each in found["errors"]}
    assert producer.records == []


async def test_facts_are_authenticated_and_limited_as_events_are(
    client: httpx.AsyncClient, producer: FakeProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key; too many in one request; Kafka away; and they count towards the publisher's quota."""
    problem(await post(client, fact(), Authorization="Bearer wrong"), 401, "unauthorized")
    many = [fact({"id": f"c-{number}"}) for number in range(1001)]
    found = problem(await post(client, many, BATCHED), 413, "too-large")
    assert "1001 facts" in found["detail"]
    problem(await post(client, fact(), "text/plain"), 415, "unsupported-media-type")
    producer.error = TimeoutError()
    found = problem(await post(client, fact()), 503, "kafka-unavailable")
    assert found["detail"].startswith("Kafka did not acknowledge the facts")
    producer.error = None
    limits = RateLimits(events_per_day=2)
    rights = frozenset({"*"})
    limited = Publisher("crm", frozenset({"wework-labs"}), limits=limits, states_facts=rights)
    monkeypatch.setattr(PublisherRegister, "holder_of", lambda *_: limited)
    assert (await post(client, many[:2], BATCHED)).status_code == 202
    problem(await post(client, fact()), 429, "quota-exceeded")


async def test_the_raw_topic_takes_facts_by_their_type(
    ingest: Ingest, producer: FakeProducer, event: MakeEvent
) -> None:
    """Beside events, in structured and binary mode; a refused one becomes a dead letter."""
    limit = DeadLetterLimit(DeadLetterPolicy(max_consecutive=9, max_ratio=1.0, window=100))
    handler = RawTopicHandler(
        ingest,
        producer,  # type: ignore[arg-type]
        limit,
        dead_letters_topic="data-access.dead-letters",
    )
    document = fact()
    headers = (
        ("content-type", b"application/json"),
        *((f"ce_{name}", str(value).encode()) for name, value in fact().items() if name != "data"),
    )
    await handler.handle(
        [
            record(json.dumps(document).encode(), 0),
            record(json.dumps(event()).encode(), 1),
            record(json.dumps(document["data"]).encode(), 2, headers=headers),
            record(json.dumps(fact(fact="zzz")).encode(), 3),
            record(json.dumps(fact({"source": "/nobody"})).encode(), 4),
        ]
    )
    first, second, other, *letters = producer.records
    # facts first: an event is decided with what was stated before it
    assert (first.topic, second.topic, other.topic) == (
        "data-access.facts",
        "data-access.facts",
        "data-access.events",
    )
    read = [CanonicalFact.model_validate_json(each.value) for each in (first, second)]
    assert [each.origin for each in read] == [f"{TOPIC}/2/0", f"{TOPIC}/2/2"]
    assert CanonicalEvent.model_validate_json(other.value).data.subject == read[0].data.subject
    assert first.partition == other.partition == second.partition
    assert [DeadLetter.model_validate_json(each.value).error_class for each in letters] == [
        ErrorClass.UNKNOWN_TERM,
        ErrorClass.UNKNOWN_PUBLISHER,
    ]
    value = ingest.metric_set.registry.get_sample_value
    labels = {"publisher": "crm", "transport": "kafka"}
    assert value("purposewatch_ingest_facts_accepted_total", labels) == 2
    assert value("purposewatch_ingest_events_accepted_total", labels) == 1


def test_the_type_tells_a_fact(event: MakeEvent) -> None:
    """Also when it is escaped, and not when the text stands elsewhere."""
    text = json.dumps(fact()).encode()
    assert is_fact(text)
    assert is_fact(text.replace(b'"purposewatch.fact.v1"', rb'"\u0070urposewatch.fact.v1"'))
    assert not is_fact(json.dumps(event()).encode())
    assert not is_fact(json.dumps(event({"subject_id": FACT_TYPE})).encode())
    assert not is_fact(text[:-1])
    assert not is_fact(json.dumps([fact()]).encode())


def test_the_example_of_the_contract_is_admitted(
    rules: AdmissionRules, vocabulary: Vocabulary
) -> None:
    """By a publisher of that name."""
    document = copy.deepcopy(dict(read_example("submitted-fact")))
    platform = Publisher(
        "consent-platform", frozenset({"wework-labs"}), states_facts=frozenset({"*"})
    )
    assert CONSENT in vocabulary.ledger_facts
    admitted(document, rules, platform)
