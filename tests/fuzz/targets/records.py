"""Records of Kafka: of the raw topic in ingest, and of the services' topics in their readers.

An input holds records, each with headers as HTTP has them. Whatever they are, each becomes exactly
one message or one dead letter, in their order, and each dead letter keeps its record whole.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiokafka import ConsumerRecord
from sqlalchemy import Engine, event

from purposewatch_auditor.audit import AuditedEvent, Auditor, FactDependentEvent, decider_for
from purposewatch_contract import DeadLetter, ErrorClass, Gap
from purposewatch_contract.codec import ReferenceEventCodec, ReferenceFactCodec
from purposewatch_ingest.decisions import Decisions
from purposewatch_ingest.ingest import Ingest
from purposewatch_ingest.pseudonyms.derived import DerivedPseudonyms
from purposewatch_ingest.pseudonyms.keys import ALL_OTHERS, KeyRing, SubjectKey
from purposewatch_ingest.publishers import Publisher, PublisherRegister
from purposewatch_ingest.raw import RawTopicHandler
from purposewatch_policy import PolicySet, load_policies
from purposewatch_reporter.ledger.read import (
    DeadLettered,
    FactRecords,
    ReadVerdict,
    VerdictRecords,
    read_dead_letter,
    read_gap,
)
from purposewatch_runtime.kafka import (
    DeadLetterLimit,
    DeadLetterPolicy,
    OutgoingRecord,
    Record,
    RejectedRecord,
    dead_letter_of,
)
from purposewatch_runtime.metrics import MetricSet
from tests.fuzz.strict_database import refuse_what_postgresql_refuses
from tests.fuzz.target import Run, Target, assert_silent
from tests.fuzz.targets.samples import (
    EVENT,
    FACT,
    FACT_KEY,
    GAP,
    STRANGE_EVENT,
    STRANGE_FACT,
    WORDS,
    compact,
    example,
    spaced,
)
from tests.harness.environment import POLICIES
from tests.unit.reporter.conftest import closed_connections, empty_database, ledger_writer_of
from tests.unit.reporter.facts.records import fact, in_facts
from tests.unit.reporter.records import dead_letter, verdict

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RAW, EVENTS, VERDICTS = "data-access.raw", "data-access.events", "data-access.verdicts"
FACTS, LETTERS, GAPS = "data-access.facts", "data-access.dead-letters", "data-access.gaps"
_BETWEEN = b"\n%%\n"
_PARTITION = 3


@cache
def policies() -> PolicySet:
    """The declared policies, compiled once."""
    return load_policies(POLICIES)


def records_in(data: bytes, topic: str) -> list[Record]:
    """The records of an input: lines of headers, an empty line, and the value.

    The header `key` is the record's key, and `rejected` makes it one that could not be decoded.
    """
    return [_record(part, topic, offset) for offset, part in enumerate(data.split(_BETWEEN)[:40])]


def _record(part: bytes, topic: str, offset: int) -> Record:
    head, found, value = part.partition(b"\n\n")
    if not found:
        head, value = b"", part
    headers: list[tuple[str, bytes | None]] = []
    for line in head.split(b"\n"):
        name, colon, text = line.partition(b": ")
        if name:
            headers.append((name.decode("utf-8", "replace"), text if colon else None))
    given = dict(headers)
    made: Record = ConsumerRecord(
        topic=topic,
        partition=_PARTITION,
        offset=offset,
        timestamp=1_772_000_000_000,
        timestamp_type=0,
        key=given.get("key"),
        value=None if "null" in given else value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(each for each in headers if each[0] not in {"key", "null", "rejected"}),
    )
    if "rejected" in given:
        reason = "Kafka's client can't decode it"
        return RejectedRecord.of(made, ErrorClass.UNDECODABLE, reason, raw=value)
    return made


class _Producer:
    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        self.records.extend(records)


def _ingest() -> Ingest:
    ring = KeyRing({ALL_OTHERS: [SubjectKey("1", b"k" * 32)]})
    crm = Publisher("crm", frozenset({"wework-labs"}), states_facts=frozenset({"*"}))
    register = PublisherRegister([(crm, [])])
    decisions = Decisions(policies())
    return Ingest(
        decisions=lambda: decisions,
        register=lambda: register,
        pseudonyms=DerivedPseudonyms(lambda: ring),
        max_future=timedelta(hours=2),
        max_fact_future=timedelta(days=366),
        clock=lambda: NOW,
        events_topic=EVENTS,
        facts_topic=FACTS,
        partitions=6,
        metric_set=MetricSet("ingest", version="0"),
    )


@contextmanager
def _raw() -> Iterator[Run]:
    """The raw topic's reader."""
    limit = DeadLetterPolicy(max_consecutive=10**9, max_ratio=1.0, window=10**6)
    producer, ingest = _Producer(), _ingest()
    handler = RawTopicHandler(
        ingest,
        producer,  # type: ignore[arg-type]
        DeadLetterLimit(limit),
        dead_letters_topic=LETTERS,
    )
    events, facts = ReferenceEventCodec(), ReferenceFactCodec()
    with asyncio.Runner() as runner:

        def run(data: bytes) -> None:
            producer.records.clear()
            records = records_in(data, RAW)
            runner.run(handler.handle(records))
            assert len(producer.records) == len(records)
            origins = []
            for outgoing in producer.records:
                if outgoing.topic == LETTERS:
                    letter = DeadLetter.model_validate_json(outgoing.value)
                    _check_letter(letter, records[letter.position.offset])
                    origins.append(f"{RAW}/{_PARTITION}/{letter.position.offset}")
                    continue
                codec: Any = facts if outgoing.topic == FACTS else events
                origins.append(codec.decode(outgoing.value).origin)
                assert_silent(outgoing.value)
                assert_silent(outgoing.key or b"")
            # facts go first, and the others keep their order
            assert sorted(origins) == sorted(
                f"{RAW}/{_PARTITION}/{each.offset}" for each in records
            )

        yield run


