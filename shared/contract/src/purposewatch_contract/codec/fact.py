"""Statements of facts in ingest's own notation, decoded in one match, and their keys."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from purposewatch_contract import terms
from purposewatch_contract.codec.caches import SenderCache, TimestampCache
from purposewatch_contract.codec.interface import DecodedFact
from purposewatch_contract.codec.patterns import INSTANT, unanchored
from purposewatch_contract.codec.reference import ReferenceFactCodec
from purposewatch_contract.event import MAX_ORIGIN
from purposewatch_contract.fact import CANONICAL_FACT_SCHEMA, EARLIEST_EFFECTIVE, FACT_TYPE
from purposewatch_policy import CONTROLLER_PATTERN, TERM_PATTERN, statement_digest

_MAX_TERM = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# INVARIANT: a text that matches is, once its source, publisher and times are found valid, a whole
# JSON text with every field once.
_FACT = re.compile(
    r'\{"specversion":"1\.0"'
    rf',"id":"({unanchored(terms.IDENTIFIER_PATTERN)})"'
    r',"source":"([^"]*)"'
    rf',"type":"{re.escape(FACT_TYPE)}"'
    rf',"time":"({INSTANT})"'
    r',"datacontenttype":"application/json"'
    rf',"dataschema":"{re.escape(CANONICAL_FACT_SCHEMA)}"'
    r',"publisher":"([^"]*)"'
    r',"acceptedtime":"([^"]*)"'
    rf',"contentdigest":"({unanchored(terms.DIGEST_PATTERN)})"'
    rf',"origin":"({unanchored(terms.ORIGIN_PATTERN)})"'
    rf',"data":\{{"controller":"({unanchored(CONTROLLER_PATTERN)})"'
    rf',"fact":"({unanchored(TERM_PATTERN)})"'
    r',"value":(true|false)'
    rf',"effective_from":"({INSTANT})"'
    rf'(?:,"until":"({INSTANT})")?'
    rf'(?:,"evidence":"({unanchored(terms.EVIDENCE_PATTERN)})")?'
    rf',"subject":"({unanchored(terms.PSEUDONYM_PATTERN)})"\}}'
    rf'(?:,"traceparent":"({unanchored(terms.TRACEPARENT_PATTERN)})")?\}}'
).fullmatch

_KEY = re.compile(
    rf"({unanchored(terms.PSEUDONYM_PATTERN)})/({unanchored(CONTROLLER_PATTERN)})"
    rf"/({unanchored(TERM_PATTERN)})/(-?[0-9]{{1,18}})/({unanchored(terms.DIGEST_PATTERN)})"
).fullmatch


@dataclass(frozen=True, slots=True)
class FactKey:
    """What the key of a record in the facts topic says. A tombstone says nothing else."""

    subject: str
    """A pseudonym."""
    controller: str
    fact: str
    effective_from: int
    """In microseconds since 1970, UTC."""
    digest: str
    """Of source and id, as `statement_digest` has it."""

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - what makes a statement unique
        cls,
        subject: str,
        controller: str,
        fact: str,
        effective_from: datetime,
        source: str,
        statement: str,
    ) -> "FactKey":
        """The key of the statement with this source and id."""
        begins = (effective_from - _EPOCH) // _MICROSECOND
        return cls(subject, controller, fact, begins, statement_digest(source, statement))

    def encode(self) -> bytes:
        """The key as Kafka has it."""
        return (
            f"{self.subject}/{self.controller}/{self.fact}/{self.effective_from}/{self.digest}"
        ).encode()


def fact_key(fact: DecodedFact) -> bytes:
    """The key of a statement: its own, and the same for a repeat of it.

    Statements of one fact so outlive compaction, and a tombstone removes just one.
    """
    return FactKey.of(
        fact.subject, fact.controller, fact.fact, fact.effective_from, fact.source, fact.id
    ).encode()


def parse_fact_key(key: bytes) -> FactKey:
    """Parse what `fact_key` returns. Raises `ValueError` for anything else."""
    match = _KEY(key.decode("ascii"))
    if match is None:
        message = "not the key of a statement of a fact"
        raise ValueError(message)
    subject, controller, fact, begins, digest = match.groups()
    return FactKey(subject, controller, fact, int(begins), digest)


class FastFactCodec:
    """Decodes and encodes statements of facts; caches senders and times of acceptance."""

    def __init__(self) -> None:
        self._reference = ReferenceFactCodec()
        self._timestamps = TimestampCache()
        self._senders = SenderCache()

    def decode(self, value: bytes) -> DecodedFact:
        """See `FactCodec`."""
        try:
            match = _FACT(value.decode("ascii"))
            if match is not None:
                return self._decoded(*match.groups())
        except ValueError:
            pass  # the reference decides
        return self._reference.decode(value)

    def _decoded(  # noqa: PLR0913, PLR0917 - a field each
        self,
        fact_id: str,
        source: str,
        time: str,
        publisher: str,
        accepted: str,
        digest: str,
        origin: str,
        controller: str,
        fact: str,
        value: str,
        effective_from: str,
        until: str | None,
        evidence: str | None,
        subject: str,
        trace: str | None,
    ) -> DecodedFact:
        """The statement with these fields, once they are found valid; `ValueError` otherwise."""
        if self._senders.get((source, publisher)) is None:
            self._senders.check(source, publisher)
        begins, stated = datetime.fromisoformat(effective_from), datetime.fromisoformat(time)
        ends = None if until is None else datetime.fromisoformat(until)
        if (
            len(origin) > MAX_ORIGIN
            or len(fact) > _MAX_TERM
            or begins < EARLIEST_EFFECTIVE
            or stated < EARLIEST_EFFECTIVE
            or (ends is not None and ends <= begins)
        ):
            message = "the statement is not plainly valid"
            raise ValueError(message)
        return DecodedFact(
            subject,
            controller,
            fact,
            value == "true",
            begins,
            ends,
            evidence,
            fact_id,
            source,
            publisher,
            digest,
            origin,
            trace,
            stated,
            self._timestamps.get(accepted) or self._timestamps.parse(accepted),
        )

    @staticmethod
    def encode(fact: DecodedFact) -> bytes:
        """See `FactCodec`."""
        until = "" if fact.until is None else f',"until":"{_utc(fact.until)}"'
        evidence = "" if fact.evidence is None else f',"evidence":"{fact.evidence}"'
        trace = "" if fact.traceparent is None else f',"traceparent":"{fact.traceparent}"'
        return (
            f'{{"specversion":"1.0","id":"{fact.id}","source":"{fact.source}",'
            f'"type":"{FACT_TYPE}","time":"{_utc(fact.time)}","datacontenttype":'
            f'"application/json","dataschema":"{CANONICAL_FACT_SCHEMA}",'
            f'"publisher":"{fact.publisher}","acceptedtime":"{_utc(fact.accepted_time)}",'
            f'"contentdigest":"{fact.content_digest}","origin":"{fact.origin}",'
            f'"data":{{"controller":"{fact.controller}","fact":"{fact.fact}",'
            f'"value":{"true" if fact.value else "false"},'
            f'"effective_from":"{_utc(fact.effective_from)}"{until}{evidence},'
            f'"subject":"{fact.subject}"}}{trace}}}'
        ).encode()


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
