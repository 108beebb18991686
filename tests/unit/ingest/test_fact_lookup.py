"""`GET /v1/facts`: what is stated about a subject, also as records of consent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from purposewatch_contract import SubjectFacts
from purposewatch_ingest.http.facts.consent_record import consent_records
from purposewatch_ingest.http.facts.lookup import JSON_LD
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms, Pseudonymiser
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.reporter import ReporterUnavailableError
from purposewatch_ingest.rights import AdmissionRules
from purposewatch_policy import Effect, Policy, PolicySet, Statement
from purposewatch_policy.vocabulary import Vocabulary
from tests.unit.conftest import SUBJECT_ID
from tests.unit.ingest.conftest import FakeReporter, problem

ASKED = {"controller": "wework-labs", "subject_id": SUBJECT_ID}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def stated(fact: str = "consent.marketing", **changes: Any) -> dict[str, Any]:
    """A statement as the reporter tells it."""
    return {
        "fact": fact,
        "value": True,
        "effective_from": "2026-03-01T08:00:00Z",
        "until": None,
        "statement": "c-1",
        "source": "/crm/consents",
        "publisher": "crm",
        "evidence": "consents/71",
        "stated_time": "2026-03-01T08:00:01Z",
        "accepted_time": "2026-03-01T08:00:02Z",
        "in_force": True,
        **changes,
    }


@pytest.fixture
def publisher() -> Publisher:
    """A publisher that may look consents up."""
    rights = frozenset({"consent.*"})
    return Publisher("crm", frozenset({"wework-labs"}), reads_facts=rights)


@pytest.fixture
def pseudonym(rules: AdmissionRules) -> str:
    """Of the subject that is asked about."""
    return rules.pseudonymise("wework-labs", SUBJECT_ID)


async def test_a_publisher_sees_the_facts_that_it_may_read(
    client: httpx.AsyncClient, reporter: FakeReporter, pseudonym: str, now: datetime
) -> None:
    """As of now or another time; others are left out; no pseudonym is shown."""
    reporter.facts = {pseudonym: [stated(), stated("loan.overdue")]}
    answer = await client.get("/v1/facts", params=ASKED)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["statements"] == [stated()]
    assert pseudonym not in answer.text
    params = {**ASKED, "as_of": "2026-01-01T00:00:00+08:00", "fact": "consent.marketing"}
    await client.get("/v1/facts", params=params)
    assert reporter.asked == [
        ("wework-labs", pseudonym, now, None),
        ("wework-labs", pseudonym, datetime(2025, 12, 31, 16, tzinfo=UTC), "consent.marketing"),
    ]


async def test_what_is_stated_under_a_former_pseudonym_is_not_in_force(
    client: httpx.AsyncClient, reporter: FakeReporter, pseudonym: str, ingest: Ingest
) -> None:
    """It is shown, but events have another pseudonym by now."""
    former = Pseudonymiser(b"o" * 32, "0")("wework-labs", SUBJECT_ID)
    keys = [SubjectKey("0", b"o" * 32), SubjectKey("1", b"k" * 32, NOON - timedelta(days=9))]
    ring = KeyRing({ALL_OTHERS: keys})
    object.__setattr__(ingest, "pseudonyms", DerivedPseudonyms(lambda: ring))
    reporter.facts = {pseudonym: [stated()], former: [stated(statement="c-0")]}
    found = (await client.get("/v1/facts", params=ASKED)).json()["statements"]
    assert [(each["statement"], each["in_force"]) for each in found] == [
        ("c-1", True),
        ("c-0", False),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "name"),
    [
        ({"controller": ""}, 400, "invalid-query"),
        ({"subject_id": ""}, 400, "invalid-query"),
        ({"subject_id": "a\nb"}, 400, "invalid-query"),
        ({"subject_id": "x" * 257}, 400, "invalid-query"),
        ({"fact": "Two Words"}, 400, "invalid-query"),
        ({"as_of": "yesterday"}, 400, "invalid-query"),
        ({"as_of": "2026-03-02T09:00:00"}, 400, "invalid-query"),
        ({"as_of": "2026-02-30T09:00:00Z"}, 400, "invalid-query"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, 400, "invalid-query"),
        ({"fact": "loan.overdue"}, 403, "forbidden"),
        ({"controller": "linggan-house"}, 404, "not-found"),
        ({"controller": "unheard-of"}, 404, "not-found"),
    ],
)
async def test_what_may_not_be_asked_is_refused(
    client: httpx.AsyncClient,
    reporter: FakeReporter,
    changes: dict[str, str],
    status: int,
    name: str,
) -> None:
    """The reporter is not asked, and nothing that was sent is quoted."""
    found = problem(await client.get("/v1/facts", params={**ASKED, **changes}), status, name)
    assert reporter.asked == []
    assert "yesterday" not in found["detail"]


class TestWithoutTheRight:
    """A publisher without `reads_facts`."""

    @pytest.fixture
    def publisher(self) -> Publisher:
        """One that may state facts."""
        rights = frozenset({"*"})
        return Publisher("crm", frozenset({"wework-labs"}), states_facts=rights)

    async def test_nothing_may_be_looked_up(
        self, client: httpx.AsyncClient, reporter: FakeReporter
    ) -> None:
        """Stating is another right."""
        problem(await client.get("/v1/facts", params=ASKED), 403, "forbidden")
        assert reporter.asked == []


async def test_without_the_reporter_the_publisher_asks_later(
    client: httpx.AsyncClient, reporter: FakeReporter
) -> None:
    """As for the status of events."""
    reporter.error = ReporterUnavailableError("status 500")
    answer = await client.get("/v1/facts", params=ASKED)
    problem(answer, 503, "reporter-unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_consents_are_given_out_as_records(
    client: httpx.AsyncClient, reporter: FakeReporter, pseudonym: str
) -> None:
    """One for each consent, with what happened to it; no pseudonym is shown."""
    reporter.facts = {
        pseudonym: [
            stated(statement="c-2", value=False, effective_from="2026-03-02T08:00:00Z"),
            stated(in_force=False),
        ]
    }
    answer = await client.get("/v1/facts", params=ASKED, headers={"Accept": JSON_LD})
    assert answer.headers["content-type"] == JSON_LD
    [record] = answer.json()["@graph"]
    assert record["@type"] == "dpv:ConsentRecord"
    assert record["dct:conformsTo"] == {"@id": "https://w3id.org/dpv/schema/dpv-27560#record"}
    assert record["dpv:hasDataSubject"]["dct:identifier"] == SUBJECT_ID
    assert record["dpv:hasDataController"]["dct:identifier"] == "wework-labs"
    assert [
        (each["@type"], each["dpv:isIndicatedAtTime"]["@value"], each["dct:source"])
        for each in record["dpv:hasConsentStatus"]
    ] == [
        ("dpv:ConsentGiven", "2026-03-01T08:00:00Z", "consents/71"),
        ("dpv:ConsentWithdrawn", "2026-03-02T08:00:00Z", "consents/71"),
    ]
    assert pseudonym not in answer.text


def record_of(*statements: dict[str, Any], policies: PolicySet | None = None) -> dict[str, Any]:
    """The one record that statements give at noon."""
    found = SubjectFacts.model_validate({"as_of": NOON, "statements": list(statements)})
    policy = None if policies is None else policies.in_force("wework-labs", NOON)
    [record] = consent_records("wework-labs", "4711", found, policy)["@graph"]
    made: dict[str, Any] = record
    return made


def test_a_record_says_what_the_policy_permits_with_the_consent(vocabulary: Vocabulary) -> None:
    """In the concepts of the vocabulary's terms; prohibitions and other statements are left out."""
    purposes = vocabulary.purposes
    entry = replace(purposes["marketing"], iri="https://w3id.org/dpv#Marketing")
    known = replace(
        vocabulary, purposes=type(purposes)("purpose", {**purposes, "marketing": entry})
    )
    advertising = Statement(
        "members.advertising",
        "members.2",
        Effect.PERMIT,
        data_categories=("user.contact",),
        operations=("share",),
        purposes=("marketing",),
        recipients=("third_party",),
        retention_days=30,
        when=("consent.marketing",),
    )
    other = replace(advertising, id="members.other", when=())
    prohibition = replace(advertising, id="members.never", effect=Effect.PROHIBIT)
    policy = Policy(
        controller="wework-labs",
        version="1",
        in_force_from=datetime(2026, 1, 1, tzinfo=UTC),
        in_force_until=None,
        statements=(advertising, other, prohibition),
    )
    policies = PolicySet({"wework-labs": known}, [policy])
    [process] = record_of(stated(), policies=policies)["dpv:hasProcess"]
    assert process["dct:identifier"] == "members.advertising"
    assert process["dpv:hasPurpose"] == [
        {
            "@id": "https://w3id.org/dpv#Marketing",
            "dct:identifier": "marketing",
            "dct:title": "marketing",
        }
    ]
    assert process["dpv:hasRecipient"] == [
        {"dct:identifier": "third_party", "dct:title": "third_party"}
    ]
    assert process["dpv:hasStorageCondition"]["dpv:hasDuration"] == "P30D"
    assert "dpv:hasLocation" not in process


