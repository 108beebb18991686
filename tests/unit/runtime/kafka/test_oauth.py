"""Tokens for Kafka: asked for once, renewed in time, and each error says what to correct."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from purposewatch_runtime.kafka.connection import build_broker, build_producer
from purposewatch_runtime.kafka.oauth import TokenError, TokenProvider
from purposewatch_runtime.settings import KafkaSettings, TokenSource
from tests.harness.token_server import CLIENT_SECRET, TokenServer


class Clock:
    """A clock that a test moves; it starts now, since the server's tokens say so."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running() -> Iterator[TokenServer]:
    """One for all tests here: its key takes a while."""
    with TokenServer() as server:
        yield server


@pytest.fixture
def server(running: TokenServer) -> TokenServer:
    """The same as new."""
    running.status, running.seconds = HTTPStatus.OK, 300
    running.issued.clear()
    running.requests.clear()
    return running


def source(server: TokenServer, **changed: Any) -> TokenSource:
    """The token endpoint, with what a client needs."""
    usual: dict[str, Any] = {
        "url": server.url,
        "client_id": "ingest",
        "client_secret": SecretStr(CLIENT_SECRET),
        "scope": "kafka",
    }
    return TokenSource(**usual | changed)


async def test_a_token_is_asked_for_once_until_most_of_its_life_is_over(
    server: TokenServer,
) -> None:
    """Many connections that are opened at once share it."""
    clock = Clock(1_000.0)
    provider = TokenProvider(source(server), clock=clock)
    first = set(await asyncio.gather(*(provider.token() for _ in range(20))))
    clock.now += 239
    assert {await provider.token()} == first == set(server.issued)
    assert server.requests == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}]
    clock.now += 1
    server.seconds = 400  # so that the new one differs
    assert {await provider.token()} != first
    assert len(server.issued) == 2


async def test_a_token_is_used_until_it_expires_if_it_cannot_be_renewed(
    server: TokenServer,
) -> None:
    """It is logged at each attempt; then there is none, until the endpoint answers again."""
    clock = Clock(1_000.0)
    provider = TokenProvider(source(server), clock=clock)
    token = await provider.token()
    server.status = HTTPStatus.SERVICE_UNAVAILABLE
    clock.now += 299
    with capture_logs() as logs:
        assert await provider.token() == token
    assert [each["event"] for each in logs] == ["token for Kafka not renewed"]
    assert provider.problem is not None
    clock.now += 1
    with pytest.raises(TokenError, match="with status 503"):
        await provider.token()
    server.status = HTTPStatus.OK
    await provider.token()
    assert provider.problem is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"client_secret": SecretStr("wrong")}, "status 401: correct .*CLIENT_ID"),
        ({"url": "http://127.0.0.1:1/token"}, "gives no token .*correct .*TOKEN_URL"),
        ({"file": Path("/nonexistent")}, "TOKEN_FILE can't be read"),
        ({"file": Path(__file__)}, "TOKEN_FILE"),
    ],
)
async def test_what_is_wrong_is_named(
    server: TokenServer, changed: dict[str, Any], says: str
) -> None:
    """With the variable to correct, and never with the secret."""
    with pytest.raises(TokenError, match=says) as raised:
        await TokenProvider(source(server, **changed)).token()
    assert "wrong" not in str(raised.value)


async def test_the_secret_is_sent_to_no_other_address(server: TokenServer) -> None:
    """A redirection is an error."""
    server.status = HTTPStatus.TEMPORARY_REDIRECT
    with pytest.raises(TokenError, match="status 307"):
        await TokenProvider(source(server)).token()
    assert len(server.requests) == 1


async def test_a_file_is_read_again_when_most_of_a_tokens_life_is_over(
    server: TokenServer, tmp_path: Path
) -> None:
    """Somebody else renews it; one that has expired is named."""
    file = tmp_path / "token"
    file.write_text(server.issue("ingest"))
    provider = TokenProvider(TokenSource(file=file))
    assert await provider.token() == file.read_text()
    server.seconds = -5
    file.write_text(server.issue("ingest"))
    with pytest.raises(TokenError, match="TOKEN_FILE has expired; have it renewed"):
        await TokenProvider(TokenSource(file=file)).token()


def test_settings_of_tokens_are_complete(server: TokenServer) -> None:
    """A file alone, or an endpoint with id and secret; no user name is needed."""
    secured = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"}
    for faulty in ({}, {"kafka_oauth_token_url": server.url}, {"kafka_oauth_token_url": "ftp:"}):
        with pytest.raises(ValidationError, match=r"OAUTH|pattern"):
            KafkaSettings.model_validate(secured | faulty)
    settings = KafkaSettings.model_validate(secured | server.settings("ingest"))
    assert settings.token_source() == source(server, scope=None)
    assert KafkaSettings().token_source() is None


async def test_every_client_has_the_same_provider(server: TokenServer) -> None:
    """So one token serves all connections of a process."""
    secured = {"kafka_security_protocol": "SASL_SSL", **server.settings("ingest")}
    settings = KafkaSettings.model_validate(secured)
    producers = [build_producer(settings, client_id="test") for _ in range(2)]
    [first, second] = [each.client._sasl_oauth_token_provider for each in producers]
    assert isinstance(first, TokenProvider)
    assert first is second
    for each in producers:
        await each.stop()
    build_broker(settings, client_id="test")
