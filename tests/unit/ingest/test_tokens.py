"""Tokens of an identity provider."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from purposewatch_ingest.publishers import Publisher
from purposewatch_ingest.signing_keys import (
    MAX_AGE_SECONDS,
    PAUSE_SECONDS,
    REFRESH_SECONDS,
    KeysUnavailableError,
    SigningKeys,
)
from purposewatch_ingest.tokens import (
    KeySetSource,
    TokenPolicy,
    TokenRefusedError,
    TokenVerifier,
    is_safe_url,
)
from tests.unit.ingest.conftest import FakeProducer, post, problem
from tests.unit.ingest.identity_provider import AUDIENCE, IdentityProvider

MakeEvent: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[IdentityProvider]:
    """One provider for all tests: making keys takes time."""
    with IdentityProvider().serving() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: IdentityProvider) -> Iterator[IdentityProvider]:
    """The provider as it was at first."""
    published = dict(shared_provider.published)
    shared_provider.requests.clear()
    yield shared_provider
    shared_provider.published = published
    shared_provider.is_down = False


@pytest.fixture
def seconds() -> list[float]:
    """The monotonic clock; a test sets it."""
    return [0.0]


@pytest.fixture
def tokens(provider: IdentityProvider, seconds: list[float]) -> TokenVerifier:
    """Believes the provider's tokens for ingest."""
    policy = TokenPolicy(provider.issuer, AUDIENCE, ("RS256", "ES256"), 30, "sub")
    source = KeySetSource(provider.issuer, None)
    return TokenVerifier(policy, SigningKeys(source, lambda: seconds[0]))


@pytest.fixture
def publisher() -> Publisher:
    """A publisher whose client the provider knows."""
    return Publisher("crm", frozenset({"wework-labs"}), token_subjects=frozenset({"client-of-crm"}))


async def test_publisher_is_known_by_its_token(
    client: httpx.AsyncClient, producer: FakeProducer, event: MakeEvent, provider: IdentityProvider
) -> None:
    """Everything that a key gives access to; keys go on working beside tokens."""
    client.headers["Authorization"] = f"Bearer {provider.token()}"
    for _ in range(3):
        assert (await post(client, event())).status_code == 202
    assert (await client.get("/v1/vocabulary/wework-labs")).status_code == 200
    assert len(producer.records) == 3
    assert provider.requests == ["/.well-known/openid-configuration", "/keys"]


async def test_refused_token_says_why(
    client: httpx.AsyncClient, event: MakeEvent, provider: IdentityProvider
) -> None:
    """As RFC 6750 has it, and without the token."""
    for token, reason in (
        (provider.token(exp=int(time.time()) - 60), "has expired"),
        (provider.token(sub="somebody"), "of no registered publisher"),
    ):
        response = await post(client, event(), Authorization=f"Bearer {token}")
        assert reason in problem(response, 401, "unauthorized")["detail"]
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert token not in response.text


async def test_provider_that_is_down_refuses_nothing_for_good(
    client: httpx.AsyncClient, event: MakeEvent, provider: IdentityProvider
) -> None:
    """A client must keep its events: the token may be a good one."""
    provider.is_down = True
    response = await post(client, event(), Authorization=f"Bearer {provider.token()}")
    problem(response, 503, "identity-provider-unavailable")
    assert response.headers["retry-after"] == "10"


def encoded_header(algorithm: str) -> str:
    """The first part of a token."""
    return encoded(json.dumps({"alg": algorithm, "kid": "rsa-1"}).encode())


def encoded(part: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def unsigned(provider: IdentityProvider) -> str:
    """A token without a signature."""
    return f"{encoded_header('none')}.{provider.token().split('.')[1]}."


def signed_with_public_key(provider: IdentityProvider) -> str:
    """A token whose HMAC key is the provider's public key, which everybody has."""
    public = provider.private["rsa-1"].public_key()
    secret = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = f"{encoded_header('HS256')}.{provider.token().split('.')[1]}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), 'sha256'))}"


def changed(provider: IdentityProvider) -> str:
    """A token whose claims are another one's."""
    header, _, signature = provider.token().split(".")
    return f"{header}.{provider.token(sub='somebody').split('.')[1]}.{signature}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (unsigned, "an algorithm that is not accepted"),
        (signed_with_public_key, "an algorithm that is not accepted"),
        (lambda idp: idp.token(algorithm="PS256"), "an algorithm that is not accepted"),
        (lambda idp: idp.token(algorithm="RS512"), "an algorithm that is not accepted"),
        (changed, "wrong signature"),
        (lambda idp: idp.token(exp=int(time.time()) - 31), "has expired"),
        (lambda idp: idp.token(nbf=int(time.time()) + 60), "not valid yet"),
        (lambda idp: idp.token(aud="https://elsewhere.example"), "another audience"),
        (lambda idp: idp.token(aud=None), "lacks one of the claims"),
        (lambda idp: idp.token(exp=None), "lacks one of the claims"),
        (lambda idp: idp.token(iss="https://elsewhere.example"), "another issuer"),
        (lambda idp: idp.token(sub=None), "lacks the claim `sub`"),
        (lambda _: "a.b.c", "not a valid token"),
        (lambda _: "a.b." + "c" * 10_000, "too long"),
    ],
)
async def test_what_is_not_believed(
    tokens: TokenVerifier,
    provider: IdentityProvider,
    make: Callable[[IdentityProvider], str],
    reason: str,
) -> None:
    """Whatever is wrong with a token, its subject is not told."""
    with pytest.raises(TokenRefusedError, match=reason):
        await tokens.subject_of(make(provider))


