"""Signatures in minisign's format: Ed25519, over the BLAKE2b digest of the content.

Whatever is signed here, `minisign -V` verifies, and the reverse. Its format is described at
https://jedisct1.github.io/minisign/, signature and key formats.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_COMMENT = "untrusted comment: "
_TRUSTED = "trusted comment: "
_PLAIN, _HASHED = b"Ed", b"ED"
"""Signed is the content itself (as old versions do), or its digest."""
_KEY_BYTES, _SIGNATURE_BYTES = 2 + 8 + 32, 2 + 8 + 64
_LINES = 4


class SignatureError(ValueError):
    """Something is not signed by a key that is trusted; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that is trusted, and the id by which signatures name it."""

    key_id: bytes
    key: Ed25519PublicKey

    @property
    def name(self) -> str:
        """The id as minisign shows it."""
        return self.key_id[::-1].hex().upper()


def read_public_keys(text: str) -> tuple[PublicKey, ...]:
    """Read one or several public keys, each as `minisign -G` writes it."""
    keys = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(_COMMENT):
            continue
        raw = _decoded(line)
        if len(raw) != _KEY_BYTES or raw[:2] != _PLAIN:
            message = "is not a file of minisign's public keys; `minisign -G` makes a pair"
            raise SignatureError(message)
        keys.append(PublicKey(raw[2:10], Ed25519PublicKey.from_public_bytes(raw[10:])))
    if not keys:
        message = "holds no public key; append the keys that policies are signed with"
        raise SignatureError(message)
    return tuple(keys)


def verify(content: bytes, signature: str, keys: Iterable[PublicKey]) -> PublicKey:
    """Return the key that signed the content. Raises `SignatureError`."""
    lines = signature.splitlines()
    if len(lines) < _LINES or not lines[2].startswith(_TRUSTED):
        message = "the signature is not in minisign's format"
        raise SignatureError(message)
    raw, over_comment = _decoded(lines[1]), _decoded(lines[3])
    algorithm, key_id, signed = raw[:2], raw[2:10], raw[10:]
    if len(raw) != _SIGNATURE_BYTES or algorithm not in {_PLAIN, _HASHED}:
        message = "the signature is not in minisign's format"
        raise SignatureError(message)
    for key in keys:
        if key.key_id == key_id:
            break
    else:
        named = key_id[::-1].hex().upper()
        message = f"the signature is of the key {named}, which is not trusted here"
        raise SignatureError(message)
    try:
        key.key.verify(signed, content if algorithm == _PLAIN else _digest(content))
        key.key.verify(over_comment, signed + lines[2].removeprefix(_TRUSTED).encode())
    except InvalidSignature:
        message = f"the content is not what the key {key.name} signed"
        raise SignatureError(message) from None
    return key


def sign(content: bytes, key: Ed25519PrivateKey, *, comment: str) -> str:
    """Sign content; the comment is signed as well."""
    signed = key.sign(_digest(content))
    over_comment = key.sign(signed + comment.encode())
    return _text(
        f"{_COMMENT}signature of Purposewatch policies",
        _encoded(_HASHED + _key_id(key) + signed),
        f"{_TRUSTED}{comment}",
        _encoded(over_comment),
    )


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public key of a private one, in minisign's format."""
    public = PublicKey(_key_id(key), key.public_key())
    raw = key.public_key().public_bytes_raw()
    return _text(
        f"{_COMMENT}minisign public key {public.name}", _encoded(_PLAIN + public.key_id + raw)
    )


def _key_id(key: Ed25519PrivateKey) -> bytes:
    return hashlib.blake2b(key.public_key().public_bytes_raw(), digest_size=8).digest()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(line: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        message = "is not in minisign's format"
        raise SignatureError(message) from None


def _text(*lines: str) -> str:
    joined: Sequence[str] = lines
    return "\n".join(joined) + "\n"
