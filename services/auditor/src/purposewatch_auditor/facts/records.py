"""What the records of the facts topic change in the state."""

from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from purposewatch_auditor.facts.keys import (
    StatedFact,
    encode_stated,
    fact_prefix,
    microseconds,
)
from purposewatch_auditor.facts.state import Change
from purposewatch_contract.codec import DecodedFact, FastFactCodec, fact_key, parse_fact_key
from purposewatch_runtime.kafka import Record, RejectedRecord


class RecordReader:
    """Reads the records of the facts topic, which only ingest and the auditors should write."""

    def __init__(self) -> None:
        self._codec = FastFactCodec()

    def changes(self, records: Iterable[Record]) -> tuple[list[Change], list[Record]]:
        """What readable records change, in order, and the records that are no statements.

        To skip what is not a statement loses nothing: it stays in the topic, and a release that can
        read it restores the state.
        """
        found: list[Change] = []
        unreadable: list[Record] = []
        for record in records:
            try:
                found.append(self._change(record))
            except (ValidationError, ValueError):
                unreadable.append(record)
        return found, unreadable

    def _change(self, record: Record) -> Change:
        if isinstance(record, RejectedRecord) or record.key is None:
            message = "the record can't be decoded, or has no key"
            raise ValueError(message)
        if record.value is None:
            key = parse_fact_key(record.key)
            prefix = fact_prefix(key.subject, key.controller, key.fact)
            return Change(prefix, key.effective_from, bytes.fromhex(key.digest))
        fact = self._codec.decode(record.value)
        if fact_key(fact) != record.key:
            message = "the record has another statement's key"
            raise ValueError(message)
        return change_of(fact, record.key[-_DIGEST_CHARACTERS:].decode())


def change_of(fact: DecodedFact, digest: str) -> Change:
    """What a statement with this digest of its source and id changes."""
    since = microseconds(fact.effective_from)
    until = None if fact.until is None else microseconds(fact.until)
    return Change(
        fact_prefix(fact.subject, fact.controller, fact.fact),
        since,
        bytes.fromhex(digest),
        microseconds(fact.time),
        encode_stated(StatedFact(fact.value, since, until, fact.id, fact.source, fact.evidence)),
    )


_DIGEST_CHARACTERS = 32


def offsets_of(records: Sequence[Record]) -> list[str]:
    """Where records are, for a log line."""
    return [f"{record.partition}/{record.offset}" for record in records]
