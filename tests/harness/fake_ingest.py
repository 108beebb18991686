"""An ingest that keeps what it is sent in memory, and answers as a test tells it to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass
class Reply:
    """One answer. Events count as accepted with a status of 202 only."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0.0


def problem(status: int, label: str, *errors: tuple[int, str], **headers: str) -> Reply:
    """A problem document as ingest sends it; each error is an index and what to do."""
    body = {
        "type": f"urn:purposewatch:problem:{label}",
        "title": label,
        "status": status,
        "detail": f"the request is {label}",
        "errors": [{"index": at, "field": "/data", "detail": what} for at, what in errors],
    }
    return Reply(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


class _QuietServer(ThreadingHTTPServer):
    """Clients that are killed or lose their patience are no error."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class FakeIngest:
    """A context manager; within it the server answers at `url`."""

    def __init__(self, port: int = 0) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        """The gaps that it accepted, which are answered by the same function."""
        self.facts: list[dict[str, Any]] = []
        """The facts, likewise."""
        self.requests: list[dict[str, str]] = []
        """The headers of each request, by lower-case name, with `batch`, the number of events."""
        self.answer: Callable[[list[dict[str, Any]]], Reply] = lambda _: Reply()
        """What to answer to a batch of events."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner._handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def ids(self) -> list[str]:
        """The ids of the accepted events, in the order in which they arrived."""
        return [event["id"] for event in self.accepted]

    @property
    def subjects(self) -> Counter[str]:
        """How often each subject arrived, each id once."""
        return Counter(
            {event["id"]: event["data"]["subject_id"] for event in self.accepted}.values()
        )

    def wait_for(self, events: int, timeout: float = 10.0) -> None:
        """Wait until so many different events were accepted."""
        until = time.monotonic() + timeout
        while len(set(self.ids)) < events:
            assert time.monotonic() < until, f"{len(set(self.ids))} of {events} events arrived"
            time.sleep(0.01)

    def wait_for_gaps(self, gaps: int) -> None:
        """Wait until so many gaps were accepted."""
        _wait_for(self.gaps, gaps)

    def wait_for_facts(self, facts: int) -> None:
        """Wait until so many facts were accepted."""
        _wait_for(self.facts, facts)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers["content-length"]))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        events = json.loads(body)
        self.requests.append({**headers, "path": request.path, "batch": str(len(events))})
        reply = self.answer(events)
        time.sleep(reply.delay)
        if reply.status == 202:
            refused = {error["index"] for error in (reply.body or {}).get("errors", ())}
            others = {"/v1/gaps": self.gaps, "/v1/facts": self.facts}
            kept = others.get(request.path, self.accepted)
            kept += [each for at, each in enumerate(events) if at not in refused]
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        request.send_response(reply.status)
        for name, value in reply.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


def _wait_for(arrived: list[dict[str, Any]], number: int, timeout: float = 10.0) -> None:
    until = time.monotonic() + timeout
    while len(arrived) < number:
        assert time.monotonic() < until, f"{len(arrived)} of {number} arrived"
        time.sleep(0.01)
