"""The statements of facts of some partitions, each partition with its position in the topic."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import lmdb
import msgspec

from purposewatch_auditor.facts.environment import CorruptStateError, Environment
from purposewatch_auditor.facts.keys import (
    StatedFact,
    behind,
    decode_stated,
    digest_of,
    effective_prefix,
    prefix_of,
    state_key,
)
from purposewatch_runtime.logs import get_logger

_log = get_logger(__name__)

_POSITIONS = b"positions"
_FORMAT_KEY = b"format"
_FORMAT = b"1"
"""A release that reads statements which an older one had to skip, or that stores them in another
layout, raises it: the state is then restored from the topic."""


class Sample(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A record that was applied: what tells this log from another one."""

    offset: int
    key_digest: str
    timestamp: int


class Position(msgspec.Struct, frozen=True):
    """How far a partition of the topic has been applied."""

    offset: int
    """The next offset to apply."""
    samples: tuple[Sample, ...] = ()
    current_at: float = 0.0
    """When this was last the end of the log, or the log was begun with; in seconds since 1970.

    What is removed from the log was still there then.
    """


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one record of the topic changes: a statement, or the removal of one."""

    prefix: bytes
    since: int
    digest: bytes
    stated: int = 0
    value: bytes | None = None
    """`None` removes the statement."""


class View:
    """A consistent view of the state."""

    def __init__(
        self, transaction: lmdb.Transaction, databases: Mapping[int, "lmdb._Database"]
    ) -> None:
        self._transaction = transaction
        self._databases = databases
        self._cursors: dict[int, lmdb.Cursor] = {}

    def in_force(self, partition: int, prefix: bytes, at: int) -> StatedFact | None:
        """The statement that counts at a time, which may have expired; `None` if there is none."""
        cursor = self._cursors.get(partition)
        if cursor is None:
            cursor = self._transaction.cursor(self._databases[partition])
            self._cursors[partition] = cursor
        found = cursor.prev() if cursor.set_range(behind(prefix, at)) else cursor.last()
        if not found:
            return None
        key = _key(cursor)
        return _decoded(key, cursor) if prefix_of(key) == prefix else None

    def keys_after(self, partition: int, key: bytes, count: int) -> list[bytes]:
        """At most so many keys of statements behind a key, in order."""
        cursor = self._transaction.cursor(self._databases[partition])
        found: list[bytes] = []
        more = cursor.set_range(key + b"\0")
        while more and len(found) < count:
            found.append(_key(cursor))
            more = cursor.next()
        return found


class FactState:
    """The state in its environment. Everything but `view` is called from one thread."""

    def __init__(self, directory: Path, *, max_partitions: int) -> None:
        """See `Environment`."""
        self._environment = Environment(directory, max_databases=max_partitions + 1)
        self._databases: dict[int, lmdb._Database] = {}
        try:
            self._begin()
        except CorruptStateError as error:
            _log.error("state of facts is corrupt; it will be restored", error=str(error))
            self.discard()

    def close(self) -> None:
        """Release the directory."""
        self._environment.close()

    def discard(self) -> None:
        """Forget everything."""
        self._databases.clear()
        self._environment.discard()
        self._begin()

    @property
    def size_bytes(self) -> int:
        """What the state takes on disk."""
        return self._environment.size_bytes

    def open(self, partition: int) -> Position | None:
        """Make a partition ready for use; its position, unless nothing is known of it."""
        if partition not in self._databases:
            self._databases[partition] = self._environment.database(_name(partition))
        with self._environment.read() as transaction:
            found = transaction.get(_name(partition), db=self._positions)
        if found is None:
            return None
        try:
            return msgspec.msgpack.decode(found, type=Position)
        except msgspec.MsgspecError as error:
            raise CorruptStateError(str(error)) from None

    def clear(self, partition: int) -> None:
        """Forget a partition, which is open."""
        database = self._databases[partition]

        def change(transaction: lmdb.Transaction) -> None:
            transaction.drop(database, delete=False)
            transaction.delete(_name(partition), db=self._positions)

        self._environment.write(change)

    def apply(
        self, changes: Mapping[int, Sequence[Change]], positions: Mapping[int, Position]
    ) -> None:
        """Apply changes of open partitions in order, and note how far that brings them.

        All or nothing: see `Environment.write`.
        """

        def change(transaction: lmdb.Transaction) -> None:
            for partition, wanted in changes.items():
                cursor = transaction.cursor(self._databases[partition])
                # Neighbours lie on the same pages; equal keys keep their order.
                for each in sorted(wanted, key=_order):
                    _apply(cursor, each)
            for partition, position in positions.items():
                encoded = msgspec.msgpack.encode(position)
                transaction.put(_name(partition), encoded, db=self._positions)

        self._environment.write(change)

    @contextlib.contextmanager
    def view(self) -> Iterator[View]:
        """What is committed now. Brief use only: see `Environment.read`."""
        with self._environment.read() as transaction:
            yield View(transaction, self._databases)

    def _begin(self) -> None:
        self._positions = self._environment.database(_POSITIONS)

        def check(transaction: lmdb.Transaction) -> bool:
            known = transaction.get(_FORMAT_KEY, db=self._positions)
            return known == _FORMAT or (
                known is None and transaction.put(_FORMAT_KEY, _FORMAT, db=self._positions)
            )

        if not self._environment.write(check):
            self._environment.discard()
            self._begin()


def _name(partition: int) -> bytes:
    return b"%d" % partition


def _order(change: Change) -> tuple[bytes, int, bytes]:
    return change.prefix, change.since, change.digest


def _apply(cursor: lmdb.Cursor, change: Change) -> None:
    """Apply one change.

    A statement is known by its effective time and digest. The log keeps its last record, so an
    earlier one with another stated time goes.
    """
    prefix = effective_prefix(change.prefix, change.since)
    more = cursor.set_range(prefix)
    while more and (key := _key(cursor)).startswith(prefix):
        if digest_of(key) == change.digest:
            cursor.delete()
            break
        more = cursor.next()
    if change.value is not None:
        key = state_key(change.prefix, change.since, change.stated, change.digest)
        cursor.put(key, change.value)


def _key(cursor: lmdb.Cursor) -> bytes:
    return bytes(cursor.key())  # the same object: the transaction has no buffers


def _decoded(key: bytes, cursor: lmdb.Cursor) -> StatedFact:
    try:
        return decode_stated(key, bytes(cursor.value()))
    except ValueError as error:
        raise CorruptStateError(str(error)) from None
