"""A request to a mapped host becomes a share with its recipient."""

import asyncio
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Annotated, Any

import httpx
import pytest
import requests
from pydantic import BaseModel

import purposewatch_client as purposewatch
from purposewatch_client import Category
from purposewatch_client.integrations import httpx as httpx_hook
from purposewatch_client.integrations import requests as requests_hook
from purposewatch_client.integrations.sharing import Recipients
from purposewatch_client.testing import Captured

EMAIL, NAME = "user.contact.email", "user.name"


class Newsletter(BaseModel):
    email: Annotated[str, Category(EMAIL)]
    name: Annotated[str | None, Category(NAME)] = None
    issue: int = 1


HOSTS = {"127.0.0.1": "third_party.advertising", "*.mailer.example": "processor.email"}


class _Receiver(BaseHTTPRequestHandler):
    """Takes everything; redirects from one path."""

    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(307 if self.path == "/moved" else 204)
        self.send_header("Location", "/")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the base class calls it

    def log_message(self, *_: Any) -> None:
        """Keep the terminal quiet."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A host that is mapped."""
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


Send = Callable[..., int]


def _with_httpx(method: str, url: str, **options: Any) -> int:
    with httpx_hook.share(httpx.Client(follow_redirects=True, trust_env=False), HOSTS) as client:
        return client.request(method, url, **options).status_code


def _with_async_httpx(method: str, url: str, **options: Any) -> int:
    async def send() -> int:
        client = httpx.AsyncClient(follow_redirects=True, trust_env=False)
        async with httpx_hook.share(client, HOSTS):
            return (await client.request(method, url, **options)).status_code

    return asyncio.run(send())


def _with_requests(method: str, url: str, **options: Any) -> int:
    if "content" in options:  # as httpx names it
        options["data"] = options.pop("content")
    with requests_hook.share(requests.Session(), HOSTS) as session:
        session.trust_env = False
        return session.request(method, url, **options).status_code


@pytest.fixture(params=[_with_httpx, _with_async_httpx, _with_requests])
def send(request: pytest.FixtureRequest, configured: None) -> Iterator[Send]:
    """Send a request with one of the libraries, on behalf of a purpose."""
    with purposewatch.defaults(purpose="marketing.advertising", role="member"):
        yield request.param


def shares(captured: Captured) -> list[tuple[str, str, list[str]]]:
    """Operation and recipient, subject, categories of each event."""
    return [
        (
            f"{event['data']['operation']} {event['data']['recipient']}",
            event["data"]["subject_id"],
            event["data"]["data_categories"],
        )
        for event in captured.events
    ]


SHARE = "share third_party.advertising"


def test_the_categories_are_those_of_the_fields_that_are_sent(
    send: Send, url: str, captured: Captured
) -> None:
    """In a JSON body, within an envelope, in a form, and in the query."""
    letter = Newsletter(email="a@b", name="Ann")
    with purposewatch.sending(Newsletter, subject="m-1"):
        assert send("POST", url, json=letter.model_dump(include={"email"})) == 204
        assert send("POST", url, json={"to": [letter.model_dump()]}) == 204
        assert send("POST", url, data={"name": "Ann"}) == 204
        assert send("GET", url, params={"email": "a@b"}) == 204
        assert send("GET", url) == 204  # nothing of the person is sent
    assert shares(captured) == [
        (SHARE, "m-1", [EMAIL]),
        (SHARE, "m-1", [EMAIL, NAME]),
        (SHARE, "m-1", [NAME]),
        (SHARE, "m-1", [EMAIL]),
    ]


def test_all_fields_count_if_the_body_cannot_be_told_apart(
    send: Send, url: str, captured: Captured
) -> None:
    """Too much is reported rather than too little."""
    letter = Newsletter(email="a@b")
    with purposewatch.sending(letter, subject="m-1"):
        send("POST", url, json={"mail_address": "a@b"})
        send("POST", url, content=b"\x00\x01")
    with purposewatch.sending(categories=["user.device"], subject="m-1"):
        send("POST", url, content=b"\x00\x01")
    assert shares(captured) == [
        (SHARE, "m-1", [EMAIL, NAME]),
        (SHARE, "m-1", [EMAIL, NAME]),
        (SHARE, "m-1", ["user.device"]),
    ]


def test_a_redirect_is_another_request(send: Send, url: str, captured: Captured) -> None:
    """Both hosts get the data."""
    with purposewatch.sending(Newsletter, subject="m-1"):
        assert send("POST", f"{url}/moved", json={"email": "a@b"}) == 204
    assert shares(captured) == [(SHARE, "m-1", [EMAIL])] * 2


def test_a_request_of_unknown_content_is_counted(send: Send, url: str, captured: Captured) -> None:
    """And sent all the same; one to a host that is not mapped is no concern."""
    assert send("POST", url, json={"email": "a@b"}) == 204
    assert send("POST", url.replace("127.0.0.1", "localhost"), json={"email": "a@b"}) == 204
    with purposewatch.sending(Newsletter):  # nobody's
        assert send("POST", url, json={"email": "a@b"}) == 204
    assert captured.events == []
    counts = {gap[1:]: number for gap, number in purposewatch.gap_counts().items()}
    assert counts == {
        ("unmapped_dataset", "127.0.0.1"): 1,
        ("unresolved_subject", "127.0.0.1"): 1,
    }


def test_a_streamed_body_counts_as_all_fields(
    configured: None, url: str, captured: Captured
) -> None:
    """It can't be looked at without taking it from the recipient."""
    with (
        purposewatch.defaults(purpose="marketing.advertising", role="member", subject="m-1"),
        purposewatch.sending(Newsletter),
    ):
        _with_httpx("POST", url, content=iter([b"a", b"b"]))
        _with_requests("POST", url, content=iter([b"a", b"b"]))
    assert shares(captured) == [(SHARE, "m-1", [EMAIL, NAME])] * 2


def test_a_host_is_found_exactly_or_by_the_longest_suffix() -> None:
    """In any case; a name that merely ends alike is another host."""
    recipients = Recipients({"a.example": "one", "*.a.example": "two", "*.b.a.example": "three"})
    found = [
        recipients.recipient_of(host)
        for host in ("A.example", "x.a.example", "y.b.a.example", "xa.example", "example")
    ]
    assert found == ["one", "two", "three", None, None]
