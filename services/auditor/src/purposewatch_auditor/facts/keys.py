"""How a statement of a fact is laid out in the state: its key orders, its value is what is shown.

A key is `<pseudonym>/<controller>/<fact>/`, as in the topic, then effective time, stated time and
digest in binary, most significant byte first. So the statements of one fact about one subject lie
side by side, the one that counts most last.
"""

import struct
from datetime import UTC, datetime, timedelta

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME = struct.Struct(">Q")
_SHIFT = 1 << 62
"""Makes every time positive, so that its bytes sort as it does."""
_TIME_BYTES = 8
_DIGEST_BYTES = 16
_ORDER_BYTES = 2 * _TIME_BYTES + _DIGEST_BYTES
_BEHIND_ALL = b"\xff" * (_TIME_BYTES + _DIGEST_BYTES)
_NEVER = _TIME.pack((1 << 64) - 1)
_SEPARATOR = b"\0"


class StatedFact(msgspec.Struct, frozen=True, gc=False):
    """A statement as the state keeps it. Times are in microseconds since 1970, in UTC."""

    value: bool
    since: int
    until: int | None
    statement: str
    source: str
    evidence: str | None

    def value_at(self, at: int) -> bool | None:
        """The value at a time from `since` on; `None` once it has expired."""
        return None if self.until is not None and self.until <= at else self.value


def microseconds(at: datetime) -> int:
    """A time, with zone, as the state's keys count it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(since_epoch: int) -> datetime:
    """The opposite of `microseconds`, in UTC."""
    return _EPOCH + since_epoch * _MICROSECOND


def fact_prefix(subject: str, controller: str, fact: str) -> bytes:
    """What the keys of all statements of a fact about a subject begin with."""
    return f"{subject}/{controller}/{fact}/".encode()


def effective_prefix(prefix: bytes, since: int) -> bytes:
    """What the keys of all statements begin with that take effect at the same time."""
    return prefix + _TIME.pack(since + _SHIFT)


def state_key(prefix: bytes, since: int, stated: int, digest: bytes) -> bytes:
    """The key of a statement."""
    return b"".join((prefix, _TIME.pack(since + _SHIFT), _TIME.pack(stated + _SHIFT), digest))


def behind(prefix: bytes, at: int) -> bytes:
    """A key behind those of all statements that take effect by then, and before all others."""
    return effective_prefix(prefix, at) + _BEHIND_ALL


def prefix_of(key: bytes) -> bytes:
    """The part of a statement's key that all statements of the same fact share."""
    return key[:-_ORDER_BYTES]


def since_of(key: bytes) -> int:
    """When the statement with this key takes effect."""
    at: int = _TIME.unpack_from(key, len(key) - _ORDER_BYTES)[0]
    return at - _SHIFT


def digest_of(key: bytes) -> bytes:
    """The digest in a statement's key."""
    return key[-_DIGEST_BYTES:]


def topic_key(key: bytes) -> bytes:
    """The key in the topic of the statement with this key in the state."""
    return b"%s%d/%s" % (prefix_of(key), since_of(key), digest_of(key).hex().encode())


def encode_stated(fact: StatedFact) -> bytes:
    """The value in the state; `since` is in the key."""
    until = _NEVER if fact.until is None else _TIME.pack(fact.until + _SHIFT)
    texts = f"{fact.statement}\0{fact.source}\0{fact.evidence or ''}".encode()
    return (b"\1" if fact.value else b"\0") + until + texts


def decode_stated(key: bytes, value: bytes) -> StatedFact:
    """The statement under a key of the state. Raises `ValueError` for any other key."""
    until = value[1 : 1 + _TIME_BYTES]
    if len(key) < _ORDER_BYTES or len(until) != _TIME_BYTES or value[0] > 1:
        message = "not a statement of a fact"
        raise ValueError(message)
    statement, source, evidence = value[1 + _TIME_BYTES :].split(_SEPARATOR)
    return StatedFact(
        value[0] == 1,
        since_of(key),
        None if until == _NEVER else _TIME.unpack(until)[0] - _SHIFT,
        statement.decode(),
        source.decode(),
        evidence.decode() or None,
    )
