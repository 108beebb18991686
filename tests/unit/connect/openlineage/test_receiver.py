"""Run events over HTTP on a real socket, built and sent by the official client."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import pytest_asyncio
from openlineage.client import OpenLineageClient
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
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields
from openlineage.client.generated.tags_job import TagsJobFacet, TagsJobFacetFields
from openlineage.client.serde import Serde
from openlineage.client.transport.http import (
    ApiKeyTokenProvider,
    HttpCompression,
    HttpConfig,
    HttpTransport,
)

from purposewatch_connect.openlineage.app import build_app
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_runtime.http import HttpLimits
from tests.harness.http_server import serving
from tests.unit.connect.spools import MemorySpool

ROOT = Path(__file__).parents[4]
TOKEN = "a-token"
MAX_BYTES = 65_536
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


@dataclass
class Receiver:
    """The receiver, and the spool behind it."""

    spool: MemorySpool
    url: str

    def emit(self, event: RunEvent, compression: HttpCompression | None = None) -> None:
        """Send an event with the official client. Raises what the client raises."""
        auth = ApiKeyTokenProvider({"apiKey": TOKEN})
        config = HttpConfig(url=self.url, auth=auth, compression=compression, retry={"total": 0})
        OpenLineageClient(transport=HttpTransport(config)).emit(event)

    def post(self, content: bytes, token: str = TOKEN) -> httpx.Response:
        """Post a content."""
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(f"{self.url}/api/v1/lineage", content=content, headers=headers)

    @property
    def seen(self) -> list[tuple[str, tuple[str, ...]]]:
        """Operation and categories of each access."""
        return [(each.operation, each.data_categories) for each in self.spool.accesses]

    @property
    def gaps(self) -> list[tuple[str, str]]:
        """Kind and name of each gap."""
        return [(each.kind, each.name) for each in self.spool.gaps]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receiver]:
    """The whole application."""
    mapping = tmp_path_factory.mktemp("lineage") / "mapping.yaml"
    mapping.write_text(dedent(MAPPING), encoding="utf-8")
    spool = MemorySpool()
    settings = OpenLineageSettings(
        connect_mapping_file=mapping,
        policies_dir=ROOT / "policies",
        connect_token=TOKEN,
        connect_max_request_bytes=MAX_BYTES,
    )
    app, supervisor = build_app(settings, spool_of=lambda _: spool)
    with serving(app, HttpLimits()) as server:
        async with supervisor:
            yield Receiver(spool, f"http://127.0.0.1:{server.port}")


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    """The receiver with an empty spool."""
    running.spool.accesses.clear()
    running.spool.gaps.clear()
    running.spool.is_full = False
    return running


def schema(*names: str) -> dict[str, Any]:
    return {
        "schema": SchemaDatasetFacet([SchemaDatasetFacetFields(name, "text") for name in names])
    }


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
    for state in (RunState.START, RunState.RUNNING, RunState.COMPLETE):
        receiver.emit(run_event(state, inputs=(MEMBERS,)))
    first, second = receiver.spool.accesses
    assert first.id == second.id


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
