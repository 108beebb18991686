"""Signs the records that a process publishes, and refuses those that it reads unsigned."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from purposewatch_contract import ErrorClass
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka.producer import OutgoingRecord, Tombstone
from purposewatch_runtime.kafka.rejected import Record, RejectedRecord
from purposewatch_runtime.logs import get_logger
from purposewatch_runtime.service.file_reloader import FileReloader
from purposewatch_runtime.service.supervisor import FatalError
from purposewatch_runtime.settings import KafkaSettings
from purposewatch_runtime.signing import (
    SIGNATURE_HEADER,
    Refusal,
    Signer,
    TrustedKeys,
    Verifier,
    header_of,
    load_signer,
    load_trusted_keys,
)

_RELOAD_SECONDS = 10.0
_ID_BYTES = 8

_log = get_logger(__name__)


class RecordSigning:
    """The signing key and the trusted keys of a process, loaded again when they change.

    Without the files that the settings name, nothing is signed, and nothing is refused.
    """

    name = "record signing"

    def __init__(self, settings: KafkaSettings, *, service: str, metric_set: m.MetricSet) -> None:
        """`service` is the process as the file of trusted keys calls it.

        Raises `FatalError` for a signing key that is not trusted, and what loading the files does.
        """
        self._service = service
        self._prefix = settings.topic_prefix
        self._refused = metric_set.counter(m.SIGNATURES_REFUSED)
        self._expiry = metric_set.gauge(m.KAFKA_CERTIFICATE_EXPIRY)
        self._verifier = Verifier()
        self._trusted: FileReloader[TrustedKeys] | None = None
        self._signer: FileReloader[Signer] | None = None
        if settings.kafka_trusted_keys_file is not None:
            self._trusted = FileReloader(
                settings.kafka_trusted_keys_file,
                lambda path: load_trusted_keys(path, self._prefix),
                interval=_RELOAD_SECONDS,
                on_result=self._show,
                name="trusted keys",
            )
            for topic in self._trusted.current.required:
                metric_set.start_at_zero(m.SIGNATURES_REFUSED, [(topic, each) for each in Refusal])
        if settings.kafka_signing_key_file is not None:
            self._signer = FileReloader(
                settings.kafka_signing_key_file,
                self._load_trusted_signer,
                interval=_RELOAD_SECONDS,
                on_result=self._show,
                name="signing key",
            )
        self._show(None)

    async def start(self) -> None:
        """Begin to look for changes of the files."""
        for each in (self._trusted, self._signer):
            if each is not None:
                await each.start()

    async def stop(self) -> None:
        """Stop looking."""
        for each in (self._trusted, self._signer):
            if each is not None:
                await each.stop()

    def sign(
        self, records: Sequence[OutgoingRecord | Tombstone]
    ) -> Sequence[OutgoingRecord | Tombstone]:
        """The records, each that names its partition with its signature."""
        if self._signer is None:
            return records
        placed = [each for each in records if each.partition is not None]
        headers = iter(self._signer.current.headers(placed))
        return [
            each
            if each.partition is None
            else msgspec.structs.replace(
                each, headers=(*each.headers, (SIGNATURE_HEADER, next(headers)))
            )
            for each in records
        ]

    async def verify(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records, with a `RejectedRecord` in place of each whose signature does not count."""
        if self._trusted is None:
            return records
        return await asyncio.to_thread(self.verify_now, records)

    def verify_now(self, records: Sequence[Record]) -> Sequence[Record]:
        """As `verify`, in the thread of the caller: a signature takes a tenth of a millisecond."""
        if self._trusted is None:
            return records
        refusals = self._refusals(records, self._trusted.current)
        if Refusal.UNKNOWN_KEY in refusals.values() and self._trusted.refresh():
            refusals = self._refusals(records, self._trusted.current)
        if not refusals:
            return records
        counts = Counter((records[each].topic, reason) for each, reason in refusals.items())
        for (topic, reason), number in counts.items():
            self._refused.labels(topic, reason).inc(number)
            _log.error("records refused for their signature", topic=topic, reason=reason, n=number)
        return [
            record
            if (refusal := refusals.get(index)) is None
            else RejectedRecord.of(record, ErrorClass.SUSPECT, _text(refusal, record))
            for index, record in enumerate(records)
        ]

    def _refusals(self, records: Sequence[Record], trusted: TrustedKeys) -> dict[int, Refusal]:
        return {
            index: reason
            for index, record in enumerate(records)
            if not isinstance(record, RejectedRecord)
            and (reason := self._verifier.refusal(record, trusted)) is not None
        }

    def _load_trusted_signer(self, path: Path) -> Signer:
        """The key, which must be among the trusted ones where their file is known.

        INVARIANT: a service never signs with a key that its own file of trusted keys does not list,
        so that a new key can't be used before it is trusted.
        """
        signer = load_signer(path)
        if self._trusted is None:
            return signer
        self._trusted.refresh()
        trusted = self._trusted.current.keys.get(signer.key_id)
        if trusted is None or trusted.service != self._service:
            message = (
                f"the key `{signer.key_id.hex()}` of PURPOSEWATCH_KAFKA_SIGNING_KEY_FILE is not a "
                f"key of {self._service} in PURPOSEWATCH_KAFKA_TRUSTED_KEYS_FILE; list it there "
                "first, wherever records are read"
            )
            raise FatalError(message)
        return signer

    def _show(self, _: Exception | None) -> None:
        if self._trusted is None or self._signer is None:
            return
        own = self._trusted.current.keys.get(self._signer.current.key_id)
        if own is not None and own.until is not None:
            self._expiry.labels("signing key").set(own.until.timestamp())


def _text(refusal: Refusal, record: Record) -> str:
    """What the dead letter of a refused record says."""
    key = (header_of(record) or b"")[:_ID_BYTES].hex()
    return {
        Refusal.MISSING: "the record is not signed",
        Refusal.INVALID: (
            "the signature is not valid: the record was changed or moved, or its writer does not "
            "have the key"
        ),
        Refusal.UNKNOWN_KEY: f"the record is signed with the key `{key}`, which is not trusted",
        Refusal.RETIRED_KEY: f"the record was signed with the key `{key}` after its `until`",
        Refusal.FOREIGN_KEY: (
            f"the record is signed with the key `{key}` of a service that does not write this topic"
        ),
    }[refusal]
