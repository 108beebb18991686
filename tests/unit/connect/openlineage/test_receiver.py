"""Run events over HTTP on a real socket, built and sent by the official client."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.generated.column_lineage_dataset import (
    ColumnLineageDatasetFacet,
    Fields,
    InputField,
    Transformation,
)
from openlineage.client.generated.tags_job import TagsJobFacet, TagsJobFacetFields
from openlineage.client.serde import Serde
from openlineage.client.transport.http import HttpCompression

from tests.unit.connect.openlineage.receiver import MAX_BYTES, TOKEN, Receiver, receiving, schema

BATCH = "/api/v1/lineage/batch"
CRM = "postgres://crm.example:5432"
RUN_ID = "0199a0c0-0000-7000-8000-000000000001"
PROVISION, PAYMENT = "essential.service.provision", "essential.service.payment_processing"
MAPPING = """
    publisher: lineage
    defaults: {controller: wework-labs, role: member_employee}
    services:
      nightly/members: {purpose: essential.service.provision}
      "nightly/*": {}
    datasets:
      crm.public.members:
        subject: {group: every-member}
        columns:
          email: user.contact.email
          name: user.name
          "*_at": not_personal
      crm.public.summary:
        subject: {group: every-member}
        categories: [user.contact.email]
        sheds: [masked, aggregated]
      crm.public.copies:
        subject: {group: every-member}
        categories: [user.contact.email]
      "s3://exports/members/*":
        subject: {group: every-member}
        categories: [user.contact.email]
      "kafka://signups": {subject: {group: every-member}, categories: [user.name]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receiver]:
    """The whole application."""
    async with receiving(MAPPING, tmp_path_factory.mktemp("lineage")) as receiver:
        yield receiver


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    """The receiver with an empty spool."""
    running.empty()
    return running


MEMBERS = InputDataset(CRM, "crm.public.members", facets=schema("email", "name", "created_at"))


def run_event(
    state: RunState = RunState.COMPLETE,
    inputs: tuple[InputDataset, ...] = (),
    outputs: tuple[OutputDataset, ...] = (),
    job: str = "members",
    **facets: Any,
) -> RunEvent:
    return RunEvent(
        eventTime="2026-03-02T08:15:00+00:00",
        producer="https://github.com/OpenLineage/OpenLineage/tree/main/client/python",
        eventType=state,
        run=Run(RUN_ID),
        job=Job("nightly", job, facets=facets),
        inputs=list(inputs),
        outputs=list(outputs),
    )


def source(column: str, *transformations: Transformation) -> InputField:
    return InputField(CRM, "crm.public.members", column, list(transformations))


IDENTITY = Transformation("DIRECT", "IDENTITY", masking=False)
HASHED = Transformation("DIRECT", "TRANSFORMATION", masking=True)
COUNTED = Transformation("DIRECT", "AGGREGATION", masking=True)
LATEST = Transformation("DIRECT", "AGGREGATION", masking=False)
FILTERED = Transformation("INDIRECT", "FILTER", masking=False)


def output(name: str, *sources: InputField, dataset: tuple[InputField, ...] = ()) -> OutputDataset:
    lineage = ColumnLineageDatasetFacet({"contact": Fields(list(sources))}, list(dataset))
    return OutputDataset(CRM, name, facets={"columnLineage": lineage} | schema("contact"))


@pytest.mark.parametrize("compression", [None, HttpCompression.GZIP])
def test_a_run_becomes_accesses(receiver: Receiver, compression: HttpCompression | None) -> None:
    """To its inputs and outputs, by the job."""
    copies = OutputDataset(CRM, "crm.public.copies", facets=schema("contact"))
    receiver.emit(run_event(inputs=(MEMBERS,), outputs=(copies,)), compression)
    assert receiver.seen == [
        ("use", ("user.contact.email", "user.name")),
        ("store", ("user.contact.email",)),
    ]
    first = receiver.spool.accesses[0]
    assert (first.service, first.purpose, first.subject_id) == (
        "nightly/members",
        PROVISION,
        "every-member",
    )
    assert first.time.isoformat() == "2026-03-02T08:15:00+00:00"
    assert not receiver.gaps


