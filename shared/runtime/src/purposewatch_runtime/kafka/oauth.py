"""Access tokens for Kafka (SASL OAUTHBEARER): fetched or read, and renewed before they expire."""

import asyncio
import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.settings import TokenSource

_TIMEOUT_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 1024 * 1024
_RENEW_SHARE: Final = 0.8
"""Of a token's life: then it is renewed, and used on if that fails."""

_log = get_logger(__name__)


class TokenError(KafkaConnectionError):  # type: ignore[misc]
    """There is no valid token; the text says what to correct.

    For Kafka's clients, a connection that can't be opened now.
    """


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when it is renewed and expires, in seconds since 1970."""

    text: str
    renewed_at: float
    expires_at: float

    @classmethod
    def until(cls, text: str, expires_at: float, now: float) -> "Token":
        """A token that is had now and expires then."""
        return cls(text, now + _RENEW_SHARE * (expires_at - now), expires_at)


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Hands the current token to every connection that is opened."""

    def __init__(self, source: TokenSource, *, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._token: Token | None = None
        self._renewing = asyncio.Lock()
        self.problem: str | None = None
        """Why the last attempt to renew the token failed."""

    async def token(self) -> str:
        """A token that is valid now. Raises `TokenError`."""
        async with self._renewing:
            now, held = self._clock(), self._token
            if held is None or now >= held.renewed_at:
                try:
                    self._token = held = await asyncio.to_thread(_obtain, self._source, now)
                    self.problem = None
                except TokenError as error:
                    self.problem = str(error.args[0])
                    if held is None or now >= held.expires_at:
                        raise
                    _log.error("token for Kafka not renewed", error=self.problem)
            return held.text


@cache
def token_provider(source: TokenSource) -> TokenProvider:
    """The provider of this source, the same for all who ask."""
    return TokenProvider(source)


def _obtain(source: TokenSource, now: float) -> Token:
    token = _read(source.file, now) if source.file else _fetch(source, now)
    if token.expires_at <= now:
        name = "PURPOSEWATCH_KAFKA_OAUTH_TOKEN_FILE" if source.file else source.url
        message = f"the token of {name} has expired; have it renewed, and compare the clocks"
        raise TokenError(message)
    return token


def _read(path: Path, now: float) -> Token:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        message = f"PURPOSEWATCH_KAFKA_OAUTH_TOKEN_FILE can't be read: {error}"
        raise TokenError(message) from None
    expires_at = _expiry(text)
    if expires_at is None:
        message = (
            "PURPOSEWATCH_KAFKA_OAUTH_TOKEN_FILE does not hold a JWT that says when it expires"
        )
        raise TokenError(message)
    return Token.until(text, expires_at, now)


def _fetch(source: TokenSource, now: float) -> Token:
    """Ask the token endpoint, as OAuth 2.0's client credentials grant says (RFC 6749, 4.4)."""
    form = {"grant_type": "client_credentials"} | ({"scope": source.scope} if source.scope else {})
    secret = source.client_secret.get_secret_value() if source.client_secret else ""
    pair = ":".join(urllib.parse.quote_plus(each) for each in (source.client_id or "", secret))
    request = urllib.request.Request(  # noqa: S310 - the settings allow `https` and `http` alone
        source.url or "",
        data=urllib.parse.urlencode(form).encode(),
        headers={
            "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            "accept": "application/json",
        },
    )
    try:
        answer = json.loads(_answer(request, source.cafile))
        text, seconds = answer["access_token"], answer.get("expires_in")
        expires_at = _expiry(text) if seconds is None else now + float(seconds)
    except urllib.error.HTTPError as error:
        error.close()
        message = (
            f"{source.url} refuses a token with status {error.code}: correct "
            "PURPOSEWATCH_KAFKA_OAUTH_CLIENT_ID, …_CLIENT_SECRET or …_SCOPE"
        )
        raise TokenError(message) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        message = (
            f"{source.url} gives no token ({reason}): correct PURPOSEWATCH_KAFKA_OAUTH_TOKEN_URL, "
            "or for its certificate …_OAUTH_CAFILE"
        )
        raise TokenError(message) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"{source.url} does not answer as a token endpoint does; correct the address"
        raise TokenError(message) from None
    if expires_at is None:
        message = f"{source.url} does not say when its token expires"
        raise TokenError(message)
    return Token.until(text, expires_at, now)


def _answer(request: urllib.request.Request, cafile: Path | None) -> bytes:
    context = ssl.create_default_context(cafile=cafile)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), _NoRedirects()
    )
    with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
        body: bytes = answer.read(_MAX_ANSWER_BYTES)
        return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Never sends the secret to another address."""

    def redirect_request(self, *_: object) -> None:
        """Follow none: the redirection becomes an `HTTPError`."""


def _expiry(token: str) -> float | None:
    """What a JWT states as `exp`; only its issuer and Kafka verify it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return None
