"""The thread that takes the spool's segments to ingest."""

import logging
import os
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b

from purposewatch_client.errors import NotRecordedError
from purposewatch_client.gap import DROPPED, encode_gap
from purposewatch_client.sender.backoff import Backoff
from purposewatch_client.sender.delivery import Delivery, PendingBatch
from purposewatch_client.spool.directory import Segment, SpoolDirectory
from purposewatch_client.spool.reader import Batch, BatchLimits, read_batch, settle
from purposewatch_client.spool.segment import GAP, HEADER_SIZE
from purposewatch_client.spool.writer import SpoolWriter

__all__ = ["Sender", "SenderSettings"]

_log = logging.getLogger("purposewatch_client")
_MIN_REQUEST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How the sender works."""

    limits: BatchLimits
    linger_seconds: float
    adopt_seconds: float
    backoff_max_seconds: float


@dataclass(slots=True)
class _Work:
    """A batch on its way."""

    segment: Segment
    batch: Batch
    pending: PendingBatch


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Somebody who waits until the records up to a position are settled."""

    target: tuple[int, int]
    patient: bool
    """Whether a failure does not end the wait."""
    done: threading.Event = field(default_factory=threading.Event)


class Sender:
    """Sends this process's segments, and those that ended processes left.

    The thread starts with the first event. While there is nothing to send it sleeps, and looks once
    every `adopt_seconds` for segments without an owner.
    """

    def __init__(
        self,
        writer: SpoolWriter,
        directory: SpoolDirectory,
        delivery: Delivery,
        settings: SenderSettings,
    ) -> None:
        self.idle = True
        """Whether `wake` has to be called after an event was recorded."""
        self.progress = (0, HEADER_SIZE)
        """Up to where its own records are settled: the number of a segment, and a position."""
        self.settled = 0
        """How many of this process's own records are settled."""
        self.damaged = 0
        self.torn = 0
        self._writer = writer
        self._directory = directory
        self._delivery = delivery
        self._settings = settings
        self._backoff = Backoff(settings.backoff_max_seconds)
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._waiters: list[_Waiter] = []
        self._work: _Work | None = None
        self._adopted: Segment | None = None
        self._adopt_at = 0.0
        self._turn = False

    @property
    def failures(self) -> int:
        """How many requests in a row failed."""
        return self._backoff.failures

    def wake(self) -> None:
        """Start the thread, or end its sleep."""
        self.idle = False
        if self._start():
            self._signals.put(None)
        else:
            self.idle = True

    def flush(self, timeout: float, *, patient: bool = True) -> bool:
        """Wait until what is recorded by now is settled; whether it is.

        An impatient caller does not wait for an ingest that does not answer at the moment.
        """
        target = self._writer.position()
        if self.progress >= target:
            return True
        if self.failures and not patient:
            return False
        deadline = time.monotonic() + timeout
        if not self._start():
            return self._flush_here(target, deadline)
        waiter = _Waiter(target, patient)
        self._waiters.append(waiter)
        self._signals.put(None)
        if self.progress < target:
            waiter.done.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ValueError):
            self._waiters.remove(waiter)
        return self.progress >= target

    def stop(self, timeout: float) -> None:
        """End the thread. Events that are recorded later start it again."""
        thread = self._thread
        if thread is None:
            self._release()
            return
        self._stopping = True
        self._signals.put(None)
        thread.join(timeout)

    def _start(self) -> bool:
        """Start the thread unless it runs; whether it does. It can't at the interpreter's end."""
        if self._thread is None and self._starting.acquire(blocking=False):
            try:
                self._thread = threading.Thread(
                    target=self._run, name="purposewatch-sender", daemon=True
                )
                self._thread.start()
            except RuntimeError:
                self._thread = None
                return False
            finally:
                self._starting.release()
        return True

    def _flush_here(self, target: tuple[int, int], deadline: float) -> bool:
        while self.progress < target and (left := deadline - time.monotonic()) > 0:
            if self._step(max(left, _MIN_REQUEST_SECONDS)) is not None:
                break
        return self.progress >= target

    def _run(self) -> None:
        while not self._stopping:
            self.idle = False
            try:
                self._report_dropped()
                delay = self._step()
            except Exception:  # noqa: BLE001 - the thread outlives a fault of the disk
                _log.exception("sender failed")
                self._work = None
                delay = (self._backoff.fail(), False)
            if delay is not None:
                self._pause(*delay)
            elif self._work is None and not self._has_own():
                self._sleep()
        self._release()
        self._stopping = False
        self._thread = None
        self.idle = True
        if self._has_own():  # recorded while the thread ended
            self.wake()

    def _report_dropped(self) -> None:
        """Put a gap into the spool for events that were dropped, as soon as there is room."""
        for reason, count in self._writer.unreported().items():
            with suppress(NotRecordedError):
                self._writer.append(encode_gap(DROPPED, reason, count=count)[1], GAP)
                self._writer.count_unreported(reason, -count)

    def _report_left(self, segment: Segment) -> None:
        """Report what was dropped by the process that wrote the segment, whose records are settled.

        A repeat, after a crash in between, has the same id.
        """
        if segment.dropped:
            os.ftruncate(segment.fd, HEADER_SIZE)  # so that there is room
        for reason, count in segment.dropped.items():
            name = blake2b(f"{segment.path.name}/{reason}".encode(), digest_size=16)
            gap = encode_gap(DROPPED, reason, count=count, id=f"g{name.hexdigest()}")[1]
            try:
                self._writer.append(gap, GAP)
            except NotRecordedError:
                self._writer.count_unreported(reason, count)

    def _step(self, timeout: float | None = None) -> tuple[float, bool] | None:
        """Send one batch. If that failed: how long to wait, and whether ingest asked for it."""
        work = self._work = self._work or self._next_work()
        if work is None:
            return None
        retry = self._delivery.deliver(work.pending, timeout)
        if retry is not None:
            for waiter in tuple(self._waiters):
                if not waiter.patient:
                    waiter.done.set()
            return self._backoff.fail(retry.after_seconds), retry.after_seconds is not None
        self._backoff.succeed()
        self._settle(work.segment, work.batch)
        self._work = None
        return None

    def _next_work(self) -> _Work | None:
        """The next batch: this process's segments and an adopted one take turns."""
        self._turn = not self._turn
        first, second = (self._own, self._orphan) if self._turn else (self._orphan, self._own)
        return first() or second()

    def _own(self) -> _Work | None:
        segments = self._writer.segments
        while segments:
            segment = segments[0]
            growing = len(segments) == 1
            work = self._read(segment, growing=growing)
            if work is not None or growing:
                return work
            segments.popleft()
            segment.delete()
            self._advance((segment.number + 1, HEADER_SIZE))
        return None

    def _orphan(self) -> _Work | None:
        while True:
            if self._adopted is None:
                now = time.monotonic()
                if now < self._adopt_at:
                    return None
                self._adopted = self._directory.adopt()
                if self._adopted is None:
                    self._adopt_at = now + self._settings.adopt_seconds
                    return None
            work = self._read(self._adopted, growing=False)
            if work is not None:
                return work
            done, self._adopted = self._adopted, None
            self._report_left(done)
            done.delete()

    def _read(self, segment: Segment, *, growing: bool) -> _Work | None:
        batch = read_batch(segment, self._settings.limits, growing=growing)
        if batch.damaged or batch.torn:
            self.damaged += batch.damaged
            self.torn += batch.torn
            _log.warning(
                "spool segment damaged: skipped %d places%s",
                *(batch.damaged, " and an unfinished record at its end" if batch.torn else ""),
            )
        if batch.records:
            return _Work(segment, batch, PendingBatch(batch.records))
        if batch.position > segment.settled:
            self._settle(segment, batch)
        return None

    def _settle(self, segment: Segment, batch: Batch) -> None:
        settle(segment, batch.position)
        if segment.number:
            self.settled += len(batch.records)
            self._advance((segment.number, batch.position))

    def _advance(self, progress: tuple[int, int]) -> None:
        self.progress = progress
        for waiter in tuple(self._waiters):
            if progress >= waiter.target:
                waiter.done.set()

    def _has_own(self) -> bool:
        segments = self._writer.segments
        return len(segments) > 1 or bool(segments and segments[0].size > segments[0].settled)

    def _sleep(self) -> None:
        """Wait for an event, then a moment for more of them."""
        while not self._signals.empty():
            self._signals.get()
        self.idle = True
        # Whoever recorded an event before saw that the sender was not idle.
        if self._has_own() or self._stopping:
            return
        with suppress(queue.Empty):
            self._signals.get(timeout=max(0.0, self._adopt_at - time.monotonic()))
            self.idle = False
            self._linger()

    def _linger(self) -> None:
        position = self._writer.position()
        if (
            not self._waiters
            and position[0] == self.progress[0]
            and (position[1] - self.progress[1] < self._settings.limits.bytes)
        ):
            with suppress(queue.Empty):
                self._signals.get(timeout=self._settings.linger_seconds)

    def _pause(self, seconds: float, asked: bool) -> None:  # noqa: FBT001
        """Wait after a failure. `flush` ends the wait, unless ingest asked for it."""
        until = time.monotonic() + seconds
        while not self._stopping and (left := until - time.monotonic()) > 0:
            try:
                self._signals.get(timeout=left)
            except queue.Empty:
                return
            if not asked:
                return

    def hand_over(self) -> None:
        """Leave everything that is recorded to other processes, which adopt it. Needs no thread."""
        self._release()
        self.progress = self._writer.position()

    def abandon(self) -> None:
        """Close the files that a forked process inherited: they are its parent's.

        Takes no lock: a thread of the parent's may have held it, which the child does not have.
        """
        for segment in (*self._writer.segments, *filter(None, [self._adopted])):
            with suppress(OSError):
                segment.release()

    def _release(self) -> None:
        """Delete the segments that are settled, and leave the others to whoever adopts them."""
        self._work = None
        segments = self._writer.detach()
        if self._adopted is not None:
            segments.append(self._adopted)
            self._adopted = None
        for segment in segments:
            if segment.settled == segment.size and not segment.dropped:
                segment.delete()
            else:
                segment.release()
        self._delivery.close()
