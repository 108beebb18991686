"""What connectors read: OTLP, OpenLineage, CloudTrail, Snowflake, pgaudit, and SQL in them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from purposewatch_client import Client, ClientSettings, MemorySink
from purposewatch_connect.connector import Connector
from purposewatch_connect.exports.cloudtrail import read_cloudtrail
from purposewatch_connect.exports.reading import Reader, UnreadableFileError
from purposewatch_connect.exports.settings import ExportSettings
from purposewatch_connect.exports.snowflake import read_snowflake
from purposewatch_connect.openlineage.app import build_app as build_openlineage
from purposewatch_connect.openlineage.settings import OpenLineageSettings
from purposewatch_connect.otlp.app import build_app as build_otlp
from purposewatch_connect.otlp.requests import JSON, decode
from purposewatch_connect.otlp.settings import OtlpSettings
from purposewatch_connect.pgaudit.audit import AuditReader, Database
from purposewatch_connect.pgaudit.entries import LogFormat, UnreadableEntryError, format_of
from purposewatch_connect.pipeline import Input, Pipeline
from purposewatch_connect.spool import ClientSpool
from purposewatch_connect.sql import Catalogue, StatementReader, UnparsedStatementError
from purposewatch_contract import SubmittedGap
from purposewatch_contract.submission import parse_json, read_event
from tests.fuzz.asgi import HttpRequest, send
from tests.fuzz.target import PERSONAL, Run, Target, assert_silent
from tests.harness.environment import POLICIES
from tests.unit.connect.exports.test_cloudtrail_forms import DIGEST, INSIGHT, SAMPLE
from tests.unit.connect.exports.test_snowflake import as_csv, json_lines, row
from tests.unit.connect.otlp.test_receivers import SPAN, request_of
from tests.unit.connect.pgaudit.test_entries import PREFIX, csv_line, json_line, stderr_line
from tests.unit.connect.sql.test_reader import CASES, CATALOGUE

_MAPPING = Path(__file__).parents[3] / "connectors" / "examples" / "mapping.yaml"
_MAIL, _PHONE, _OTHER = PERSONAL
_TOKEN = b"a-token"


class _CheckedSink(MemorySink):
    """Checks that ingest takes what the client would send, and keeps nothing."""

    def append(self, event: bytes, /) -> None:
        """Take an event. A subject's identifier is the only value of it."""
        read = read_event(parse_json(event))
        assert_silent(event.replace(json.dumps(read.data.subject_id).encode(), b""))

    def append_gap(self, gap: bytes, /) -> None:
        """Take a gap. It names things."""
        assert_silent(gap)
        SubmittedGap.model_validate_json(gap)


class _CheckedSpool(ClientSpool):
    """The spool of connectors, with nothing that is sent."""

    def __init__(self) -> None:
        settings = ClientSettings(
            source="/connector",
            ingest_url="http://localhost",
            key="k",
            on_error="raise",
            when_full="raise",
        )
        super().__init__(Client(settings, _CheckedSink()))


def _pipeline() -> Pipeline:
    settings = ExportSettings(connect_mapping_file=_MAPPING, policies_dir=POLICIES)
    return Connector("fuzz", settings, lambda _: _CheckedSpool()).pipeline


@contextmanager
def _export(reader: Reader) -> Iterator[Run]:
    pipeline = _pipeline()

    def run(data: bytes) -> None:
        try:
            for reading in reader(data):
                pipeline.publish([Input(reading.observations, reading.gaps)])
        except UnreadableFileError as error:
            assert_silent(str(error))

    yield run


@contextmanager
def _receiver(build: Callable[..., Any], settings: Any) -> Iterator[Run]:
    """A receiver over HTTP, with the token of its senders."""
    app, _ = build(settings, spool_of=lambda _: _CheckedSpool())
    with asyncio.Runner() as runner:

        def run(data: bytes) -> None:
            request = HttpRequest.parse(data, {b"authorization": b"Bearer " + _TOKEN})
            answer = runner.run(send(app, request))
            assert answer.status < 500, answer.body
            assert_silent(answer.body)

        yield run


