"""A record that nobody trusted has signed changes no ledger; the true one counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from purposewatch_reporter.store.engine import Database
from purposewatch_runtime import metrics as m
from purposewatch_runtime.kafka import OutgoingRecord, Record, RecordSigning
from purposewatch_runtime.settings import KafkaSettings
from tests.harness.signing_keys import SigningKeys
from tests.unit.reporter.ledger.test_suspects import suspects, totals
from tests.unit.reporter.logs import TOPICS, Pipeline
from tests.unit.reporter.records import dead_letter

FORGED = {"outcome": "violation", "kind": "prohibited"}


class SignedPipeline(Pipeline):
    """A pipeline whose reporter refuses what the auditor has not signed."""

    def __init__(self, database: Database, directory: Path) -> None:
        super().__init__(database)
        keys = SigningKeys(directory)
        self.auditor = process("auditor", **keys.settings(keys.make("auditor")))
        own = keys.make("auditor", trusted=False)
        self.stranger = process("auditor", kafka_signing_key_file=own)
        self.reporter = process("reporter", **keys.settings())

    def forge(self, said: Mapping[str, Any], partition: int = 0) -> Record:
        """Somebody else writes a verdict, and signs it with a key of their own."""
        return signed(self.logs.append(TOPICS.verdicts, partition, said), self.stranger)

    def judge(self, said: Mapping[str, Any], partition: int = 0) -> Record:
        """The auditor writes a verdict."""
        return signed(super().judge(said, partition), self.auditor)

    async def record(self, partition: int = 0) -> None:
        """The reporter reads on."""
        for topic, record_all in (
            (TOPICS.verdicts, self.ledger_writer.record_verdicts),
            (TOPICS.dead_letters, self.ledger_writer.record_dead_letters),
        ):
            at = (await self.ledger_writer.positions(topic, [partition]))[partition]
            if records := self.logs.of(topic, partition, start=at):
                await record_all(await self.reporter.verify(records))


def process(service: str, **files: Any) -> RecordSigning:
    """A service with these keys."""
    metric_set = m.MetricSet("reporter", version="0")
    return RecordSigning(KafkaSettings(**files), service=service, metric_set=metric_set)


def signed(record: Record, by: RecordSigning) -> Record:
    """The record with the signature that this process makes."""
    outgoing = OutgoingRecord(record.topic, record.value or b"", record.key, record.partition)
    [made] = by.sign([outgoing])
    record.headers = made.headers
    return record


@pytest.fixture
async def pipeline(database: Database, tmp_path: Path) -> SignedPipeline:
    """A pipeline whose raw ledgers are started."""
    made = SignedPipeline(database, tmp_path)
    await made.open_raw()
    return made


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_forged_verdict_does_not_count(
    pipeline: SignedPipeline, order: str, *, together: bool
) -> None:
    """Before the true one it does not account for the event; after it, it contradicts nothing."""
    said = [pipeline.accept() for _ in range(3)]
    for index, one in enumerate(said):
        writers: Sequence[Any] = [pipeline.judge, pipeline.forge]
        for write in writers if order == "after" else reversed(writers):
            write(one if write == pipeline.judge else {**one, **FORGED})
            if not together:
                await pipeline.record()
                true = index + (write == pipeline.judge or order == "after")
                assert (await totals(pipeline))["verdicts"] == true
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["violations"], found["unaccounted"]) == (3, 0, 0)
    first = 1 if order == "after" else 0
    assert await suspects(pipeline) == [("verdicts", first + 2 * each) for each in range(3)]


async def test_a_verdict_without_a_signature_accounts_for_nothing(
    pipeline: SignedPipeline,
) -> None:
    """The event stays unaccounted for until the auditor's own verdict comes."""
    said = pipeline.accept()
    Pipeline.judge(pipeline, said)
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["unaccounted"] + found["pending"]) == (0, 1)
    pipeline.judge(said)
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["unaccounted"], found["pending"]) == (1, 0, 0)
    assert await suspects(pipeline) == [("verdicts", 0)]


async def test_a_valid_verdict_cannot_be_moved(pipeline: SignedPipeline) -> None:
    """To another partition it is refused; repeated in its own, it is a repeat."""
    first, second = pipeline.accept(), pipeline.accept(partition=1)
    true = pipeline.judge(first)
    moved = pipeline.logs.append(TOPICS.verdicts, 1, true.value)
    repeated = pipeline.logs.append(TOPICS.verdicts, 0, true.value)
    # as of partition 1, to pass the check of the verdict's own position
    restated = {**first, "position": second["position"]}
    altered = pipeline.logs.append(TOPICS.verdicts, 1, restated)
    for copy in (moved, repeated, altered):
        copy.headers = true.headers
    await pipeline.record()
    await pipeline.record(1)
    assert (await totals(pipeline))["verdicts"] == 1
    assert await suspects(pipeline) == [("verdicts", 0), ("verdicts", 1)]
    pipeline.judge(second, 1)
    await pipeline.record(1)
    assert await suspects(pipeline) == [("verdicts", 0), ("verdicts", 1)]


async def test_a_forged_dead_letter_accounts_for_nothing(pipeline: SignedPipeline) -> None:
    """The auditor's verdict does."""
    said = pipeline.accept()
    letter = pipeline.logs.append(TOPICS.dead_letters, 0, dead_letter(0, 0))
    letter.headers = pipeline.judge(said).headers  # a signature of another topic
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["verdicts"], found["dead_letters"]) == (1, 0)
    assert await suspects(pipeline) == [("dead-letters", 0)]


async def test_an_event_that_the_auditor_refused_alerts(pipeline: SignedPipeline) -> None:
    """Its dead letter, signed by the auditor, accounts for it."""
    pipeline.accept()
    value = dead_letter(0, 0, error_class="suspect")
    signed(pipeline.logs.append(TOPICS.dead_letters, 0, value), pipeline.auditor)
    await pipeline.record()
    found = await totals(pipeline)
    assert (found["dead_letters"], found["unaccounted"], found["pending"]) == (1, 0, 0)
    assert await suspects(pipeline) == [("events", 0)]
