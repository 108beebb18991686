"""Takes a batch of events to ingest, and sorts out what ingest refuses."""

import gzip
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from purposewatch_client.log_limiter import LogLimiter
from purposewatch_client.sender.outcome import (
    Accepted,
    Fault,
    Halve,
    Outcome,
    Refused,
    Retry,
    Uncompressed,
    interpret,
)
from purposewatch_client.sender.transport import NoAnswerError, Transport
from purposewatch_client.settings import Compression
from purposewatch_client.spool.refused import RefusedFile

__all__ = ["Delivery", "DeliveryCounts", "PendingBatch"]

_log = logging.getLogger("purposewatch_client")
_PATH = "/v1/events"
_BATCHED = "application/cloudevents-batch+json"
_COMPRESSION_LEVEL = 3
_MIN_COMPRESSED = 1024
"""A smaller body is not worth compressing."""


@dataclass(slots=True)
class DeliveryCounts:
    """What became of the events that this process sent."""

    sent: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the reason that ingest gave."""
    failures: dict[str, int] = field(default_factory=dict)
    """Requests that will be repeated, by reason."""


class PendingBatch:
    """Events of a batch that ingest has not answered for yet, in the parts that are to be sent."""

    def __init__(self, events: list[bytes]) -> None:
        self.parts = [events]


class Delivery:
    """Sends batches. Not for several threads at once."""

    def __init__(
        self,
        transport: Transport,
        refused: RefusedFile,
        compression: Compression,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = DeliveryCounts()
        self._transport = transport
        self._refused = refused
        self._compress = compression == "gzip"
        self._clock = clock
        self._limiter = LogLimiter()

    def deliver(self, batch: PendingBatch, timeout: float | None = None) -> Retry | None:
        """Send what is pending until nothing is, or until it has to be tried again later."""
        while batch.parts:
            events = batch.parts[-1]
            match self._post(events, timeout):
                case Accepted(faults, hints):
                    self.counts.sent += len(events) - len(faults)
                    batch.parts.pop()
                    self._refuse(events, faults)
                    self._pass_on(hints)
                case Uncompressed():
                    _log.info("ingest accepts no compressed requests; sending uncompressed")
                    self._compress = False
                case Refused(faults):
                    self._refuse(events, faults)
                    others = [each for index, each in enumerate(events) if index not in faults]
                    batch.parts[-1:] = [others] if others else []
                case Halve(fault) if len(events) == 1:
                    self._refuse(events, {0: fault})
                    batch.parts.pop()
                case Halve():
                    half = len(events) // 2
                    batch.parts[-1:] = [events[half:], events[:half]]
                case Retry() as retry:
                    self._count_retry(retry)
                    return retry
        return None

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _post(self, events: list[bytes], timeout: float | None) -> Outcome:
        body = b"[" + b",".join(events) + b"]"
        headers = {"Content-Type": _BATCHED, "Prefer": "handling=lenient"}
        compressed = self._compress and len(body) >= _MIN_COMPRESSED
        if compressed:
            body = gzip.compress(body, _COMPRESSION_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            answer = self._transport.post(_PATH, body, headers, timeout)
        except NoAnswerError as error:
            return Retry("unavailable", str(error))
        return interpret(answer, events=len(events), compressed=compressed)

    def _pass_on(self, hints: Iterable[str]) -> None:
        for hint in hints:
            if self._limiter.admit(hint, self._clock()) is not None:
                _log.info("ingest advises: %s", hint)

    def _refuse(self, events: list[bytes], faults: Mapping[int, Fault]) -> None:
        if not faults:
            return
        for index, fault in faults.items():
            self.counts.refused[fault.reason] = self.counts.refused.get(fault.reason, 0) + 1
            try:
                self._refused.write(events[index], fault.reason, fault.advice)
            except OSError as error:
                _log.error("refused event not kept: %s", error.strerror)
        first = next(iter(faults.values()))
        suppressed = self._limiter.admit(f"{first.reason} {first.advice}", self._clock())
        if suppressed is not None:
            _log.warning(
                "ingest refused %d of %d events (%s): %s%s",
                *(len(faults), len(events), first.reason, "; ".join(first.advice)),
                f" (and {suppressed} requests like this)" if suppressed else "",
            )

    def _count_retry(self, retry: Retry) -> None:
        self.counts.failures[retry.reason] = self.counts.failures.get(retry.reason, 0) + 1
        suppressed = self._limiter.admit(retry.reason, self._clock())
        if suppressed is not None:
            _log.warning("events not sent yet (%s): %s", retry.reason, retry.detail)
