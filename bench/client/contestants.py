"""One process that records events with one library: `python -m bench.client.contestants NAME`.

Each library records the same: who did what with which data of whom, as a call of a service would.
Networks are stubbed, spools and queues are real. What is measured is the processor time of the
calling thread for each call; between bursts of calls the thread sleeps, so that the libraries'
own threads do their work as they do in a service. Prints the times in nanoseconds as JSON.
"""

import gc
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BURST = 200
PAUSE_SECONDS = 0.01

_CATEGORIES = ["user.name", "user.contact.email"]
_FIELDS: dict[str, Any] = {
    "controller": "wework-labs",
    "role": "member",
    "operation": "use",
    "purpose": "essential.service.notifications",
    "recipient": "first_party",
}

Record = Callable[[str], object]


def _client(url: str, **settings: Any) -> Record:
    import purposewatch_client as purposewatch

    spool = tempfile.mkdtemp()
    purposewatch.configure(
        source="/portal",
        ingest_url=url,
        key="pwk_bench",
        spool=spool,
        controller="wework-labs",
        role="member",
        exit_timeout_seconds=0,
        **settings,
    )

    def record(subject: str) -> None:
        purposewatch.record(
            subject=subject,
            operation="use",
            purpose="essential.service.notifications",
            categories=_CATEGORIES,
        )

    return record


def client() -> Record:
    """The client, with a spool on disk and an ingest in another process that accepts everything."""
    return _client(sys.argv[2])


def client_without_ingest() -> Record:
    """The same while ingest is away."""
    return _client("http://127.0.0.1:1")


def client_fsync() -> Record:
    """The same with every event synchronised to the disk."""
    return _client(sys.argv[2], fsync="always")


def client_access() -> Record:
    """The client's block, with defaults of a context."""
    import purposewatch_client as purposewatch

    _client(sys.argv[2])
    context = purposewatch.defaults(purpose="essential.service.notifications", operation="use")
    context.__enter__()

    def record(subject: str) -> None:
        with purposewatch.access(subject=subject) as access:
            access.add("user.name", "user.contact.email")

    return record


def opentelemetry() -> Record:
    """A log record into the batch processor's queue in memory, with an exporter that drops it."""
    from opentelemetry._logs import SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import (
        BatchLogRecordProcessor,
        LogRecordExporter,
        LogRecordExportResult,
    )

    class Exporter(LogRecordExporter):
        def export(self, _: Any) -> LogRecordExportResult:
            return LogRecordExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

        def force_flush(self, _: int = 0) -> bool:
            return True

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(Exporter()))
    logger = provider.get_logger("portal")

    def record(subject: str) -> None:
        logger.emit(
            timestamp=time.time_ns(),
            severity_number=SeverityNumber.INFO,
            body="data access",
            attributes={**_FIELDS, "data_categories": _CATEGORIES, "subject_id": subject},
        )

    return record


def sentry() -> Record:
    """An event, with a transport that drops it."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Dropping(Transport):  # type: ignore[misc, unused-ignore]  # only the benchmark has it
        def capture_envelope(self, envelope: Any) -> None:
            pass

    sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=Dropping)

    def record(subject: str) -> None:
        extra = {**_FIELDS, "data_categories": _CATEGORIES, "subject_id": subject}
        sentry_sdk.capture_event({"message": "data access", "level": "info", "extra": extra})

    return record


def openlineage() -> Record:
    """A run event with a tagged dataset, appended to a file as its own file transport does."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import tags_dataset
    from openlineage.client.transport.file import FileConfig, FileTransport
    from openlineage.client.uuid import generate_new_uuid

    path = Path(tempfile.mkdtemp()) / "events.jsonl"
    client = OpenLineageClient(
        transport=FileTransport(FileConfig(log_file_path=str(path), append=True))
    )

    def record(subject: str) -> None:
        tags = {**_FIELDS, "subject_id": subject}
        facet = tags_dataset.TagsDatasetFacet(
            tags=[
                *(tags_dataset.TagsDatasetFacetFields(key, value) for key, value in tags.items()),
                *(tags_dataset.TagsDatasetFacetFields("category", each) for each in _CATEGORIES),
            ]
        )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        client.emit(
            RunEvent(
                eventTime=now,
                eventType=RunState.COMPLETE,
                run=Run(runId=str(generate_new_uuid())),
                job=Job(namespace="portal", name="access"),
                inputs=[InputDataset(namespace="portal", name="members", facets={"tags": facet})],
                producer="https://portal.example",
            )
        )

    return record


CONTESTANTS: tuple[Callable[[], Record], ...] = (
    client,
    client_without_ingest,
    client_access,
    client_fsync,
    opentelemetry,
    sentry,
    openlineage,
)


def measure(record: Record, events: int) -> list[int]:
    """Nanoseconds of the calling thread's processor time for each call."""
    taken: list[int] = []
    clock = time.thread_time_ns
    for number in range(events):
        if number % BURST == 0:
            time.sleep(PAUSE_SECONDS)
        subject = f"customer-{number}"
        before = clock()
        record(subject)
        taken.append(clock() - before)
    return taken


class StubIngest:
    """Accepts every request; for use in another process than the contestant's."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def main() -> None:
    """Record so many events with the contestant of this name."""
    contestant = next(each for each in CONTESTANTS if each.__name__ == sys.argv[1])
    events = int(sys.argv[3])
    record = contestant()
    measure(record, 500)
    gc.collect()
    taken = measure(record, events)
    with suppress(BrokenPipeError):
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