def _otlp() -> Any:
    settings = OtlpSettings(
        connect_mapping_file=_MAPPING, policies_dir=POLICIES, connect_token=_TOKEN.decode()
    )
    return _receiver(build_otlp, settings)


def _openlineage() -> Any:
    settings = OpenLineageSettings(
        connect_mapping_file=_MAPPING, policies_dir=POLICIES, connect_token=_TOKEN.decode()
    )
    return _receiver(build_openlineage, settings)


@contextmanager
def _log(log_format: LogFormat) -> Iterator[Run]:
    """A log of PostgreSQL, from its bytes to what is published."""
    pipeline = _pipeline()
    reader = AuditReader("main")
    database = Database(CATALOGUE, {"app": "purposewatch: portal"})

    def run(data: bytes) -> None:
        begin = 0
        for end in log_format.split(data, at_rest=True):
            assert begin < end <= len(data)
            text, begin = data[begin:end].decode("utf-8", "replace"), end
            try:
                entry = log_format.read(text)
            except UnreadableEntryError:
                continue
            if entry is not None:
                pipeline.publish([Input(*reader.read(entry, database))])

    yield run


@contextmanager
def _sql() -> Iterator[Run]:
    reader = StatementReader()
    no_catalogue = Catalogue({}, {})

    def run(data: bytes) -> None:
        statement = data.decode("utf-8", "replace")
        for catalogue in (CATALOGUE, no_catalogue):
            try:
                read = reader.read(statement, catalogue)
            except UnparsedStatementError as error:
                assert_silent(str(error))
                continue
            for use in read.uses:
                read.subjects(use)

    yield run


def _post(path: str, content_type: str, content: bytes) -> bytes:
    return f"POST {path}\ncontent-type: {content_type}\n\n".encode() + content


_STATED: list[Any] = SPAN["attributes"]  # type: ignore[assignment]
_LOGS = {
    "resourceLogs": [
        {
            "resource": {"attributes": []},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "timeUnixNano": "1772439300000000000",
                            "eventName": "purposewatch.access",
                            "body": {"stringValue": _OTHER},
                            "attributes": _STATED,
                            "traceId": SPAN["traceId"],
                        }
                    ]
                }
            ],
        }
    ]
}
_STRANGE_SPAN = {
    **SPAN,
    "attributes": [
        *_STATED,
        {"key": "db.query.text", "value": {"stringValue": f"select a from t where m='{_MAIL}'"}},  # noqa: S608
        {"key": "purposewatch.role", "value": {"stringValue": _PHONE}},
        {"key": "x", "value": {"kvlistValue": {"values": [{"key": "y", "value": {}}]}}},
    ],
}
_RUN_EVENT = {
    "eventTime": "2026-03-02T08:15:00Z",
    "eventType": "COMPLETE",
    "producer": "https://example.org/dag",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "0199a0c0-0000-7000-8000-000000000001", "facets": {}},
    "job": {
        "namespace": "nightly",
        "name": "members",
        "facets": {"tags": {"tags": [{"key": "purposewatch.service", "value": "portal"}]}},
    },
    "inputs": [
        {
            "namespace": "postgres://crm.example:5432",
            "name": "portal.public.members",
            "facets": {"schema": {"fields": [{"name": "email", "type": _MAIL}]}},
        }
    ],
    "outputs": [
        {
            "namespace": "s3://exports",
            "name": "members/2026",
            "facets": {
                "columnLineage": {
                    "fields": {
                        "mail": {
                            "inputFields": [
                                {
                                    "namespace": "postgres://crm.example:5432",
                                    "name": "portal.public.members",
                                    "field": "email",
                                    "transformations": [{"type": "DIRECT", "masking": True}],
                                }
                            ]
                        }
                    }
                }
            },
        }
    ],
}
_AUDITS = (
    f"select name from members where email = '{_MAIL}' and member_id = $1",  # noqa: S608 - to be read
    "insert into members (name, email) select name, email from visits where id in (1, 2)",
    "with a as (select * from members) select a.email from a join visits v on v.id = a.member_id",
    "declare c cursor for select email from members",
)


