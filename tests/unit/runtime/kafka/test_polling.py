"""What is polled from a consumer with failures; real brokers are tested elsewhere."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from purposewatch_runtime.kafka import polling as polling_module
from purposewatch_runtime.kafka.polling import PollCallbacks, Poller


class Fake:
    """Stands for aiokafka's consumer: hands out records once, or raises what it was given."""

    def __init__(self, fetched: Mapping[int, Sequence[int] | Exception]) -> None:
        self.states = {
            TopicPartition("t", partition): SimpleNamespace(position=0, has_valid_position=True)
            for partition in fetched
        }
        self._fetched = {TopicPartition("t", number): what for number, what in fetched.items()}
        assignment = SimpleNamespace(tps=list(self.states), state_value=self.states.__getitem__)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
        self._fetcher = SimpleNamespace(
            _create_fetch_waiter=lambda: asyncio.get_running_loop().create_future()
        )
        self.paused_partitions: set[TopicPartition] = set()

    def paused(self) -> set[TopicPartition]:
        """The paused partitions."""
        return self.paused_partitions

    def seek(self, position: TopicPartition, offset: int) -> None:
        """Move the position."""
        self.states[position].position = offset

    async def getmany(
        self, *wanted: TopicPartition, **_: Any
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """What has been fetched of these, once."""
        taken = {}
        for position in wanted or self.states:
            found = self._fetched.pop(position, ())
            if isinstance(found, Exception):
                raise found
            if found and position not in self.paused_partitions:
                taken[position] = [record(position, offset) for offset in found]
                self.states[position].position = found[-1] + 1
        return taken


def record(position: TopicPartition, offset: int) -> ConsumerRecord[bytes, bytes]:
    """A record at a position."""
    return ConsumerRecord(
        position.topic, position.partition, offset, 0, 0, None, b"v", None, -1, 1, ()
    )


def poller_under_suspicion(partition: int) -> Poller:
    """A poller that takes partition by partition, because one is under suspicion."""
    callbacks = PollCallbacks(
        unreadable=lambda *_: None, limit=lambda number, _: 1 if number == partition else None
    )
    return Poller(callbacks, retry_seconds=0)


async def places(poller: Poller, consumer: Any) -> list[tuple[int, int]]:
    """Partition and offset of the polled records."""
    taken = await poller.poll(consumer, max_records=10, idle_seconds=0.01)
    return [(each.partition, each.offset) for each in taken]


async def test_refusal_of_one_partition_drops_nothing_taken_from_another() -> None:
    """What was taken before Kafka refuses a later partition is returned, not skipped."""
    consumer: Any = Fake({0: (0, 1), 1: TopicAuthorizationFailedError("t"), 2: ()})
    poller = poller_under_suspicion(2)

    assert await places(poller, consumer) == [(0, 0), (0, 1)]


async def test_refusal_with_nothing_taken_is_raised() -> None:
    """The consumer has to know that Kafka does not let it read."""
    consumer: Any = Fake({0: (), 1: TopicAuthorizationFailedError("t"), 2: ()})

    with pytest.raises(TopicAuthorizationFailedError):
        await poller_under_suspicion(2).poll(consumer, max_records=10, idle_seconds=0.01)


async def test_nothing_is_salvaged_while_the_consumer_is_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record that can't be decoded and is due stays where it is in a paused partition."""

    async def salvage(*_: Any, **__: Any) -> Sequence[Any]:
        return [record(TopicPartition("t", 0), 0)]

    monkeypatch.setattr(polling_module, "salvage", salvage)
    monkeypatch.setattr(polling_module, "_RETRY_SECONDS", 0.01)
    poller = poller_under_suspicion(1)
    unreadable = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    consumer: Any = Fake({0: unreadable, 1: ()})
    assert await places(poller, consumer) == []
    consumer = Fake({0: unreadable, 1: (0,)})
    assert await places(poller, consumer) == [(1, 0)]
    await asyncio.sleep(0.02)
    consumer = Fake({0: unreadable, 2: (5,)})
    assert await places(poller, consumer) == [(2, 5)]

    consumer.paused_partitions = set(consumer.states)
    held = await places(poller, consumer)
    consumer.paused_partitions = set()

    assert (held, await places(poller, consumer)) == ([], [(0, 0)])


class Log(Fake):
    """Stands for a consumer that can go back: every call takes from the position on."""

    def __init__(self, values: Mapping[int, Sequence[bytes | Exception]]) -> None:
        super().__init__(dict.fromkeys(values, ()))
        self._values = {TopicPartition("t", number): what for number, what in values.items()}
        self.calls = 0

    async def getmany(
        self, *wanted: TopicPartition, max_records: int, **_: Any
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """The records from the position on, up to one that can't be decoded."""
        self.calls += 1
        taken: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        for position in wanted or self.states:
            at = self.states[position].position
            values = self._values[position][at:][:max_records]
            for value in values:
                if isinstance(value, Exception):
                    raise value  # stays where it was; the partitions before it have moved
            if values:
                taken[position] = [
                    dataclasses.replace(record(position, offset), value=value)
                    for offset, value in enumerate(values, at)
                ]
            self.states[position].position += len(values)
            max_records -= len(values)
            if not max_records:
                break
        return taken


def poller_at_ease(*, retry_seconds: float = 0) -> Poller:
    """A poller without a suspicion."""
    callbacks = PollCallbacks(unreadable=lambda *_: None, limit=lambda *_: None)
    return Poller(callbacks, retry_seconds=retry_seconds)


async def test_a_batch_is_bounded_in_bytes() -> None:
    """A fetch of well compressed records may decompress to more than fits into memory."""
    megabyte = bytes(2**20)
    consumer: Any = Log({0: [megabyte] * 200, 1: [megabyte] * 200})
    poller = poller_at_ease()

    found = [await poller.poll(consumer, max_records=5_000, idle_seconds=0.01) for _ in range(4)]

    assert [len(each) for each in found] == [128, 128, 128, 16]
    places = [(each.partition, each.offset) for records in found for each in records]
    assert places == [(partition, offset) for partition in (0, 1) for offset in range(200)]


async def test_small_records_come_all_at_once() -> None:
    """The bound costs nothing where a batch is as small as usual."""
    consumer: Any = Log({0: [b"v"] * 700, 1: [b"v"] * 700})

    found = await poller_at_ease().poll(consumer, max_records=1_000, idle_seconds=0.01)

    assert len(found) == 1_000


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), TopicAuthorizationFailedError("t")]
)
async def test_failure_after_some_steps_drops_nothing(error: Exception) -> None:
    """What was taken before is returned once, and what the failed step took is taken again."""
    values: list[bytes | Exception] = [b"v"] * 90
    consumer: Any = Log({0: [b"v"] * 100, 1: [*values, error]})
    poller = poller_at_ease(retry_seconds=60)

    found = list(await poller.poll(consumer, max_records=1_000, idle_seconds=0.01))
    assert len(found) == 128
    with contextlib.suppress(TopicAuthorizationFailedError):
        for _ in range(100):
            found += await poller.poll(consumer, max_records=1_000, idle_seconds=0.001)

    seen = {
        number: [each.offset for each in found if each.partition == number] for number in (0, 1)
    }
    assert seen[0] == list(range(100))
    assert seen[1] == list(range(len(seen[1])))
    if isinstance(error, UnicodeDecodeError):
        assert len(seen[1]) == 90


