"""What each connector reads, on its whole way: through ingest and the auditor to a verdict.

Each is given two accesses in the form in which others write them, one that the policy permits and
one that it does not, and a third that the example mapping knows nothing of: a gap.
"""

import asyncio
import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import schema_dataset
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.uuid import generate_new_uuid
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.applications import Starlette

from purposewatch_connect.openlineage.app import build_app as build_openlineage
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.otlp.app import build_app as build_otlp
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pgaudit.app import build_app as build_pgaudit
from purposewatch_connect.pgaudit.settings import PgauditSettings
from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.service import Supervisor
from tests.harness.broker import RunningBroker
from tests.harness.environment import service_environment, variables
from tests.harness.http_server import serving
from tests.harness.ports import take_port
from tests.harness.scrape import until_json
from tests.harness.service import ServiceProcess

KEY = "pwk_a-key-for-tests"
PARTITIONS = 3
MAPPING = Path(__file__).parents[2] / "connectors" / "examples" / "mapping.yaml"
SAMPLES = Path(__file__).parents[1] / "unit" / "connect" / "exports" / "samples"
TIME = "2026-03-02 08:15:00"

Event: TypeAlias = tuple[str, str, str]
"""The acting service, the operation and the data category."""


@asynccontextmanager
async def running(app: Starlette, supervisor: Supervisor) -> AsyncIterator[str]:
    """A connector's process, in this one: its address; at the end it has sent what it spooled."""
    with serving(app, HttpLimits()) as server:
        async with supervisor:
            async with asyncio.timeout(20):
                while not (await supervisor.check()).ok:
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{server.port}"


async def otlp(directory: Path) -> None:
    """Spans of the OpenTelemetry SDK."""
    del directory
    async with running(*build_otlp(OtlpSettings(connect_otlp_grpc_port=take_port()))) as url:
        await asyncio.to_thread(_export_spans, url)


def _export_spans(url: str) -> None:
    queries = [
        ("portal", "SELECT email FROM members WHERE member_id = 'm-7'"),
        ("billing-web", "SELECT email FROM members WHERE member_id = 'm-7'"),
        ("portal", "SELECT amount FROM salaries"),
    ]
    for service, query in queries:
        provider = TracerProvider(resource=Resource({"service.name": service}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
        attributes = {
            "db.system.name": "postgresql",
            "db.namespace": "portal",
            "db.query.text": query,
        }
        with provider.get_tracer("test").start_as_current_span("query", attributes=attributes):
            pass


async def openlineage(directory: Path) -> None:
    """Run events of the official client."""
    del directory
    async with running(*build_openlineage(OpenLineageSettings())) as url:
        await asyncio.to_thread(_emit_runs, url)


def _emit_runs(url: str) -> None:
    client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=url)))
    for job, table, column in [
        ("portal", "members", "email"),
        ("billing-nightly", "members", "email"),
        ("portal", "badges", "number"),
    ]:
        fields = [schema_dataset.SchemaDatasetFacetFields(column, "text")]
        dataset = InputDataset(
            "postgres://db:5432",
            f"portal.public.{table}",
            facets={"schema": schema_dataset.SchemaDatasetFacet(fields)},
        )
        client.emit(
            RunEvent(
                eventTime="2026-03-02T08:15:00+00:00",
                run=Run(str(generate_new_uuid())),
                job=Job("nightly", job),
                eventType=RunState.COMPLETE,
                inputs=[dataset],
                producer="https://example.org/jobs",
            )
        )
    client.close()


async def pgaudit(directory: Path) -> None:
    """A log in csvlog."""
    log = directory / "postgresql.csv"
    log.write_text("".join(_log_lines()), encoding="utf-8")
    settings = PgauditSettings(connect_pgaudit_log=log, connect_state_dir=directory)
    state = directory / "pgaudit-postgresql.json"
    async with running(*build_pgaudit(settings)), asyncio.timeout(20):
        # the position moves on once what was read is published
        while not state.exists() or json.loads(state.read_bytes())["offset"] < log.stat().st_size:
            await asyncio.sleep(0.02)


def _log_lines() -> Iterator[str]:
    for number, (application, statement) in enumerate(
        [
            ("portal", "select name from members where member_id = 7"),
            ("portal", "insert into members (name, member_id) values ('x', 7)"),
            ("portal", "select amount from payroll"),
        ]
    ):
        kind = "READ,SELECT" if statement.startswith("select") else "WRITE,INSERT"
        audit = f'AUDIT: SESSION,{number + 1},1,{kind},,,"{statement}",<none>'
        fields = [
            *(f"{TIME}.123 UTC", "app", "portal", "24496", "127.0.0.1:5", "6b0b0c8d.5fb0"),
            *(str(number + 1), "SELECT", f"{TIME} UTC", "3/7", "0", "LOG", "00000", audit),
            *("", "", "", "", "", "", "", "", application, "client backend", "", "0"),
        ]
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(fields)
        yield line.getvalue()


async def cloudtrail(directory: Path) -> None:
    """A compressed log file with S3 data events."""
    sample = json.loads((SAMPLES / "cloudtrail.json").read_bytes())["Records"][0]
    sample["userIdentity"] = {"type": "IAMUser", "userName": "portal"}
    records = []
    for number, (name, bucket) in enumerate(
        [
            ("GetObject", "portal-uploads"),
            ("PutObject", "portal-uploads"),
            ("GetObject", "hr-files"),
        ]
    ):
        parameters = {"bucketName": bucket, "key": "members/m-7/photo.jpg"}
        changes = {"eventID": f"e-{number}", "eventName": name, "resources": []}
        records.append(sample | changes | {"requestParameters": parameters})
    log = directory / "cloudtrail.json.gz"
    log.write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))
    await run("cloudtrail", log)