def test_a_run_is_one_set_of_accesses(receiver: Receiver) -> None:
    """However many of its events say so; none before it has begun."""
    for state in (RunState.OTHER, RunState.START, RunState.RUNNING, RunState.COMPLETE):
        receiver.emit(run_event(state, inputs=(MEMBERS,)))
    assert len(receiver.spool.accesses) == 3
    assert len({each.id for each in receiver.spool.accesses}) == 1


def test_a_failed_run_may_have_used_its_datasets(receiver: Receiver) -> None:
    """As a statement that failed."""
    receiver.emit(run_event(RunState.FAIL, inputs=(MEMBERS,)))
    assert len(receiver.spool.accesses) == 1


def test_column_lineage_says_which_columns_were_read(receiver: Receiver) -> None:
    """Those of conditions included, and no others of the schema."""
    by_column = output("crm.public.copies", source("email", IDENTITY))
    receiver.emit(run_event(inputs=(MEMBERS,), outputs=(by_column,)))
    filtered = output("crm.public.copies", source("email"), dataset=(source("name", FILTERED),))
    receiver.emit(run_event(inputs=(MEMBERS,), outputs=(filtered,)))
    assert [categories for operation, categories in receiver.seen if operation == "use"] == [
        ("user.contact.email",),
        ("user.contact.email", "user.name"),
    ]


def test_unknown_columns_are_all_columns(receiver: Receiver) -> None:
    """Without a facet that names them."""
    receiver.emit(run_event(inputs=(InputDataset(CRM, "crm.public.members"),)))
    assert receiver.seen == [("use", ("user.contact.email", "user.name"))]


@pytest.mark.parametrize(
    ("sources", "keeping"),
    [
        ([source("email", IDENTITY)], ["copies", "summary"]),
        ([source("email", HASHED)], []),
        ([source("email", COUNTED)], []),
        ([source("email", LATEST)], ["copies"]),
        ([source("email", HASHED, FILTERED)], []),
        ([source("email", HASHED), source("name", IDENTITY)], ["copies", "summary"]),
        ([source("email", HASHED), source("name", LATEST)], ["copies"]),
        ([source("email", HASHED), source("name")], ["copies", "summary"]),
        ([source("email", FILTERED)], ["copies", "summary"]),
    ],
)
def test_a_derived_column_sheds_its_category_by_rule(
    receiver: Receiver, sources: list[InputField], keeping: list[str]
) -> None:
    """If every value got into it masked; or aggregated, where the mapping says so."""
    for name in ("copies", "summary"):
        receiver.spool.accesses.clear()
        receiver.emit(run_event(outputs=(output(f"crm.public.{name}", *sources),)))
        expected = [("store", ("user.contact.email",))] if name in keeping else []
        assert receiver.seen == expected
    assert not receiver.gaps


def test_the_first_version_of_the_facet_masks_a_column(receiver: Receiver) -> None:
    """With a type of the column instead of transformations."""
    lineage = ColumnLineageDatasetFacet(
        {"contact": Fields([source("email")], transformationType="MASKED")}
    )
    masked = OutputDataset(CRM, "crm.public.copies", facets={"columnLineage": lineage})
    receiver.emit(run_event(outputs=(masked,)))
    assert not receiver.spool.accesses


def test_buckets_and_topics_have_the_names_of_the_other_connectors(receiver: Receiver) -> None:
    """Whatever the server; a gap does not show a path."""
    stores = (
        OutputDataset("s3://exports", "members/m-7.csv"),
        OutputDataset("kafka://broker:9092", "signups"),
        OutputDataset("s3://other", "members/m-7.csv"),
    )
    receiver.emit(run_event(outputs=stores))
    assert receiver.seen == [("store", ("user.contact.email",)), ("store", ("user.name",))]
    assert receiver.gaps == [("unmapped_dataset", "s3://other")]