def _check_letter(letter: DeadLetter, record: Record) -> None:
    assert letter.error_class is not ErrorClass.INTERNAL, letter.reason
    assert_silent(letter.reason)
    assert (letter.key, letter.value) == (record.key, record.value)
    assert [(each.name, each.value) for each in letter.headers] == list(record.headers)


@contextmanager
def _audited() -> Iterator[Run]:
    """The events topic in the auditor."""
    auditor, decider = Auditor(), decider_for(policies())
    verdicts = VerdictRecords(EVENTS)

    def run(data: bytes) -> None:
        for record in records_in(data, EVENTS):
            result = auditor.audit(record, decider, NOW)
            if isinstance(result, DeadLetter):
                _check_letter(result, record)
                value = result.__pydantic_serializer__.to_json(result)
                read = read_dead_letter(
                    _with_value(record, value, LETTERS),
                    now=NOW,
                    events_topic=EVENTS,
                    raw_topic=RAW,
                )
                assert read.origin == result.position
                assert read.kept is not None
            elif isinstance(result, AuditedEvent):
                good, bad = verdicts.read([_with_value(record, result.value, VERDICTS)], now=NOW)
                assert (len(good), bad) == (1, [])
                assert good[0].verdict.offset == record.offset
            else:
                assert isinstance(result, FactDependentEvent)

    yield run


def _with_value(record: Record, value: bytes, topic: str) -> Record:
    made: Record = ConsumerRecord(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        timestamp_type=0,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )
    return made


@contextmanager
def _reported() -> Iterator[Run]:
    """The topics that the reporter reads."""
    verdicts, facts = VerdictRecords(EVENTS), FactRecords()

    def run(data: bytes) -> None:
        for record in records_in(data, VERDICTS):
            good, bad = verdicts.read([record], now=NOW)
            assert len(good) + len(bad) == 1
            read: list[object] = [
                *good,
                *bad,
                facts.read(record, now=NOW),
                read_gap(record, now=NOW),
                read_dead_letter(record, now=NOW, events_topic=EVENTS, raw_topic=RAW),
            ]
            for each in read:
                _check_read(each)

    yield run


def _check_read(item: object) -> None:
    """What is read can be stored in PostgreSQL and says nothing of a payload."""
    if isinstance(item, DeadLettered):
        assert_silent(item.reason)
        for text in (item.reason, item.consumer, item.policy_version or ""):
            assert "\0" not in text
            text.encode()
    elif isinstance(item, ReadVerdict):
        assert item.verdict.event_time.tzinfo is UTC
    elif isinstance(item, Gap):
        assert item.time.tzinfo is UTC


