"""The confirmed producer's life after errors; what it promises on a broker is tested there."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OutOfOrderSequenceNumber

from purposewatch_shared.kafka import producer as producer_module
from purposewatch_shared.kafka.producer import ConfirmedProducer, OutgoingRecord
from purposewatch_shared.settings import KafkaSettings

RECORD = OutgoingRecord("t", b"v")


class Fake:
    """Stands for aiokafka's producer: fails on start or on confirmation as told."""

    def __init__(self, *, start: Exception | None = None, send: Exception | None = None) -> None:
        self._start = start
        self._send = send
        self.sent = 0
        self.stopped = False

    async def start(self) -> None:
        """Connect, or not."""
        if self._start is not None:
            raise self._start

    async def stop(self) -> None:
        """Note it."""
        self.stopped = True

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        """Hand out a confirmation, or a failure."""
        self.sent += 1
        confirmation: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._send is None:
            confirmation.set_result(None)
        else:
            confirmation.set_exception(self._send)
        return confirmation


def producer_of(monkeypatch: pytest.MonkeyPatch, *fakes: Fake) -> ConfirmedProducer:
    """A producer that gets these underneath, one after the other."""
    supply = iter(fakes)
    monkeypatch.setattr(producer_module, "build_producer", lambda *_, **__: next(supply))
    return ConfirmedProducer(KafkaSettings(), client_id="test")


async def test_not_started_is_an_error_and_not_a_loss() -> None:
    """Publishing before the start raises, so that the caller tries again."""
    producer = ConfirmedProducer(KafkaSettings(), client_id="test")

    with pytest.raises(ConnectionError, match="try again later"):
        await producer.publish([RECORD])
    assert not (await producer.ready()).ok


async def test_passing_trouble_keeps_the_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error that the client itself recovers from, the same producer goes on."""
    fake = Fake(send=KafkaTimeoutError())
    monkeypatch.setattr(KafkaTimeoutError, "retriable", True)
    producer = producer_of(monkeypatch, fake)
    await producer.start()

    for _ in range(2):
        with pytest.raises(KafkaTimeoutError):
            await producer.publish([RECORD, RECORD])

    assert (fake.sent, fake.stopped) == (4, False)


async def test_broken_producer_is_replaced_even_if_kafka_is_away_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A producer that lost its sequence is let go; a later publish connects anew and succeeds."""
    broken = Fake(send=OutOfOrderSequenceNumber())
    away = Fake(start=KafkaConnectionError())
    fine = Fake()
    producer = producer_of(monkeypatch, broken, away, fine)
    await producer.start()

    with pytest.raises(OutOfOrderSequenceNumber):
        await producer.publish([RECORD])
    with pytest.raises(KafkaConnectionError):
        await producer.publish([RECORD])
    await producer.publish([RECORD])

    assert (broken.stopped, away.stopped, fine.sent) == (True, True, 1)
    assert (await producer.ready()).ok
