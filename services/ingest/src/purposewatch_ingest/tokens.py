"""Verifies the JSON Web Tokens of an identity provider (OpenID Connect, client credentials)."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from purposewatch_ingest.signing_keys import SigningKeys, UnknownKeyError

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""What may be configured: signatures with a private key that only the provider has."""

_MAX_TOKEN_LENGTH = 8_192
_MAX_DOCUMENT_BYTES = 262_144
_TIMEOUT_SECONDS = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Which tokens are believed."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    leeway_seconds: float
    """How far the provider's clock may be off."""
    subject_claim: str
    """The claim that says which publisher it is."""


class TokenRefusedError(Exception):
    """A token is not believed. The text says why, and quotes nothing of it."""


_REASONS: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "has expired; get another one",
    jwt.ImmatureSignatureError: "is not valid yet; check the clocks",
    jwt.InvalidIssuedAtError: "is not valid yet; check the clocks",
    jwt.InvalidAudienceError: "is for another audience",
    jwt.InvalidIssuerError: "is of another issuer",
    jwt.InvalidAlgorithmError: "is signed with an algorithm that is not accepted",
    jwt.InvalidSignatureError: "has a wrong signature",
    jwt.MissingRequiredClaimError: "lacks one of the claims `exp`, `iss` and `aud`",
}


def is_token(credential: str) -> bool:
    """Whether a credential has the form of a signed token."""
    return credential.count(".") == 2  # noqa: PLR2004 - header, claims, signature


class TokenVerifier:
    """Says whose token it is."""

    def __init__(self, policy: TokenPolicy, keys: SigningKeys) -> None:
        self._policy = policy
        self._keys = keys

    async def subject_of(self, token: str) -> str:
        """What the token's claim says, once all of it is verified.

        Raises `TokenRefusedError`, or `KeysUnavailableError` if it can't be verified now.
        """
        if len(token) > _MAX_TOKEN_LENGTH:
            message = "is too long"
            raise TokenRefusedError(message)
        try:
            return await self._verified_subject(token)
        except jwt.PyJWTError as error:
            raise TokenRefusedError(_REASONS.get(type(error), "is not a valid token")) from None
        except UnknownKeyError:
            message = "is signed with a key that the identity provider does not have"
            raise TokenRefusedError(message) from None

    async def _verified_subject(self, token: str) -> str:
        policy = self._policy
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in policy.algorithms:
            raise jwt.InvalidAlgorithmError
        key = await self._keys.find(header.get("kid"))
        if key.algorithm not in (None, algorithm):
            raise jwt.InvalidAlgorithmError
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public_key,
            algorithms=[algorithm],
            audience=policy.audience,
            issuer=policy.issuer,
            leeway=policy.leeway_seconds,
            options={"require": ["exp", "iss", "aud"]},
        )
        subject = claims.get(policy.subject_claim)
        if not isinstance(subject, str):
            message = f"lacks the claim `{policy.subject_claim}`"
            raise TokenRefusedError(message)
        return subject


class KeySetSource:
    """Fetches the provider's key set; finds its address in the provider's metadata by default."""

    def __init__(self, issuer: str, jwks_url: str | None) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url

    def __call__(self) -> Mapping[str, object]:
        """Return the key set. Blocks, and raises an error if it can't be fetched."""
        return _get_json(self._jwks_url or self._discover())

    def _discover(self) -> str:
        address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        metadata = _get_json(address)
        if metadata.get("issuer") != self._issuer:
            message = "the provider's metadata names another issuer than the setting"
            raise ValueError(message)
        jwks_url = metadata.get("jwks_uri")
        if not isinstance(jwks_url, str) or not is_safe_url(jwks_url):
            message = "the provider's metadata has no `jwks_uri` with https"
            raise ValueError(message)
        return jwks_url


def is_safe_url(url: str) -> bool:
    """Whether what is fetched there can't be changed on the way: https, or this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none: where it leads was not configured."""


def _get_json(url: str) -> Mapping[str, object]:
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=_TIMEOUT_SECONDS) as response:
        content: bytes = response.read(_MAX_DOCUMENT_BYTES + 1)
    if len(content) > _MAX_DOCUMENT_BYTES:
        message = f"the document has more than {_MAX_DOCUMENT_BYTES} bytes"
        raise ValueError(message)
    document = json.loads(content)
    if not isinstance(document, dict):
        message = "the document is not a JSON object"
        raise TypeError(message)
    return document
