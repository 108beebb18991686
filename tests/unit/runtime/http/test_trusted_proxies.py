"""Whom a request comes from, when something before the service says so."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from purposewatch_runtime.http import HttpLimits
from purposewatch_runtime.http.uvicorn_protocol import BoundedConfig


async def say_client(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with whom a request comes from, and over what."""
    request = Request(scope)
    assert request.client is not None
    answer = PlainTextResponse(f"{request.url.scheme} {request.client.host}")
    await answer(scope, receive, send)


@pytest.mark.parametrize(
    ("trusted_proxies", "peer", "expected"),
    [
        (None, "127.0.0.1", "http 127.0.0.1"),
        ("", "127.0.0.1", "http 127.0.0.1"),
        ("10.1.0.0/24", "127.0.0.1", "http 127.0.0.1"),
        ("10.1.0.0/24", "10.1.0.7", "https 192.0.2.1"),
        ("10.1.0.7, 10.1.0.8", "10.1.0.8", "https 192.0.2.1"),
    ],
)
async def test_only_named_proxies_say_whom_a_request_comes_from(
    monkeypatch: pytest.MonkeyPatch, trusted_proxies: str | None, peer: str, expected: str
) -> None:
    """Not even this host by default, and uvicorn's own variable changes nothing."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    config = BoundedConfig(say_client, HttpLimits(), trusted_proxies=trusted_proxies)
    config.load()
    transport = httpx.ASGITransport(app=config.loaded_app, client=(peer, 5000))
    forwarded = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.get("/", headers=forwarded)

    assert answer.text == expected
