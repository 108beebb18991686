"""Single records of a log are looked up without reading what lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from purposewatch_contract import EVENTS, topic_name
from purposewatch_reporter.log_observer import LogObserver
from purposewatch_runtime.kafka import TopicProvisioner, build_producer
from tests.harness.environment import kafka_settings

if TYPE_CHECKING:
    import pytest

    from tests.harness.broker import RunningBroker

_RECORDS = 300


async def test_distant_records_take_a_fetch_each(
    broker: RunningBroker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under little load each record is a batch, and a fetch: the whole log would take minutes."""
    settings = kafka_settings(broker, topic_prefix)
    topic = topic_name(topic_prefix, EVENTS)
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    async with build_producer(settings, client_id="test") as producer:
        for number in range(_RECORDS):
            await producer.send_and_wait(topic, b"%d" % number, partition=1)
    observer = LogObserver(settings, client_id="test")
    await observer.start()
    try:
        fetches = 0
        take = observer._connected().getmany

        async def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal fetches
            found = await take(*arguments, **options)
            fetches += bool(found)
            return found

        monkeypatch.setattr(observer._connected(), "getmany", counted)
        found = await observer.read(topic, 1, [0, 1, _RECORDS - 1])
    finally:
        await observer.stop()

    assert {offset: one.value for offset, one in found.items()} == {
        0: b"0",
        1: b"1",
        _RECORDS - 1: b"%d" % (_RECORDS - 1),
    }
    assert fetches <= 3


async def test_the_end_of_a_log_is_beyond_every_acknowledged_record(
    broker: RunningBroker, topic_prefix: str
) -> None:
    """The answer to a look-up may lag behind on the embedded broker, but never runs ahead."""
    settings = kafka_settings(broker, topic_prefix)
    topic = topic_name(topic_prefix, EVENTS)
    await TopicProvisioner(settings, (EVENTS,), client_id="test").start()
    observer = LogObserver(settings, client_id="test")
    await observer.start()
    try:
        async with build_producer(settings, client_id="test") as producer:
            for count in range(1, 20):
                await producer.send_and_wait(topic, b"event", partition=1)
                reached = (await observer.reached({(topic, 1)}))[topic, 1]
                assert reached == count or (broker.kind == "embedded" and reached < count)
                assert (await observer.ends([topic], [1]))[topic][1] == count
    finally:
        await observer.stop()
