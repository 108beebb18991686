"""Takes a batch of facts, events and gaps to ingest, and sorts out what ingest refuses."""

import gzip
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from purposewatch_client.spool.segment import EVENT, FACT, GAP, Record

__all__ = ["Delivery", "DeliveryCounts", "PendingBatch"]

_log = logging.getLogger("purposewatch_client")
_COMPRESSION_LEVEL = 3
_HOPELESS = frozenset({"misconfigured", "forbidden"})
_MIN_COMPRESSED = 1024
"""A smaller body is not worth compressing."""


@dataclass(slots=True)
class DeliveryCounts:
    """What became of what this process sent."""

    sent: int = 0
    facts_sent: int = 0
    gaps_sent: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the reason that ingest gave."""
    failures: dict[str, int] = field(default_factory=dict)
    """Requests that will be repeated, by reason."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where payloads of one kind are sent, and how."""

    path: str
    headers: Mapping[str, str]
    noun: str


_CLOUDEVENTS = {
    "Content-Type": "application/cloudevents-batch+json",
    "Prefer": "handling=lenient",
}
_RESOURCES = {
    FACT: Resource("/v1/facts", _CLOUDEVENTS, "fact"),
    EVENT: Resource("/v1/events", _CLOUDEVENTS, "event"),
    GAP: Resource("/v1/gaps", {"Content-Type": "application/json"}, "gap"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Payloads of one kind, to be sent in one request."""

    kind: int
    payloads: list[bytes]


class PendingBatch:
    """Records of a batch that ingest has not answered for yet, in the parts that are to be sent.

    The last part is sent first. INVARIANT: facts are sent before events, so that each event is
    decided with the facts that were stated before it.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        parts = [
            Part(kind, [each.payload for each in records if _kind(each) == kind])
            for kind in (GAP, EVENT, FACT)
        ]
        self.parts = [part for part in parts if part.payloads]


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
            part = batch.parts[-1]
            match self._post(part, timeout):
                case Accepted(faults, hints):
                    self._count_sent(part, len(part.payloads) - len(faults))
                    batch.parts.pop()
                    self._refuse(part, faults)
                    self._pass_on(hints)
                case Uncompressed():
                    _log.info("ingest accepts no compressed requests; sending uncompressed")
                    self._compress = False
                case Refused(faults):
                    self._refuse(part, faults)
                    others = [each for at, each in enumerate(part.payloads) if at not in faults]
                    batch.parts[-1:] = [Part(part.kind, others)] if others else []
                case Halve(fault) if len(part.payloads) == 1:
                    self._refuse(part, {0: fault})
                    batch.parts.pop()
                case Halve():
                    half = len(part.payloads) // 2
                    halves = (part.payloads[half:], part.payloads[:half])
                    batch.parts[-1:] = [Part(part.kind, each) for each in halves]
                case Retry() as retry:
                    self._count_retry(retry)
                    return retry
        return None

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _post(self, part: Part, timeout: float | None) -> Outcome:
        resource = _RESOURCES[part.kind]
        body = b"[" + b",".join(part.payloads) + b"]"
        headers = dict(resource.headers)
        compressed = self._compress and len(body) >= _MIN_COMPRESSED
        if compressed:
            body = gzip.compress(body, _COMPRESSION_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            answer = self._transport.post(resource.path, body, headers, timeout)
        except NoAnswerError as error:
            return Retry("unavailable", str(error))
        outcome = interpret(answer, events=len(part.payloads), compressed=compressed)
        if part.kind == GAP and isinstance(outcome, Retry) and outcome.reason in _HOPELESS:
            # Events must not wait for gaps that an older ingest, or the register, does not admit.
            return Halve(Fault(outcome.reason, (outcome.detail,)))
        return outcome

    def _count_sent(self, part: Part, number: int) -> None:
        if part.kind == FACT:
            self.counts.facts_sent += number
        elif part.kind == GAP:
            self.counts.gaps_sent += number
        else:
            self.counts.sent += number

    def _pass_on(self, hints: Iterable[str]) -> None:
        for hint in hints:
            if self._limiter.admit(hint, self._clock()) is not None:
                _log.info("ingest advises: %s", hint)

    def _refuse(self, part: Part, faults: Mapping[int, Fault]) -> None:
        if not faults:
            return
        noun = _RESOURCES[part.kind].noun
        for index, fault in faults.items():
            self.counts.refused[fault.reason] = self.counts.refused.get(fault.reason, 0) + 1
            try:
                self._refused.write(part.payloads[index], fault.reason, fault.advice, noun)
            except OSError as error:
                _log.error("refused %s not kept: %s", noun, error.strerror)
        first = next(iter(faults.values()))
        suppressed = self._limiter.admit(f"{first.reason} {first.advice}", self._clock())
        if suppressed is not None:
            _log.warning(
                "ingest refused %d of %d %ss (%s): %s%s",
                *(len(faults), len(part.payloads), noun, first.reason, "; ".join(first.advice)),
                f" (and {suppressed} requests like this)" if suppressed else "",
            )

    def _count_retry(self, retry: Retry) -> None:
        self.counts.failures[retry.reason] = self.counts.failures.get(retry.reason, 0) + 1
        suppressed = self._limiter.admit(retry.reason, self._clock())
        if suppressed is not None:
            _log.warning("events not sent yet (%s): %s", retry.reason, retry.detail)


def _kind(record: Record) -> int:
    """What it is sent as; a kind of a later version is refused by ingest, and so kept."""
    return record.kind if record.kind in _RESOURCES else EVENT