def _entries(line: Callable[..., str]) -> bytes:
    entries = [line()]
    for number, statement in enumerate(_AUDITS):
        quoted = statement.replace('"', '""')
        entries.append(
            line(
                f'AUDIT: SESSION,{number},1,READ,SELECT,TABLE,public.members,"{quoted}","7,{_MAIL}"'
            )
        )
    entries.append(line("duration: 3 ms"))
    return "".join(entries).encode()


_SQL_WORDS = tuple(
    each.encode()
    for each in (
        *("select ", " from ", " where ", " join ", " on ", "insert into ", "update ", "delete "),
        *("with recursive a as (", "union all ", "group by ", "lateral ", "values ", "returning "),
        *(
            ":pw_l7",
            ":pw_p1",
            "users",
            "visits",
            "public.",
            "email",
            "id",
            "*",
            "$1",
            ":name",
            "?",
            "%s",
            "$$",
            "$a$",
        ),
        *("E'", "'", '"', "--", "/*", "*/", "::text", "any(", "array[", "case when ", "end", ";"),
        *("AUDIT: ", " LOG:  ", "SESSION,", "READ,", "<none>", "@ ", "app@portal "),
    )
)
_JSON_WORDS = tuple(
    each.encode()
    for each in (
        *("resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "stringValue"),
        *("intValue", "arrayValue", "kvlistValue", "bytesValue", "doubleValue", "traceId", "kind"),
        *("db.query.text", "db.namespace", "purposewatch.subject_id", "service.name", "Records"),
        *("requestParameters", "bucketName", "resources", "ARN", "eventTime", "userIdentity"),
        *("inputs", "outputs", "facets", "schema", "fields", "columnLineage", "run", "job"),
        *("DIRECT_OBJECTS_ACCESSED", "BASE_OBJECTS_ACCESSED", "objectName", "columns", *PERSONAL),
        *("content-encoding: gzip\n", "content-encoding: zstd\n", "content-type: text/plain\n"),
        *("content-type: application/x-protobuf\n", "GET ", "/v1/logs", "/api/v1/lineage/batch"),
    )
)
_SPANS = json.dumps(request_of(SPAN, _STRANGE_SPAN)).encode()
_PROTOBUF = "application/x-protobuf"

TARGETS = (
    Target(
        "connect-otlp",
        (
            _post("/v1/traces", JSON, _SPANS),
            _post("/v1/logs", JSON, json.dumps(_LOGS).encode()),
            _post(
                "/v1/traces",
                _PROTOBUF,
                decode(_SPANS, JSON, ExportTraceServiceRequest()).SerializeToString(),
            ),
            _post(
                "/v1/logs",
                _PROTOBUF,
                decode(
                    json.dumps(_LOGS).encode(), JSON, ExportLogsServiceRequest()
                ).SerializeToString(),
            ),
        ),
        _otlp,
        (*_JSON_WORDS, *_SQL_WORDS),
        max_bytes=65_536,
    ),
    Target(
        "connect-openlineage",
        (
            _post("/api/v1/lineage", JSON, json.dumps(_RUN_EVENT).encode()),
            _post("/api/v1/lineage/batch", JSON, json.dumps([_RUN_EVENT, 1]).encode()),
        ),
        _openlineage,
        _JSON_WORDS,
        max_bytes=65_536,
    ),
    Target(
        "connect-cloudtrail",
        (
            SAMPLE[:12_000],
            SAMPLE[-6_000:],
            *(json.dumps(each).encode() for each in (DIGEST, INSIGHT)),
        ),
        partial(_export, read_cloudtrail),
        _JSON_WORDS,
        max_bytes=65_536,
    ),
    Target(
        "connect-snowflake",
        (json_lines(row(), row()), as_csv(row(), row())),
        partial(_export, read_snowflake),
        _JSON_WORDS,
        max_bytes=65_536,
    ),
    *(
        Target(
            f"connect-pgaudit-{name}",
            (_entries(line), line().encode()),
            partial(_log, format_of(name, PREFIX)),
            _SQL_WORDS,
            max_bytes=65_536,
            max_seconds=3,
        )
        for name, line in (("csvlog", csv_line), ("jsonlog", json_line), ("stderr", stderr_line))
    ),
    Target(
        "connect-sql",
        tuple(each.encode() for each in CASES),
        _sql,
        _SQL_WORDS,
        max_seconds=3,
    ),
)