async def snowflake(directory: Path) -> None:
    """An export of `ACCESS_HISTORY` as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = ("QUERY_ID", "QUERY_START_TIME", "USER_NAME", "ROLE_NAME", "BASE_OBJECTS_ACCESSED")
    writer.writerow(names)
    for number, (role, table) in enumerate(
        [("PORTAL", "MEMBERS"), ("BILLING-1", "MEMBERS"), ("PORTAL", "BONUSES")]
    ):
        accessed = {
            "objectDomain": "Table",
            "objectName": f"PORTAL.PUBLIC.{table}",
            "columns": [{"columnId": 1, "columnName": "EMAIL"}],
        }
        writer.writerow(
            (f"q-{number}", f"{TIME}.388 +0000", "REPORTER", role, json.dumps([accessed]))
        )
    history = directory / "history.csv"
    history.write_text(text.getvalue(), encoding="utf-8")
    await run("snowflake", history)


async def run(name: str, path: Path) -> None:
    """Run the command over a file."""
    arguments = (sys.executable, "-P", "-m", "purposewatch_connect", name, str(path))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"3 records, 2 events in the spool" in output


CONNECTORS: dict[Callable[[Path], Awaitable[None]], tuple[Event, Event, str]] = {
    otlp: (
        ("portal", "use", "user.contact.email"),
        ("billing-web", "use", "user.contact.email"),
        "portal.public.salaries",
    ),
    openlineage: (
        ("portal", "use", "user.contact.email"),
        ("billing-nightly", "use", "user.contact.email"),
        "portal.public.badges",
    ),
    pgaudit: (
        ("portal", "use", "user.name"),
        ("portal", "store", "user.name"),
        "portal.public.payroll",
    ),
    cloudtrail: (
        ("portal", "use", "user.content.uploads"),
        ("portal", "store", "user.content.uploads"),
        "s3://hr-files",
    ),
    snowflake: (
        ("PORTAL", "use", "user.contact.email"),
        ("BILLING-1", "use", "user.contact.email"),
        "PORTAL.PUBLIC.BONUSES",
    ),
}
"""What each gives: a permitted event, a violation and a gap."""


@asynccontextmanager
async def events_of(broker: RunningBroker, prefix: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of the events that ingest accepts."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=10,
    )
    consumer.assign([TopicPartition(f"{prefix}.events", each) for each in range(PARTITIONS)])
    async with consumer:
        yield consumer


async def outcome_of(reporter: ServiceProcess, event: dict[str, Any]) -> str:
    """What the reporter's API says of an event, once its verdict is recorded."""
    path = f"/api/v1/event-status?source={event['source']}&event_id={event['id']}"
    status = await until_json(reporter, path, lambda found: found["status"] == "recorded")
    return str(status["outcome"])


def seen(event: dict[str, Any]) -> Event:
    """Who did what with which data."""
    service = event["source"].removeprefix("/query-log/")
    return (service, event["data"]["operation"], event["data"]["data_categories"][0])


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
async def test_what_connectors_read_becomes_verdicts_and_gaps(
    broker: RunningBroker, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One connector after the other, each with the client's spool and sender."""
    register = tmp_path / "publishers.yaml"
    digest = sha256(KEY.encode()).hexdigest()
    register.write_text(
        f"publishers: {{query-log: {{key_sha256: [{digest}], controllers: [wework-labs]}}}}\n"
    )
    environment = service_environment(
        broker,
        topic_prefix,
        publishers_file=register,
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}",
    )
    ingest, auditor, reporter = (
        ServiceProcess(f"purposewatch_{name}", environment)
        for name in ("ingest", "auditor", "reporter")
    )
    async with ingest, auditor, reporter:
        await asyncio.gather(*(each.wait_ready() for each in (ingest, auditor, reporter)))
        settings = variables(
            connect_mapping_file=MAPPING,
            policies_dir=environment["PURPOSEWATCH_POLICIES_DIR"],
            client_ingest_url=ingest.base_url,
            client_key=KEY,
            client_spool=tmp_path / "spool",
            client_linger_seconds=0.02,
            client_exit_timeout_seconds=20,  # whatever else the machine does meanwhile
        )
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        async with events_of(broker, topic_prefix) as consumer:
            for connector, (permitted, violation, _) in CONNECTORS.items():
                await connector(tmp_path)
                async with asyncio.timeout(20):
                    events = [json.loads((await consumer.getone()).value) for _ in range(2)]
                outcomes = {seen(each): await outcome_of(reporter, each) for each in events}
                assert outcomes == {permitted: "permitted", violation: "violation"}, connector

        expected = {name for *_, name in CONNECTORS.values()}
        found = await until_json(
            reporter,
            "/api/v1/gaps",
            lambda answer: len(answer["items"]) >= len(expected),
        )
        assert {item["name"] for item in found["items"]} == expected
        assert {(item["publisher"], item["kind"], item["count"]) for item in found["items"]} == {
            ("query-log", "unmapped_dataset", 1)
        }
        await until_json(  # the ledger is compared with Kafka every few seconds
            reporter,
            "/api/v1/ledger",
            lambda answer: answer["totals"]["events"] == 2 * len(CONNECTORS),
        )