def failure_at(first: int, behind: int) -> list[bytes | Exception]:
    """A partition with a batch that can't be decoded from `first` on."""
    bad = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
    return [*([b"v"] * first), *([bad] * (behind - first)), b"v"]


async def test_large_batch_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What doesn't come with the first part of a bad batch comes at once, not a minute later.

    A partition whose bad part was returned is no longer reported.
    """
    asked: list[tuple[int, int]] = []

    async def salvage(_: Any, position: TopicPartition, offset: int, *, most: int) -> Sequence[Any]:
        asked.append((offset, most))
        return [record(position, each) for each in range(offset, min(offset + most, 26))]

    monkeypatch.setattr(polling_module, "salvage", salvage)
    monkeypatch.setattr(polling_module, "_RETRY_SECONDS", 0.001)
    poller = poller_at_ease(retry_seconds=0.3)
    consumer: Any = Log({0: failure_at(5, 26)})

    async def offsets() -> list[int]:
        taken = await poller.poll(consumer, max_records=10, idle_seconds=0.01)
        return [each.offset for each in taken]

    begun = time.monotonic()
    parts = []
    reports = set()
    while not asked:
        reports.add(poller.unreadable)
        parts.append(await offsets())
    waited = time.monotonic() - begun
    while consumer.states[TopicPartition("t", 0)].position < 26:
        parts.append(await offsets())
    assert poller.unreadable is None
    parts.append(await offsets())

    assert [each for part in parts for each in part] == list(range(27))
    assert asked == [(5, 11), (15, 11), (25, 11)]
    assert waited > 0.3
    assert time.monotonic() - begun < waited + 0.3
    assert "partition 0 can't be decoded from offset 5 on (UnicodeDecodeError)" in reports


async def test_under_suspicion_a_bad_batch_comes_in_small_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Good records behind a bad one may be what crashes the process: each is in flight alone."""

    async def salvage(_: Any, position: TopicPartition, offset: int, *, most: int) -> Sequence[Any]:
        return [record(position, each) for each in range(offset, min(offset + most, 3))]

    monkeypatch.setattr(polling_module, "salvage", salvage)
    monkeypatch.setattr(polling_module, "_RETRY_SECONDS", 0.001)
    poller = poller_under_suspicion(0)
    consumer: Any = Log({0: failure_at(0, 3)})

    found: list[list[tuple[int, int]]] = []
    while len(found) < 4:
        taken = await places(poller, consumer)
        found += [taken] if taken else []

    assert found == [[(0, 0)], [(0, 1)], [(0, 2)], [(0, 3)]]


async def test_an_idle_consumer_fetches_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without records; the first record ends it."""
    now = 0.0
    monkeypatch.setattr(polling_module, "time", SimpleNamespace(monotonic=lambda: now))
    consumer: Any = Fake({})
    poller = Poller(
        PollCallbacks(unreadable=lambda *_: None, limit=lambda *_: None),
        retry_seconds=0,
        fetch_wait_ms=10,
    )
    waits = []
    for records, now in (({}, 1.0), ({}, 2.0), ({}, 4.0), ({0: [1]}, 5.0), ({}, 5.1)):  # noqa: B007
        fetcher = consumer._fetcher
        consumer = Fake(records)
        consumer._fetcher = fetcher
        await poller.poll(consumer, max_records=10, idle_seconds=0)
        waits.append(getattr(fetcher, "_fetch_max_wait_ms", None))

    assert waits == [10, 10, 100, 10, 10]
