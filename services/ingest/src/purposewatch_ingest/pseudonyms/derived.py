"""Pseudonyms that are derived from a key, and so are kept nowhere."""

import hmac
from collections.abc import Callable
from datetime import datetime

from purposewatch_ingest.pseudonyms.interface import Recognised
from purposewatch_ingest.pseudonyms.keys import SubjectKey, SubjectKeyProvider


class Pseudonymiser:
    """Replaces a subject's identifier with `psn:<key id>:<128 bits in hex>`.

    The bits are the first half of HMAC-SHA256(key, controller NUL identifier): the same person
    has the same pseudonym everywhere under one controller and unrelated ones under two, and only
    the holder of the key can tell which pseudonym belongs to an identifier.
    """

    __slots__ = ("_key", "_prefix")

    def __init__(self, key: bytes, key_id: str) -> None:
        self._key = key
        self._prefix = f"psn:{key_id}:"

    def __call__(self, controller: str, subject_id: str, /) -> str:
        """The pseudonym of one of the controller's data subjects."""
        # INVARIANT: a controller's name holds no NUL, so no two pairs give the same message.
        message = f"{controller}\0{subject_id}".encode()
        return self._prefix + hmac.digest(self._key, message, "sha256")[:16].hex()

    async def resolve(self) -> bool:
        """See `PseudonymBatch`: nothing has to be looked up."""
        return False


class DerivedPseudonyms:
    """See `Pseudonyms`. Each controller's subjects have the key that is current for it."""

    def __init__(self, keys: Callable[[], SubjectKeyProvider]) -> None:
        self._keys = keys

    def begin(self, now: datetime) -> "_Batch":
        """See `Pseudonyms`."""
        return _Batch(self._keys(), now)

    async def recognised(self, controller: str, subject_id: str, now: datetime) -> Recognised:
        """See `Pseudonyms`."""
        keys = self._keys()
        current = keys.current(controller, now)
        others = (key for key in keys.recognised(controller) if key.id != current.id)
        return Recognised(
            _of(current)(controller, subject_id),
            tuple(_of(key)(controller, subject_id) for key in others),
        )

    async def forget(self, controller: str, subject_id: str) -> None:
        """See `Pseudonyms`: nothing is kept."""


class _Batch:
    """See `PseudonymBatch`."""

    def __init__(self, keys: SubjectKeyProvider, now: datetime) -> None:
        self._keys = keys
        self._now = now
        self._by_controller: dict[str, Pseudonymiser] = {}

    def __call__(self, controller: str, subject_id: str, /) -> str:
        """See `PseudonymBatch`."""
        pseudonymise = self._by_controller.get(controller)
        if pseudonymise is None:
            pseudonymise = _of(self._keys.current(controller, self._now))
            self._by_controller[controller] = pseudonymise
        return pseudonymise(controller, subject_id)

    async def resolve(self) -> bool:
        """See `PseudonymBatch`: nothing has to be looked up."""
        return False


def _of(key: SubjectKey) -> Pseudonymiser:
    return Pseudonymiser(key.key, key.id)