def test_a_tag_of_the_job_states_the_purpose(receiver: Receiver) -> None:
    """Before the mapping; without either it is a gap."""
    tags = TagsJobFacet([TagsJobFacetFields("purposewatch.purpose", PAYMENT, "USER")])
    receiver.emit(run_event(inputs=(MEMBERS,), job="invoices", tags=tags))
    assert receiver.spool.accesses[0].purpose == PAYMENT
    receiver.emit(run_event(inputs=(MEMBERS,), job="invoices"))
    assert receiver.gaps == [("unknown_purpose", "nightly/invoices")]


def test_events_without_a_run_are_ignored_and_unreadable_ones_are_gaps(receiver: Receiver) -> None:
    """A client is not asked to repeat what can't be read the next time either."""
    event = json.loads(Serde.to_json(run_event(inputs=(MEMBERS,))))
    assert receiver.post(json.dumps({"job": event["job"]}).encode()).status_code == 201
    assert not receiver.gaps
    faulty = json.dumps(event | {"eventTime": "today", "inputs": 7}).encode()
    assert [receiver.post(faulty).status_code for _ in range(2)] == [201, 201]
    assert receiver.gaps == [("unreadable_record", "nightly/members")] * 2
    assert len({gap.id for gap in receiver.spool.gaps}) == 1
    assert not receiver.spool.accesses


@pytest.mark.parametrize(
    ("content", "token", "status"),
    [
        (b"{}", "another", 401),
        (b"[]", TOKEN, 400),
        (b"{", TOKEN, 400),
        (b'"' + b" " * MAX_BYTES + b'"', TOKEN, 413),
    ],
)
def test_bad_requests_are_refused(
    receiver: Receiver, content: bytes, token: str, status: int
) -> None:
    """With the reason."""
    answer = receiver.post(content, token)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_a_full_spool_asks_to_try_again(receiver: Receiver) -> None:
    """Nothing is acknowledged before it is in the spool."""
    receiver.spool.is_full = True
    answer = receiver.post(Serde.to_json(run_event(inputs=(MEMBERS,))).encode())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_names_may_hold_half_a_character(receiver: Receiver) -> None:
    """JSON can escape one; a client is not told to try again for ever."""
    event = json.loads(Serde.to_json(run_event(inputs=(MEMBERS,))))
    inputs = [event["inputs"][0], {"namespace": "n", "name": "\ud800"}]
    answer = receiver.post(json.dumps(event | {"inputs": inputs}).encode())
    assert answer.status_code == 201
    assert len(receiver.spool.accesses) == 1
    assert receiver.gaps == [("unmapped_dataset", "_")]


def test_a_batch_is_received_at_its_own_address(receiver: Receiver) -> None:
    """With the answers of the specification: 204, or a 200 that names what is not an event."""
    event = json.loads(Serde.to_json(run_event(inputs=(MEMBERS,))))
    other = event | {"run": {"runId": "0199a0c0-0000-7000-8000-000000000002"}}
    answer = receiver.post(json.dumps([event, other]).encode(), path=BATCH)
    assert (answer.status_code, answer.content) == (204, b"")
    assert len({each.id for each in receiver.spool.accesses}) == 2
    answer = receiver.post(json.dumps([7, event, None]).encode(), path=BATCH)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "partial_success",
        "summary": {
            "received": 3,
            "successful": 1,
            "failed": 2,
            "retriable": 0,
            "non_retriable": 2,
        },
        "failed_events": [
            {"index": index, "reason": "not a JSON object", "retriable": False} for index in (0, 2)
        ],
    }
    assert len(receiver.spool.accesses) == 3


def test_a_batch_is_bounded_and_authorised_as_one_event(receiver: Receiver) -> None:
    """And is a list; a full spool asks to send it again."""
    event = json.loads(Serde.to_json(run_event(inputs=(MEMBERS,))))
    content = json.dumps([event]).encode()
    assert receiver.post(content, token="another", path=BATCH).status_code == 401
    assert receiver.post(json.dumps(event).encode(), path=BATCH).status_code == 400
    assert receiver.post(content + b" " * MAX_BYTES, path=BATCH).status_code == 413
    answer = receiver.post(json.dumps([0] * 1_000).encode(), path=BATCH).json()
    assert (answer["summary"]["failed"], len(answer["failed_events"])) == (1_000, 100)
    receiver.spool.is_full = True
    assert receiver.post(content, path=BATCH).status_code == 503
