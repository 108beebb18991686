"""The command line asks the reporter's API, and says what to do when it can't."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from purposewatch_cli import reporter_api
from purposewatch_cli.reporter_api import ReporterApi, ReporterError

PROBLEM = {
    "title": "invalid policy",
    "detail": "the policy has faults",
    "errors": [{"field": "policy.yaml:3", "detail": "unknown field"}],
}


class Reporter(BaseHTTPRequestHandler):
    """Answers by the path."""

    seen: list[tuple[str, str | None, Any]]

    def do_GET(self) -> None:
        """Answer."""
        self._answer(None)

    def do_POST(self) -> None:
        """Answer."""
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: object) -> None:
        """Nothing to log."""

    def _answer(self, body: Any) -> None:
        self.seen.append((self.path, self.headers["Authorization"], body))
        name = self.path.rpartition("/")[2]
        status, text = {
            "faults": (422, json.dumps(PROBLEM)),
            "token": (401, json.dumps({"title": "who are you"})),
            "moved": (302, ""),
            "broken": (500, "<html>"),
            "nonsense": (200, "<html>"),
        }.get(name, (200, json.dumps({"asked": body})))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/api/v1/elsewhere")
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def url() -> Iterator[str]:
    """A server on a free port."""
    Reporter.seen = []
    with HTTPServer(("127.0.0.1", 0), Reporter) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_it_sends_the_token_and_json(url: str) -> None:
    """With the path below that of the API, and a query where there is one."""
    api = ReporterApi(f"{url}/", "secret")
    assert api.post("/what-if", {"limit": 1}) == {"asked": {"limit": 1}}
    assert ReporterApi(url, None).get("/silences", {"active": "true"}) == {"asked": None}
    assert Reporter.seen == [
        ("/api/v1/what-if", "Bearer secret", {"limit": 1}),
        ("/api/v1/silences?active=true", None, None),
    ]


def test_a_file_is_given_as_it_is_and_whole(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large is not cut off without a word."""
    api = ReporterApi(url, None)
    assert api.file("/nonsense", {}) == b"<html>"
    monkeypatch.setattr(reporter_api, "MAX_ANSWER", 5)
    with pytest.raises(ReporterError, match="more than 5 bytes; ask about a shorter time"):
        api.file("/nonsense", {})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/faults", "answered 422: the policy has faults\npolicy.yaml:3: unknown field"),
        ("/token", "answered 401: who are you; set PURPOSEWATCH_REPORTER_API_TOKEN"),
        ("/broken", "answered 500"),
        ("/moved", "answered 302"),
        ("/nonsense", "no answer from"),
    ],
)
def test_refusals_say_what_to_do(url: str, path: str, message: str) -> None:
    """And a redirect, which would take the token elsewhere, is not followed."""
    with pytest.raises(ReporterError) as refused:
        ReporterApi(url, "secret").get(path)
    assert message in str(refused.value)
    assert len(Reporter.seen) == 1


def test_an_absent_reporter_is_said() -> None:
    """With the option that names another."""
    with pytest.raises(ReporterError, match="name the reporter with `--reporter`"):
        ReporterApi("http://127.0.0.1:9", None).get("/silences")
    with pytest.raises(ReporterError, match="is not an address"):
        ReporterApi("file:///etc/passwd", None)
