"""The LMDB environment that holds the state: one for each process, in a directory of its own.

Reading and writing may happen in two threads; only one of them writes.

No transaction waits for the disk: what a killed process has committed is in the operating system's
hands. What is on disk after a crash of the machine may be anything, and the topic has it all, so
the state is then discarded. A file says which of both it was.
"""

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import lmdb

from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service import FatalError

T = TypeVar("T")

_LOCK = "lock"
_DATA = "data.mdb"
_SESSION = "session"
_CLEAN = "clean"
_FIRST_MAP_BYTES = 64 * 1024 * 1024
_GROWTH = 2
_CORRUPT = (
    lmdb.BadChecksumError,
    lmdb.BadTxnError,  # what comes after one of the others
    lmdb.CorruptedError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.ProblemError,
    lmdb.VersionMismatchError,
)

_log = get_logger(__name__)


class CorruptStateError(Exception):
    """The state on disk can't be used; discard it and restore it from the topic."""


class NoSpaceError(Exception):
    """The disk under the state is full; make room, and the write succeeds when it is repeated."""


class Environment:
    """An open environment. Its size limit grows as needed; what is committed survives `kill -9`."""

    def __init__(self, directory: Path, *, max_databases: int) -> None:
        """Raises `FatalError` when the directory can't be used, or another process uses it."""
        self._directory = directory
        self._max_databases = max_databases
        # INVARIANT: the size limit changes only while nothing reads.
        self._no_readers = threading.Lock()
        self._lock = _take(directory)
        if (directory / _DATA).exists() and not _is_trusted(directory):
            _log.warning("the machine was restarted; the state of facts will be restored")
            (directory / _DATA).unlink(missing_ok=True)
        _note_session(directory, _boot_id())
        try:
            self._env = self._open()
        except CorruptStateError as error:
            _log.error("state of facts is corrupt; it will be restored", error=str(error))
            (directory / _DATA).unlink()
            self._env = self._open()

    def close(self) -> None:
        """Write everything to the disk, and release the directory."""
        with contextlib.suppress(lmdb.Error):  # a full disk: the state is not trusted then
            self._env.sync(True)  # noqa: FBT003 - a parameter of lmdb by position alone
            _note_session(self._directory, _CLEAN)
        self._env.close()
        os.close(self._lock)

    def discard(self) -> None:
        """Remove everything, and open an empty environment."""
        with self._no_readers:
            self._env.close()
            (self._directory / _DATA).unlink(missing_ok=True)
            self._env = self._open()

    @property
    def size_bytes(self) -> int:
        """What the state takes on disk."""
        with contextlib.suppress(FileNotFoundError):
            return (self._directory / _DATA).stat().st_size
        return 0

    def database(self, name: bytes) -> "lmdb._Database":
        """The database with this name, created if need be."""
        return self.write(lambda transaction: self._env.open_db(name, txn=transaction))

    @contextlib.contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """What is committed, to be used briefly: meanwhile the environment can't grow."""
        with _translated(), self._no_readers, self._env.begin() as transaction:
            yield transaction

    def write(self, change: Callable[[lmdb.Transaction], T]) -> T:
        """Carry out a change as one transaction, again with more room where it did not fit.

        Raises `NoSpaceError` and `CorruptStateError`; then nothing has changed.
        """
        while True:
            try:
                with _translated(), self._env.begin(write=True) as transaction:
                    return change(transaction)
            except lmdb.MapFullError:
                with self._no_readers:
                    self._env.set_mapsize(self._env.info()["map_size"] * _GROWTH)

    def _open(self) -> lmdb.Environment:
        path = self._directory / _DATA
        size = path.stat().st_size if path.exists() else 0
        try:
            env = lmdb.open(
                str(self._directory),
                map_size=max(_FIRST_MAP_BYTES, size * _GROWTH),
                max_dbs=self._max_databases,
                sync=False,
                readahead=False,
            )
        except _CORRUPT as error:
            raise CorruptStateError(str(error)) from None
        # Reading beyond the end of a file that was cut off would end the process with a signal;
        # pages of zeros are found to be corrupt instead.
        needed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
        if path.stat().st_size < needed:
            os.truncate(path, needed)
        return env


def _take(directory: Path) -> int:
    """Create the directory and lock it; the descriptor holds the lock."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = (
            f"the state of facts can't be kept in `{directory}` ({error.strerror}); set "
            "PURPOSEWATCH_FACTS_DIR to a directory that this process may write to"
        )
        raise FatalError(message) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        message = (
            f"another process keeps its state of facts in `{directory}`; set "
            "PURPOSEWATCH_FACTS_DIR to a directory of its own for each auditor"
        )
        raise FatalError(message) from None
    return lock


def _is_trusted(directory: Path) -> bool:
    """Whether the machine has not crashed since the state was last written to the disk."""
    try:
        session = (directory / _SESSION).read_text(encoding="ascii")
    except (FileNotFoundError, ValueError):
        return False
    return session == _CLEAN or (session != "" and session == _boot_id())


def _note_session(directory: Path, session: str) -> None:
    with (directory / _SESSION).open("w", encoding="ascii") as file:
        file.write(session)
        file.flush()
        os.fsync(file.fileno())


def _boot_id() -> str:
    """What tells this run of the machine from others; empty where the system does not say."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _CORRUPT as error:
        raise CorruptStateError(str(error)) from error
    except lmdb.MapFullError:
        raise
    except lmdb.Error as error:
        if os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error):
            raise NoSpaceError(str(error)) from None
        raise
