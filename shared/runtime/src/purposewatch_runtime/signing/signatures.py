"""Signatures of records: who wrote a record, and that it stands where it was written. No I/O.

The records of one call are the leaves of a Merkle tree, and its root is signed with Ed25519. A
record's header holds the signature and the path from the record to the root, so each record can be
verified alone, and one verification of the signature serves all records of the tree. Whoever
verifies holds no key that can sign.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from purposewatch_policy import BoundedCache

SIGNATURE_HEADER = "signature"
"""Of a record: the key's id, the signature of the root, the hashes beside the path to the root."""

MAX_TREE = 64
"""Records of one tree. Larger trees save little of the signature, and lengthen every path."""

_CONTEXT = b"purposewatch records 1\0"
_LEAF, _NODE = b"\0", b"\1"
_LENGTHS = struct.Struct(">HiiB")
_ABSENT = -1
_ID_BYTES = 8
_HASH_BYTES = 32
_FIXED_BYTES = _ID_BYTES + 64
_LONGEST = _FIXED_BYTES + 16 * _HASH_BYTES
_NODES_KEPT = 20_000


class Signable(Protocol):
    """What of a record is signed; of one to be published as of one that was read."""

    @property
    def topic(self) -> str:
        """The full name of its topic."""

    @property
    def partition(self) -> int | None:
        """Where it stands; only a record that names it can be signed."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; `None` for a tombstone."""


class Signed(Signable, Protocol):
    """What of a record that was read is verified."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Its headers."""

    @property
    def timestamp(self) -> int:
        """When it was written, in milliseconds since 1970."""


class Refusal(StrEnum):
    """Why a signature does not count; a metric's label."""

    MISSING = "missing"
    INVALID = "invalid"
    """Changed, moved to another partition or topic, or made with another key than it names."""
    UNKNOWN_KEY = "unknown_key"
    RETIRED_KEY = "retired_key"
    FOREIGN_KEY = "foreign_key"
    """Of a service that does not write this topic."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key whose signatures count."""

    service: str
    topics: frozenset[str]
    """The full names of the topics that the service writes."""
    public_key: Ed25519PublicKey
    until: datetime | None = None
    """Records that were written later are refused."""


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Which topics must be signed, and whose signatures count."""

    required: frozenset[str]
    """Full names. Records of other topics are not checked."""
    keys: Mapping[bytes, TrustedKey]
    """By `key_id`."""


def key_id(public_key: Ed25519PublicKey) -> bytes:
    """What the header of a record calls the key."""
    return hashlib.sha256(public_key.public_bytes_raw()).digest()[:_ID_BYTES]


class Signer:
    """Signs records with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    def headers(self, records: Sequence[Signable]) -> list[bytes]:
        """The header of each record, in order."""
        signed: list[bytes] = []
        for start in range(0, len(records), MAX_TREE):
            levels = _levels([_leaf(each) for each in records[start : start + MAX_TREE]])
            head = self.key_id + self._key.sign(_CONTEXT + levels[-1][0])
            signed += [head + path for path in _paths(levels)]
        return signed


class Verifier:
    """Says of records whether their signatures count."""

    def __init__(self) -> None:
        self._verified = BoundedCache[bytes, bool](_NODES_KEPT)

    def refusal(self, record: Signed, trusted: TrustedKeys) -> Refusal | None:
        """Why the record is refused; `None` for a good one, and where none is required."""
        if record.topic not in trusted.required:
            return None
        header = header_of(record)
        if header is None:
            return Refusal.MISSING
        if not _FIXED_BYTES <= len(header) <= _LONGEST or (len(header) - _FIXED_BYTES) % 32:
            return Refusal.INVALID
        key = trusted.keys.get(header[:_ID_BYTES])
        if key is None:
            return Refusal.UNKNOWN_KEY
        if (refusal := _misused(record, key)) is not None:
            return refusal
        return None if self._is_signed(record, header, key) else Refusal.INVALID

    def _is_signed(self, record: Signed, header: bytes, key: TrustedKey) -> bool:
        """Climb from the record to the root, or to a node that is known to be below it.

        INVARIANT: `_verified` holds nodes of trees whose root has that signature, and with a node
        both that are below it. So most records take one hash more than their own.
        """
        head, node = header[:_FIXED_BYTES], _leaf(record)
        climbed: list[bytes] = []
        for start in range(_FIXED_BYTES, len(header), _HASH_BYTES):
            if self._verified.get(head + node):
                break
            beside = header[start : start + _HASH_BYTES]
            climbed += (node, beside)
            node = _node(node, beside)
        else:
            if not self._verified.get(head + node):
                try:
                    key.public_key.verify(head[_ID_BYTES:], _CONTEXT + node)
                except InvalidSignature:
                    return False
                climbed.append(node)
        for each in climbed:
            self._verified.put(head + each, True)  # noqa: FBT003 - only good ones are kept
        return True


def header_of(record: Signed) -> bytes | None:
    """The header with the signature, as it is."""
    for name, value in record.headers:
        if name == SIGNATURE_HEADER:
            return value or b""
    return None


def _misused(record: Signed, key: TrustedKey) -> Refusal | None:
    if record.topic not in key.topics:
        return Refusal.FOREIGN_KEY
    if key.until is not None and record.timestamp > key.until.timestamp() * 1000:
        return Refusal.RETIRED_KEY
    return None


def _leaf(record: Signable) -> bytes:
    """The hash of what is signed of a record: where it stands, its key and its value."""
    topic, key, value = record.topic.encode(), record.key, record.value
    lengths = _LENGTHS.pack(
        len(topic),
        record.partition,
        _ABSENT if key is None else len(key),
        value is None,
    )
    return hashlib.sha256(
        b"".join((_LEAF, lengths, topic, key or b"", value or b"")),
    ).digest()


def _node(left: bytes, right: bytes) -> bytes:
    """The hash of two nodes, in the order of their hashes, so that a path needs no directions."""
    return hashlib.sha256(_NODE + (left + right if left < right else right + left)).digest()


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """The tree from the leaves to the root. A node without a sibling moves up as it is."""
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [_node(left, right) for left, right in pairs]
        levels.append(above + level[-1:] if len(level) % 2 else above)
    return levels


def _paths(levels: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The hashes beside the path from each leaf to the root, joined."""
    paths = [b""]
    for level in reversed(levels[:-1]):
        paths = [
            (level[place ^ 1] if place ^ 1 < len(level) else b"") + paths[place >> 1]
            for place in range(len(level))
        ]
    return paths
