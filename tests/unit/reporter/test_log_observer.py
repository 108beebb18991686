"""The one client that looks at the logs; `tests/integration/test_log_observer.py` has brokers."""

import time
from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from purposewatch_reporter.log_observer import LogObserver
from purposewatch_runtime.settings import KafkaSettings


class FakeConsumer:
    """Knows the end of every log, and what it is assigned."""

    def __init__(self) -> None:
        self.assigned: list[set[TopicPartition]] = []
        self.sought: dict[TopicPartition, int] = {}
        self.fails = False
        self.more = 0

    def assign(self, positions: Collection[TopicPartition]) -> None:
        """Fetch these."""
        self.assigned.append(set(positions))

    def unsubscribe(self) -> None:
        """Fetch nothing."""
        self.assigned.append(set())

    def seek(self, position: TopicPartition, offset: int) -> None:
        """Fetch from there."""
        self.sought[position] = offset

    async def end_offsets(self, positions: Collection[TopicPartition]) -> Mapping[Any, int]:
        """One less than the end, as the embedded broker answers, or more."""
        if self.fails:
            raise ConnectionError
        return {position: 10 * position.partition + 4 + self.more for position in positions}

    async def getmany(self, **_: int) -> dict[Any, Any]:
        """Nothing: the fetch is at the end."""
        return {}

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        """Just now."""
        return int(time.time() * 1000) + 1000

    def highwater(self, position: TopicPartition) -> int:
        """What the answer to a fetch says."""
        return 5 + 10 * int(position.partition)


@pytest.fixture
def consumer() -> FakeConsumer:
    """A consumer that never connects."""
    return FakeConsumer()


@pytest.fixture
def observer(consumer: FakeConsumer) -> LogObserver:
    """An observer with that consumer."""
    made = LogObserver(KafkaSettings(), client_id="test")
    made._consumer = cast("Any", consumer)
    return made


async def test_all_topics_are_looked_at_at_once(
    observer: LogObserver, consumer: FakeConsumer
) -> None:
    """One assignment finds the ends of both; the answers to fetches count."""
    assert await observer.ends(["a", "b"], [0, 1]) == {"a": {0: 5, 1: 15}, "b": {0: 5, 1: 15}}
    assert len(consumer.assigned[0]) == 4


@pytest.mark.parametrize("fails", [False, True])
async def test_nothing_is_fetched_between_looks(
    observer: LogObserver,
    consumer: FakeConsumer,
    fails: bool,  # noqa: FBT001 - a table
) -> None:
    """Or an idle reporter would take a good part of a core."""
    consumer.fails = fails
    if fails:
        with pytest.raises(ConnectionError):
            await observer.ends(["a"], [0])
    else:
        await observer.ends(["a"], [0])

    assert consumer.assigned == [{TopicPartition("a", 0)}, set()]


async def test_of_two_answers_about_an_end_the_higher_counts(
    observer: LogObserver, consumer: FakeConsumer
) -> None:
    """Right after an election, the answer to a fetch may still be too low."""
    consumer.more = 3
    assert await observer.ends(["a"], [0, 1]) == {"a": {0: 7, 1: 17}}


async def test_what_a_log_has_reached_is_asked_without_a_fetch(
    observer: LogObserver, consumer: FakeConsumer
) -> None:
    """In one request for all partitions; nothing is known if Kafka does not answer."""
    assert await observer.reached({("a", 0), ("b", 1)}) == {("a", 0): 4, ("b", 1): 14}
    assert consumer.assigned == []
    consumer.fails = True
    assert await observer.reached({("a", 0)}) == {}
