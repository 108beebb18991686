"""Pseudonyms of data subjects. No I/O."""

import hmac


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

    def __call__(self, controller: str, subject_id: str) -> str:
        """The pseudonym of one of the controller's data subjects."""
        # INVARIANT: a controller's name holds no NUL, so no two pairs give the same message.
        message = f"{controller}\0{subject_id}".encode()
        return self._prefix + hmac.digest(self._key, message, "sha256")[:16].hex()
