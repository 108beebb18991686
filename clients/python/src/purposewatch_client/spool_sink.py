"""The sink that spools to disk and sends in the background."""

import atexit
import logging
import os
import sys
import time
import weakref
from dataclasses import dataclass

from purposewatch_client.errors import NotRecordedError
from purposewatch_client.log_limiter import LogLimiter
from purposewatch_client.sender.delivery import Delivery
from purposewatch_client.sender.sender import Sender, SenderSettings
from purposewatch_client.sender.transport import Tls, Transport
from purposewatch_client.settings import ClientSettings
from purposewatch_client.spool.backlog import read_backlog
from purposewatch_client.spool.directory import SpoolDirectory
from purposewatch_client.spool.reader import BatchLimits
from purposewatch_client.spool.refused import RefusedFile
from purposewatch_client.spool.segment import EVENT, FACT, GAP
from purposewatch_client.spool.writer import SpoolWriter
from purposewatch_client.stats import Stats

__all__ = ["SpoolSink"]

_log = logging.getLogger("purposewatch_client")
_BLOCK_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Process:
    """What belongs to one process, and what a forked child makes for itself."""

    pid: int
    writer: SpoolWriter
    delivery: Delivery
    sender: Sender


class SpoolSink:
    """See `Sink`. What `append` returned for is on disk, and is sent by this process or another.

    A forked child gets a writer and a sender of its own: no lock, file or thread of its parent's is
    used in it. Python's own forks are noticed at once; others, such as uWSGI's, by the process id.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        private = settings.spool is None
        self._directory = SpoolDirectory(settings.spool_directory, settings.source, private=private)
        self._limiter = LogLimiter()
        self._process: _Process | None = None
        self._processes: dict[int, _Process] = {}
        _sinks.add(self)

    def append(self, event: bytes, /, kind: int = EVENT) -> None:
        """See `Sink`."""
        process = self._process
        if process is None or process.pid != os.getpid():
            process = self._begin()
        try:
            process.writer.append(event, kind)
        except NotRecordedError as error:
            self._retry(process, event, kind, error)
        if process.sender.idle:
            _wake(process)

    def append_fact(self, fact: bytes, /) -> None:
        """See `Sink`."""
        self.append(fact, FACT)

    def append_gap(self, gap: bytes, /) -> None:
        """See `Sink`. It waits for no room, and one that is not recorded is not counted."""
        process = self._current()
        process.writer.append(gap, GAP)
        if process.sender.idle:
            _wake(process)

    def start(self) -> None:
        """See `Sink`: starts the sender, which adopts what ended processes left."""
        _wake(self._current())

    def flush(self, timeout: float, /) -> bool:
        """See `Sink`."""
        return self._current().sender.flush(timeout)

    def close(self, timeout: float, /) -> bool:
        """See `Sink`. An event that is recorded later starts everything again."""
        return self._close(timeout, patient=True)

    def stats(self) -> Stats:
        """Counts of this process, and what the spool holds."""
        process = self._current()
        backlog = read_backlog(self._directory)
        writer, sender, counts = process.writer, process.sender, process.delivery.counts
        age = 0.0 if backlog.oldest_ms is None else time.time() - backlog.oldest_ms / 1000
        return Stats(
            recorded=writer.recorded,
            queued=writer.recorded - sender.settled,
            sent=counts.sent,
            facts_sent=counts.facts_sent,
            gaps_sent=counts.gaps_sent,
            refused=dict(counts.refused),
            dropped=dict(writer.dropped),
            failures=dict(counts.failures),
            failures_in_a_row=sender.failures,
            damaged=sender.damaged,
            torn=sender.torn,
            spool_bytes=backlog.bytes,
            oldest_seconds=max(0.0, age),
        )

    def forget(self) -> None:
        """In a forked child: what there is belongs to the parent. The first event makes its own."""
        parent, self._process = self._process, None
        self._processes.clear()
        if parent is not None:
            parent.sender.abandon()

    def exit(self) -> None:
        """Send what there is before the process ends; the spool keeps the rest."""
        process = self._process
        if process is not None and process.pid == os.getpid() and process.writer.recorded:
            self._close(self._settings.exit_timeout_seconds, patient=False)

    def _current(self) -> _Process:
        process = self._process
        return process if process is not None and process.pid == os.getpid() else self._begin()

    def _begin(self) -> _Process:
        """Begin in this process; several threads may find at once that they have to.

        Not before the first event: by then gevent, say, has replaced what threads wait with.
        """
        parent, fresh = self._process, self._new_process()
        process = self._processes.setdefault(fresh.pid, fresh)
        if process is fresh:
            if parent is not None:  # forked without Python's knowledge
                parent.sender.abandon()
                self._processes.pop(parent.pid, None)
            self._process = fresh
        return process

    def _close(self, timeout: float, *, patient: bool) -> bool:
        sender = self._current().sender
        deadline = time.monotonic() + timeout
        settled = sender.flush(timeout, patient=patient)
        sender.stop(max(0.0, deadline - time.monotonic()))
        return settled

    def _retry(self, process: _Process, event: bytes, kind: int, error: NotRecordedError) -> None:
        """Wait for room if that is wanted; then the event is dropped."""
        if self._settings.when_full == "block" and error.reason != "too_large":
            deadline = time.monotonic() + self._settings.block_timeout_seconds
            while time.monotonic() < deadline:
                process.sender.wake()
                time.sleep(_BLOCK_POLL_SECONDS)
                try:
                    return process.writer.append(event, kind)
                except NotRecordedError as latest:
                    error = latest
        process.writer.count_dropped(error.reason)
        if process.sender.idle:  # it reports what was dropped
            _wake(process)
        suppressed = self._limiter.admit(error.reason, time.monotonic())
        if suppressed is not None:
            dropped = sum(process.writer.dropped.values())
            _log.error("event dropped (%s): %s; %d so far", error.reason, error, dropped)
        raise error

    def _new_process(self) -> _Process:
        settings = self._settings
        writer = SpoolWriter(
            self._directory,
            segment_bytes=settings.segment_bytes,
            max_bytes=settings.spool_max_bytes,
            fsync=settings.fsync == "always",
        )
        tls = Tls(settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
        transport = Transport(
            settings.ingest_url, settings.key, timeout=settings.timeout_seconds, tls=tls
        )
        refused = RefusedFile(self._directory.path, settings.refused_max_bytes)
        delivery = Delivery(transport, refused, settings.compression)
        sender_settings = SenderSettings(
            limits=BatchLimits(settings.batch_max_events, settings.batch_max_bytes),
            linger_seconds=settings.linger_seconds,
            adopt_seconds=settings.adopt_seconds,
            backoff_max_seconds=settings.backoff_max_seconds,
        )
        sender = Sender(writer, self._directory, delivery, sender_settings)
        return _Process(os.getpid(), writer, delivery, sender)


_sinks: "weakref.WeakSet[SpoolSink]" = weakref.WeakSet()


_finalized: set[int] = set()


def _wake(process: _Process) -> None:
    if _is_uwsgi_master():
        process.sender.hand_over()
        return
    _exit_with_multiprocessing(process.pid)
    process.sender.wake()


def _is_uwsgi_master() -> bool:
    """Whether uWSGI forks this process. It does so even while another thread holds Python's lock.

    A worker would wait for that lock for ever, so no thread may be started here.
    """
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and bool(uwsgi.masterpid()) and uwsgi.worker_id() == 0


def _forget_all() -> None:
    for sink in tuple(_sinks):
        sink.forget()


def _exit_with_multiprocessing(pid: int) -> None:
    """A child of `multiprocessing` ends without the exit handlers, but runs its finalisers."""
    if pid in _finalized:
        return
    _finalized.add(pid)
    if (processes := sys.modules.get("multiprocessing.util")) is not None:
        processes.Finalize(None, _exit_all, exitpriority=0)


def _exit_all() -> None:
    for sink in tuple(_sinks):
        sink.exit()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_exit_all)
