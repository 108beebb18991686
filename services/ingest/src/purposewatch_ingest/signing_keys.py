"""The keys that an identity provider signs its tokens with, fetched from it and kept.

Keys rotate, so a token may name one that was not fetched yet; and the provider may be down, which
must not keep publishers out whose key is known.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from purposewatch_runtime.log_limiter import LogLimiter
from purposewatch_runtime.logs import get_logger

REFRESH_SECONDS = 600.0
"""Keys are fetched again after this time, so that one that was withdrawn ends soon."""
PAUSE_SECONDS = 10.0
"""Between two attempts: tokens with made-up keys must not flood the provider."""
MAX_AGE_SECONDS = 86_400.0
"""While the provider is down, keys that were fetched before are trusted this long."""
FETCH_SECONDS = 10.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One of the provider's public keys."""

    public_key: Any
    """In the form of the library that verifies."""
    algorithm: str | None
    """The only one that it is for, if the provider says so."""


class UnknownKeyError(Exception):
    """The provider has no such key."""


class KeysUnavailableError(Exception):
    """The provider's keys are not known and could not be fetched: try again later."""


class SigningKeys:
    """Finds a key by its id; fetches the keys again when they are old or the id is new.

    `fetch` returns the provider's JSON Web Key Set. It may block, and raise anything.
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, SigningKey] = {}
        self._fetched = self._attempted = -MAX_AGE_SECONDS
        self._refreshing: asyncio.Task[None] | None = None
        self._limiter = LogLimiter()

    async def find(self, key_id: str | None) -> SigningKey:
        """The key of this id. Raises `UnknownKeyError` or `KeysUnavailableError`."""
        age = self._clock() - self._fetched
        key = self._keys.get(key_id) if age < MAX_AGE_SECONDS else None
        if key is None:
            await asyncio.shield(self._refresh())
            key = self._keys.get(key_id)
            age = self._clock() - self._fetched
        elif age >= REFRESH_SECONDS:
            self._refresh()  # beside the request, which does not wait for it
        if key is not None and age < MAX_AGE_SECONDS:
            return key
        if self._fetched < self._attempted:
            raise KeysUnavailableError
        raise UnknownKeyError

    def _refresh(self) -> "asyncio.Task[None]":
        """Fetch the keys, once at a time, unless that was just tried."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._fetch_keys())
        return self._refreshing

    async def _fetch_keys(self) -> None:
        now = self._clock()
        if now - self._attempted < PAUSE_SECONDS:
            return
        self._attempted = now
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                document = await asyncio.to_thread(self._fetch)
            self._keys = _usable_keys(document)
        except Exception as error:  # noqa: BLE001 - whatever it is, the last good keys stay
            if (suppressed := self._limiter.admit("keys", now)) is not None:
                _log.warning(
                    "signing keys not fetched; the last ones stay in use",
                    error=f"{type(error).__name__}: {error}",
                    suppressed=suppressed,
                )
            return
        self._fetched = now


def _usable_keys(document: Mapping[str, object]) -> dict[str | None, SigningKey]:
    """The public keys for signatures, by id; raises `ValueError` if there is none.

    A single key is also found by tokens that name none.
    """
    listed = document.get("keys")
    keys: dict[str | None, SigningKey] = {}
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("kty") == "oct":  # a shared secret is no proof
            continue
        if each.get("use", "sig") != "sig":
            continue
        try:
            keys[each.get("kid")] = SigningKey(PyJWK(each).key, each.get("alg"))
        except PyJWTError:  # of a kind that is not supported; tokens signed with it are refused
            continue
    if not keys:
        message = "the set has no public key for signatures"
        raise ValueError(message)
    only = next(iter(keys.values())) if len(keys) == 1 else None
    keys.pop(None, None)
    return keys if only is None else {**keys, None: only}
