"""`POST /v1/erasures`: a data subject is forgotten, as far as ingest can."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from purposewatch_contract import CanonicalFact
from purposewatch_contract.codec import parse_fact_key
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.derived import Pseudonymiser
from purposewatch_ingest.pseudonyms.interface import SubjectsUnavailableError
from purposewatch_ingest.pseudonyms.stored import StoredPseudonyms
from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.reporter import ReporterUnavailableError
from purposewatch_ingest.rights import AdmissionRules
from tests.unit.conftest import SUBJECT_ID
from tests.unit.ingest.conftest import (
    BATCHED,
    KEY_RING,
    STRUCTURED,
    FakeProducer,
    FakeReporter,
    problem,
)
from tests.unit.ingest.test_fact_lookup import stated
from tests.unit.ingest.test_facts import fact, vocabulary
from tests.unit.ingest.test_http import MakeEvent

__all__ = ["vocabulary"]

ERASURE = {"controller": "wework-labs", "subject_id": SUBJECT_ID}


@pytest.fixture
def publisher() -> Publisher:
    """A publisher that may state facts and erase subjects."""
    return Publisher(
        "crm",
        frozenset({"wework-labs"}),
        states_facts=frozenset({"consent.*"}),
        erases_subjects=True,
    )


async def erase(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    """Ask for the erasure of the subject."""
    return await client.post("/v1/erasures", json={**ERASURE, **changes})


async def test_facts_are_deleted_and_the_answer_says_what_is_left(
    client: httpx.AsyncClient, producer: FakeProducer, reporter: FakeReporter, rules: AdmissionRules
) -> None:
    """With keys alone: whoever has the key can derive the pseudonym again."""
    pseudonym = rules.pseudonymise("wework-labs", SUBJECT_ID)
    await client.post("/v1/facts", content=json.dumps(fact()), headers={"content-type": STRUCTURED})
    [written] = producer.records
    canonical = CanonicalFact.model_validate_json(written.value)
    reporter.facts = {
        pseudonym: [
            stated(
                effective_from=canonical.data.effective_from.isoformat(),
                statement=canonical.id,
                source=canonical.source,
            )
        ]
    }
    with capture_logs() as logs:
        answer = await erase(client)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["complete"], found["facts_deleted"], found["pseudonym_forgotten"]) == (
        *(True, 1, None),
    )
    assert "whoever has the key" in " ".join(found["remains"])
    tombstone = producer.records[-1]
    assert (tombstone.topic, tombstone.key, tombstone.partition, tombstone.value) == (
        *(written.topic, written.key, written.partition, None),
    )
    assert SUBJECT_ID not in json.dumps(logs) + answer.text
    assert pseudonym not in json.dumps(logs) + answer.text


async def test_more_facts_than_can_be_read_at_once_take_another_request(
    client: httpx.AsyncClient, producer: FakeProducer, reporter: FakeReporter, rules: AdmissionRules
) -> None:
    """What was read is deleted, and nothing is forgotten before the rest is."""
    pseudonym = rules.pseudonymise("wework-labs", SUBJECT_ID)
    reporter.facts = {pseudonym: [stated(statement=f"c-{number}") for number in range(200)]}
    found = (await erase(client)).json()
    assert (found["complete"], found["facts_deleted"]) == (False, 200)
    assert "send the same request again" in " ".join(found["remains"])
    assert len(producer.records) == 200


@pytest.mark.parametrize(
    ("content", "status", "name"),
    [
        (b"", 400, "not-json"),
        (b"[]", 422, "invalid-erasure"),
        (b'{"controller": "wework-labs"}', 422, "invalid-erasure"),
        (b'{"controller": "wework-labs", "subject_id": 7}', 422, "invalid-erasure"),
        (b'{"controller": "linggan-house", "subject_id": "7"}', 404, "not-found"),
    ],
)
async def test_what_cannot_be_erased_is_refused(
    client: httpx.AsyncClient, producer: FakeProducer, content: bytes, status: int, name: str
) -> None:
    """Nothing is done."""
    headers = {"content-type": "application/json"}
    problem(await client.post("/v1/erasures", content=content, headers=headers), status, name)
    assert producer.records == []


async def test_nothing_is_done_without_the_reporter_or_kafka(
    client: httpx.AsyncClient, producer: FakeProducer, reporter: FakeReporter, rules: AdmissionRules
) -> None:
    """Send it again later."""
    reporter.facts = {rules.pseudonymise("wework-labs", SUBJECT_ID): [stated()]}
    producer.error = TimeoutError()
    problem(await erase(client), 503, "kafka-unavailable")
    producer.error = None
    reporter.error = ReporterUnavailableError("status 500")
    problem(await erase(client), 503, "reporter-unavailable")
    assert producer.records == []


class TestWithoutTheRight:
    """A publisher that may do everything else."""

    @pytest.fixture
    def publisher(self) -> Publisher:
        """One with every other right."""
        every = frozenset({"*"})
        return Publisher("crm", frozenset({"wework-labs"}), states_facts=every, reads_facts=every)

    async def test_no_subject_is_erased(
        self, client: httpx.AsyncClient, producer: FakeProducer
    ) -> None:
        """The right is one of its own."""
        problem(await erase(client), 403, "forbidden")
        assert producer.records == []


class TestWithKeptPseudonyms:
    """Pseudonyms are kept for each subject."""

    @pytest.fixture
    async def pseudonyms(self, tmp_path: Path) -> AsyncIterator[StoredPseudonyms]:
        """Kept in a file."""
        kept = StoredPseudonyms(
            SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'subjects.db'}"),
            lambda: KEY_RING,
            cache_seconds=60,
            cache_subjects=100,
        )
        await kept.start()
        yield kept
        await kept.stop()

    @pytest.fixture
    def ingest(self, ingest: Ingest, pseudonyms: StoredPseudonyms) -> Ingest:
        """Ingest with kept pseudonyms."""
        object.__setattr__(ingest, "pseudonyms", pseudonyms)
        return ingest

    async def test_nothing_that_is_left_leads_to_an_erased_subject(
        self,
        client: httpx.AsyncClient,
        producer: FakeProducer,
        reporter: FakeReporter,
        event: MakeEvent,
        tmp_path: Path,
    ) -> None:
        """Not by deriving again with every key, in the topics, the table and the reporter."""
        headers = {"content-type": BATCHED}
        events = json.dumps([event(), event({"subject_id": "other"})])
        assert (await client.post("/v1/events", content=events, headers=headers)).is_success
        facts = json.dumps([fact(), fact({"id": "c-2"}, subject_id="other")])
        assert (await client.post("/v1/facts", content=facts, headers=headers)).is_success
        published = [record for record in producer.records if record.value is not None]
        subject = parse_fact_key(published[2].key).subject
        assert published[0].key.decode() == subject
        assert published[0].partition == published[2].partition
        canonical = CanonicalFact.model_validate_json(published[2].value)
        reporter.facts = {
            subject: [
                stated(
                    effective_from=canonical.data.effective_from.isoformat(),
                    statement=canonical.id,
                    source=canonical.source,
                )
            ]
        }
        found = (await erase(client)).json()
        assert (found["complete"], found["facts_deleted"], found["pseudonym_forgotten"]) == (
            *(True, 1, True),
        )
        compacted = {record.key: record for record in producer.records if "facts" in record.topic}
        left = [each.key.decode() for each in compacted.values() if each.value is not None]
        assert len(left) == 1
        assert subject not in left[0]
        assert bytes.fromhex(subject[-32:]) not in (tmp_path / "subjects.db").read_bytes()
        derived = Pseudonymiser(b"k" * 32, "1")("wework-labs", SUBJECT_ID)
        everything = b"".join(record.key + (record.value or b"") for record in producer.records)
        assert derived.encode() not in everything
        again = (await erase(client)).json()
        assert (again["facts_deleted"], again["pseudonym_forgotten"]) == (0, False)
        assert (await client.post("/v1/events", content=events, headers=headers)).is_success
        assert producer.records[-2].key.decode() != subject
        assert producer.records[-1].key == published[1].key

    async def test_without_the_database_nothing_is_accepted(
        self,
        client: httpx.AsyncClient,
        producer: FakeProducer,
        pseudonyms: StoredPseudonyms,
        monkeypatch: pytest.MonkeyPatch,
        event: MakeEvent,
    ) -> None:
        """The publisher sends it again later."""

        async def fail(*_: object) -> None:
            reason = "OperationalError"
            raise SubjectsUnavailableError(reason)

        monkeypatch.setattr(pseudonyms, "look_up", fail)
        monkeypatch.setattr(pseudonyms, "recognised", fail)
        headers = {"content-type": STRUCTURED}
        answer = await client.post("/v1/events", content=json.dumps(event()), headers=headers)
        problem(answer, 503, "subjects-unavailable")
        assert answer.headers["retry-after"]
        problem(await erase(client), 503, "subjects-unavailable")
        assert producer.records == []
