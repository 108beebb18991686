"""How the suspicions meet records; what they are, `test_suspicion` says."""

from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from purposewatch_contract import ErrorClass
from purposewatch_runtime.kafka import RejectedRecord
from purposewatch_runtime.kafka.commit_metadata import Marks
from purposewatch_runtime.kafka.poison_pill import Mark, Step

DEATHS = 3


async def marks_after_deaths() -> Marks:
    """The marks of a process whose predecessors ended with record 0 alone in hand."""

    async def fetch(_: Any) -> dict[TopicPartition, tuple[int, str]]:
        return {TopicPartition("t", 0): (0, str(Mark("gone", Step.SINGLE, 10, DEATHS)))}

    consumer: Any = SimpleNamespace(_coordinator=SimpleNamespace(fetch_committed_offsets=fetch))
    marks = Marks("t", deaths=DEATHS, span=100)
    await marks.inherit(consumer, [0])
    return marks


async def test_record_that_ended_processes_is_condemned() -> None:
    """It is handed over as poison."""
    marks = await marks_after_deaths()

    [judged] = marks.judge([ConsumerRecord("t", 0, 0, 0, 0, None, b"v", None, -1, 1, ())])

    assert isinstance(judged, RejectedRecord)
    assert judged.error_class is ErrorClass.POISON


async def test_what_is_condemned_already_stays_as_it_is() -> None:
    """A record that can't be decoded may have processes end with it in hand, too."""
    marks = await marks_after_deaths()
    record = ConsumerRecord("t", 0, 0, 0, 0, None, b"v", None, -1, 1, ())
    undecodable = RejectedRecord.of(record, ErrorClass.UNDECODABLE, "it can't be decoded")

    assert list(marks.judge([undecodable])) == [undecodable]