@pytest.mark.parametrize(
    ("statements", "events"),
    [
        ([stated(value=False)], ["Refused"]),
        ([stated(until="2026-03-02T12:00:00Z")], ["Given", "Expired"]),
        ([stated(until="2026-03-02T12:00:01Z")], ["Given"]),
        ([stated(), stated(value=False, stated_time="2026-03-01T09:00:00Z")], ["Refused"]),
        ([stated(value=False, stated_time="2026-03-01T07:00:00Z"), stated()], ["Given"]),
    ],
)
def test_events_of_a_consent(statements: list[dict[str, Any]], events: list[str]) -> None:
    """Without an earlier consent it was refused; a correction counts alone; it can expire."""
    found = [each["@type"] for each in record_of(*statements)["dpv:hasConsentStatus"]]
    assert found == [f"dpv:Consent{event}" for event in events]


def test_other_facts_are_no_consents() -> None:
    """Also those whose name only begins like one."""
    statements = [stated("consented"), stated("loan.overdue")]
    found = SubjectFacts.model_validate({"as_of": NOON, "statements": statements})
    assert consent_records("wework-labs", "4711", found, None)["@graph"] == []


async def test_an_address_with_two_methods_names_both(client: httpx.AsyncClient) -> None:
    """They are two routes of the framework."""
    answer = await client.delete("/v1/facts")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"