@contextmanager
def _recorded() -> Iterator[Run]:
    """The same topics, as far as the database: one record stops none of the others."""
    with closed_connections(), TemporaryDirectory() as directory, asyncio.Runner() as runner:
        database = empty_database(Path(directory))
        writer = ledger_writer_of(database)
        offsets = count()
        event.listen(Engine, "before_cursor_execute", refuse_what_postgresql_refuses)

        writers = {
            VERDICTS: writer.record_verdicts,
            LETTERS: writer.record_dead_letters,
            GAPS: writer.record_gaps,
            FACTS: writer.record_facts,
        }

        async def record(values: Sequence[Record]) -> None:
            for topic, write in writers.items():
                await write([replace(each, topic=topic) for each in values])

        def run(data: bytes) -> None:
            runner.run(record([_moved(each, next(offsets)) for each in records_in(data, VERDICTS)]))

        try:
            yield run
        finally:
            event.remove(Engine, "before_cursor_execute", refuse_what_postgresql_refuses)
            runner.run(database.stop())


def _moved(record: Record, offset: int) -> Record:
    """The record at an offset of its own, in a partition that the ledger has."""
    return replace(record, offset=offset, partition=0)


def _letter(value: bytes, topic: str) -> bytes:
    """A dead letter about a record with this value."""
    [record] = records_in(b"\n\n" + value, topic)
    letter = dead_letter_of(
        record, consumer="auditor", error_class=ErrorClass.NOT_JSON, reason="it is not", now=NOW
    )
    return bytes(letter.__pydantic_serializer__.to_json(letter))


_BINARY = b"".join(
    f"ce_{name}: {value}\n".encode() for name, value in EVENT.items() if name != "data"
)
_BATCH = _BETWEEN.join(
    [
        b"content-type: application/cloudevents+json\nkey: k\n\n" + compact(EVENT),
        b"content-type: application/json\n" + _BINARY + b"\n" + compact(EVENT["data"]),
        b"key: k\n\n" + compact(FACT),
        b"null\n\n",
        b"rejected: 1\n\nabc",
        spaced(STRANGE_EVENT),
        spaced(STRANGE_FACT),
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\n"
        + compact(EVENT),
    ]
)
_HEADERS = tuple(
    each.encode()
    for each in (
        *("content-type: application/json\n", "content-type: application/cloudevents+json\n"),
        *("content-type: application/cloudevents-batch+json\n", "Content-Type: text/plain\n"),
        *("ce_id: ", "ce_source: /crm\n", "ce_data: ", "ce_specversion: 1.0\n", "null\n"),
        *("content-type: application/json; charset=utf-16\n", "rejected: 1\n", "\n%%\n", "\n\n"),
    )
)

_OF_REPORTER = (
    compact(example("verdict")),
    b"key: " + FACT_KEY + b"\n\n",
    compact(example("canonical-fact")),
    compact(example("gap")),
    compact({**example("gap"), **GAP}),
    compact(example("dead-letter")),
    _letter(compact(example("canonical-event")), EVENTS),
    _letter(b'{"a":' * 3_000 + b"1" + b"}" * 3_000, EVENTS),
    _letter(compact(EVENT), RAW),
)
_STORED = tuple(
    part
    for value in (
        verdict(0, 0, outcome="violation"),
        verdict(0, 1, outcome="unknown", count=3),
        dead_letter(0, 2),
    )
    for part in [compact(value)]
)
_STATED = [each for each in in_facts([fact()]) if each.value is not None]
TARGETS = (
    Target(
        "records-raw",
        (*_BATCH.split(_BETWEEN), _BATCH),
        _raw,
        (*WORDS, *_HEADERS),
        max_bytes=65_536,
    ),
    Target(
        "records-events",
        (
            compact(example("canonical-event")),
            spaced(example("canonical-event")),
            b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
        ),
        _audited,
        (*WORDS, *_HEADERS),
        max_bytes=65_536,
    ),
    Target(
        "records-reporter",
        _OF_REPORTER,
        _reported,
        (*WORDS, *_HEADERS),
        max_bytes=65_536,
    ),
    Target(
        "records-ledger",
        (
            _BETWEEN.join(_STORED),
            *_STORED,
            *(b"key: " + (each.key or b"") + b"\n\n" + each.value for each in _STATED),
            *_OF_REPORTER,
        ),
        _recorded,
        (*WORDS, *_HEADERS),
        max_bytes=65_536,
        max_seconds=3,
        brief=15,
    ),
)
