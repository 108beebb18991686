"""Poison pills are rejected by what earlier owners committed; `test_poison_pill` finds them."""

from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka import RejectedRecord
from purposewatch_runtime.kafka.commit_metadata import CommitMetadata
from purposewatch_runtime.kafka.poison_pill import BatchSize, PartitionMetadata

MAX_CRASHES = 3


async def metadata_after_crashes() -> CommitMetadata:
    """The metadata of a process whose predecessors crashed with record 0 alone in flight."""

    async def fetch(_: Any) -> dict[TopicPartition, tuple[int, str]]:
        return {
            TopicPartition("t", 0): (
                0,
                str(PartitionMetadata("gone", BatchSize.SINGLE, 10, MAX_CRASHES)),
            )
        }

    consumer: Any = SimpleNamespace(_coordinator=SimpleNamespace(fetch_committed_offsets=fetch))
    metadata = CommitMetadata("t", max_crashes=MAX_CRASHES, span=100)
    await metadata.load(consumer, [0])
    return metadata


async def test_record_that_crashed_processes_is_rejected() -> None:
    """The handler gets it as poison."""
    metadata = await metadata_after_crashes()

    [rejected] = metadata.reject_poison(
        [ConsumerRecord("t", 0, 0, 0, 0, None, b"v", None, -1, 1, ())]
    )

    assert isinstance(rejected, RejectedRecord)
    assert rejected.error_class is ErrorClass.POISON


async def test_rejected_record_stays_as_it_is() -> None:
    """A record that can't be decoded may have crashed processes, too."""
    metadata = await metadata_after_crashes()
    record = ConsumerRecord("t", 0, 0, 0, 0, None, b"v", None, -1, 1, ())
    undecodable = RejectedRecord.of(record, ErrorClass.UNDECODABLE, "it can't be decoded")

    assert list(metadata.reject_poison([undecodable])) == [undecodable]
