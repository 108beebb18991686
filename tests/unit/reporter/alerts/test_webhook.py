"""What the webhook sends, and what it makes of answers."""

import json

import httpx
import pytest
from pydantic import SecretStr

from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from purposewatch_reporter.alerts.webhook import Webhook, WebhookTarget, sign
from tests.unit.reporter.alerts.conftest import Bench

SECRET = SecretStr("a secret that signs")


class Hook:
    """A webhook to a receiver that answers as the test says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.requests: list[httpx.Request] = []
        self.answer = httpx.Response(204)
        self.error: Exception | None = None
        target = WebhookTarget(SecretStr("https://hooks.example/secret-path"), SECRET, 5)
        transport = httpx.MockTransport(self._receive)
        self.channel = Webhook("hook", target, ResendPolicy(), transport=transport)

    def _receive(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return self.answer

    async def send(self) -> Attempt:
        """Send an alert about a violation."""
        await self.bench.violate("user.a")
        await self.bench.advance()
        await self.bench.deliverer().deliver()
        await self.channel.open()
        attempt = await self.channel.send(self.bench.channel.sent[0])
        await self.channel.close()
        return attempt


@pytest.fixture
async def hook(bench: Bench) -> Hook:
    """A webhook."""
    return Hook(bench)


async def test_an_alert_says_all_there_is_to_know(hook: Hook) -> None:
    """One signed document that can be recognised, read and followed."""
    assert await hook.send() == Attempt(Result.DELIVERED)
    [request] = hook.requests
    body = json.loads(request.content)
    name = body["fingerprint"]
    assert body == {
        "key": f"{name}-1-firing",
        "fingerprint": name,
        "episode": 1,
        "state": "firing",
        "title": (
            "[medium] undeclared_purpose: user.a for marketing.advertising, to first_party "
            "(wework-labs, member, crm)"
        ),
        "summary": "`user.a` is violation.",
        "severity": "medium",
        "labels": {
            "alertname": "PurposewatchViolation",
            "audience": "compliance",
            "controller": "wework-labs",
            "role": "member",
            "kind": "undeclared_purpose",
            "data_category": "user.a",
            "purpose": "marketing.advertising",
            "recipient": "first_party",
            "publisher": "crm",
            "outcome": "violation",
            "severity": "medium",
            "fingerprint": name,
        },
        "facts": {
            "clause": "members.1",
            "statement": "members.contact.use",
            "policy_version": "2018-05-25",
            "latest_violation": body["facts"]["latest_violation"],
        },
        "count": 1,
        "per_minute": 1.0,
        "started": "2026-03-02T09:00:00+00:00",
        "ended": None,
        "first_seen": "2026-03-02T08:15:00+00:00",
        "last_seen": "2026-03-02T08:15:00+00:00",
        "url": f"https://reporter.example/findings/{name}",
    }
    assert request.headers["Idempotency-Key"] == body["key"]
    assert request.headers["X-Purposewatch-Signature"] == sign(request.content, SECRET)
    assert "psn:" not in request.content.decode()


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
async def test_a_receiver_in_trouble_has_failed(hook: Hook, status: int) -> None:
    """Nothing more is sent to it for now."""
    hook.answer = httpx.Response(status)
    assert await hook.send() == Attempt(Result.FAILED, f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 409, 413, 422])
async def test_a_receiver_may_refuse_one_alert(hook: Hook, status: int) -> None:
    """The others go on."""
    hook.answer = httpx.Response(status)
    assert await hook.send() == Attempt(Result.REFUSED, f"HTTP {status}")


async def test_it_may_say_how_long_to_wait(hook: Hook) -> None:
    """In whole seconds."""
    hook.answer = httpx.Response(429, headers={"Retry-After": "7"})
    assert await hook.send() == Attempt(Result.FAILED, "HTTP 429", 7)


async def test_a_broken_connection_is_told_without_the_address(hook: Hook) -> None:
    """The address may hold a token; the outbox is shown to people."""
    hook.error = httpx.ConnectError("https://hooks.example/secret-path refused")
    assert await hook.send() == Attempt(Result.FAILED, "ConnectError")