async def test_clocks_may_differ_a_little(
    tokens: TokenVerifier, provider: IdentityProvider
) -> None:
    """Within the leeway; several audiences are fine if one is right."""
    now = int(time.time())
    late = provider.token(exp=now - 20, nbf=now + 20, aud=["other", AUDIENCE])
    assert await tokens.subject_of(late) == "client-of-crm"


async def test_new_key_is_fetched_once_it_is_used(
    tokens: TokenVerifier, provider: IdentityProvider, seconds: list[float]
) -> None:
    """Rotation needs no restart; made-up key ids ask the provider only now and then."""
    await tokens.subject_of(provider.token())
    provider.add_key("ec-2", algorithm="ES256")
    token = provider.token("ec-2", "ES256")
    with pytest.raises(TokenRefusedError, match="does not have"):
        await tokens.subject_of(token)  # fetched a moment ago
    seconds[0] += PAUSE_SECONDS
    provider.requests.clear()
    asked = await asyncio.gather(*[tokens.subject_of(token) for _ in range(20)])
    assert asked == ["client-of-crm"] * 20
    assert provider.requests.count("/keys") == 1
    made_up = jwt.encode({}, provider.private["rsa-1"], "RS256", headers={"kid": "made-up"})
    for _ in range(5):
        with pytest.raises(TokenRefusedError, match="does not have"):
            await tokens.subject_of(made_up)
    assert provider.requests.count("/keys") == 1


async def test_withdrawn_key_ends_and_outage_does_not_matter(
    tokens: TokenVerifier, provider: IdentityProvider, seconds: list[float]
) -> None:
    """Keys are refreshed beside requests; a provider that is down keeps nobody out for a day."""
    token = provider.token()
    await tokens.subject_of(token)
    provider.is_down = True
    seconds[0] += REFRESH_SECONDS
    assert await tokens.subject_of(token) == "client-of-crm"
    seconds[0] += MAX_AGE_SECONDS
    with pytest.raises(KeysUnavailableError):
        await tokens.subject_of(token)
    provider.is_down = False
    seconds[0] += PAUSE_SECONDS
    assert await tokens.subject_of(token) == "client-of-crm"
    del provider.published["rsa-1"]
    provider.add_key("ec-2", algorithm="ES256")
    seconds[0] += REFRESH_SECONDS
    await tokens.subject_of(token)  # starts the refresh
    async with asyncio.timeout(5):
        while "ec-2" not in tokens._keys._keys:
            await asyncio.sleep(0.01)
    with pytest.raises(TokenRefusedError, match="does not have"):
        await tokens.subject_of(token)


async def test_keys_that_are_not_for_signatures_are_ignored(
    provider: IdentityProvider, tokens: TokenVerifier
) -> None:
    """Shared secrets, keys for encryption, and kinds that are not known."""
    provider.add_key("enc-1", use="enc")
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "oct-1"}
    provider.published |= {"oct-1": secret, "new": {"kty": "NEW", "kid": "new"}}
    assert await tokens.subject_of(provider.token()) == "client-of-crm"
    with pytest.raises(TokenRefusedError, match="does not have"):
        await tokens.subject_of(provider.token("enc-1"))


async def test_metadata_of_another_issuer_is_not_believed(provider: IdentityProvider) -> None:
    """Nor is a redirect followed, or plain HTTP used across the network."""
    with pytest.raises(ValueError, match="another issuer"):
        KeySetSource(provider.issuer + "/", None)()
    assert is_safe_url("https://login.example/keys")
    for url in ("http://login.example/keys", "file:///etc/passwd", "https://", "keys"):
        assert not is_safe_url(url)
