"""Deliveries against a channel that does what the test says."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from purposewatch_reporter.alerts.alert import Alert
from purposewatch_reporter.alerts.channel import Attempt, Result
from purposewatch_reporter.alerts.channel_store import acquire_lease
from purposewatch_reporter.alerts.delivery_state import ResendPolicy
from purposewatch_reporter.store import tables
from purposewatch_runtime import metrics as m
from tests.unit.reporter.alerts.conftest import Bench, FakeChannel
from tests.unit.reporter.conftest import NOW

FAILED = Attempt(Result.FAILED, "HTTP 500")
REFUSED = Attempt(Result.REFUSED, "HTTP 400")
GOOD = Attempt(Result.DELIVERED)


@pytest.fixture
async def three(bench: Bench) -> Bench:
    """Three alerts that wait."""
    await bench.violate("user.a", "user.b", "user.c")
    await bench.advance()
    return bench


async def test_alerts_are_delivered_in_order_and_marked(three: Bench) -> None:
    """Each once; then there is nothing to do."""
    deliverer = three.deliverer()
    assert await deliverer.deliver() == 0
    names = [row.fingerprint for row in await three.rows()]
    assert [batch[0].fingerprint for batch in three.channel.sent] == names
    assert [row.delivered for row in await three.rows()] == [1, 1, 1]
    assert await deliverer.deliver() > 0
    assert len(three.channel.sent) == 3


async def test_an_alert_tells_accesses_where_they_differ_from_events(bench: Bench) -> None:
    """Its count and its rate are those of events."""
    await bench.violate("user.a")
    await bench.violate("user.b", count=250)
    await bench.advance()
    await bench.deliverer().deliver()
    found = {
        alert.labels["data_category"]: (alert.count, alert.facts.get("accesses"))
        for batch in bench.channel.sent
        for alert in batch
    }
    assert found == {"user.a": (1, None), "user.b": (1, "250")}


async def test_a_receiver_in_trouble_gets_nothing_more_for_now(three: Bench) -> None:
    """The order is kept: the first alert is tried again, the others wait behind it."""
    three.channel.answer = lambda call, _: FAILED if call == 1 else GOOD
    deliverer = three.deliverer()
    assert 0.5 <= await deliverer.deliver() <= 1
    assert len(three.channel.sent) == 1
    three.later(seconds=1)
    assert await deliverer.deliver() == 0
    sent = [batch[0].fingerprint for batch in three.channel.sent]
    assert sent == [sent[0], sent[0], *[row.fingerprint for row in await three.rows()][1:]]
    assert [row.attempts for row in await three.rows()] == [2, 1, 1]


async def test_a_poisonous_alert_steps_back(three: Bench) -> None:
    """One that always brings the receiver into trouble holds the others up only for a while."""
    poison = (await three.rows())[0].fingerprint
    three.channel.answer = lambda _, alerts: FAILED if alerts[0].fingerprint == poison else GOOD
    deliverer = three.deliverer()
    for _ in range(5):
        await deliverer.deliver()
        three.later(seconds=1)
    assert [row.delivered for row in await three.rows()] == [0, 1, 1]
    assert (await three.rows())[0].failures >= 3


async def test_a_poisonous_alert_is_found_in_a_batch(three: Bench) -> None:
    """What failed together again and again is tried one by one."""
    poison = (await three.rows())[0].fingerprint
    three.channel.batch_size = 10
    three.channel.answer = lambda _, alerts: (
        FAILED if poison in {alert.fingerprint for alert in alerts} else GOOD
    )
    deliverer = three.deliverer()
    for _ in range(12):
        await deliverer.deliver()
        three.later(seconds=1)
    assert [row.delivered for row in await three.rows()] == [0, 1, 1]


async def test_a_refused_batch_is_taken_apart(three: Bench) -> None:
    """At once: the others are delivered, the one at fault is tried again later."""
    poison = (await three.rows())[1].fingerprint
    three.channel.batch_size = 10
    three.channel.answer = lambda _, alerts: (
        REFUSED if poison in {alert.fingerprint for alert in alerts} else GOOD
    )
    assert await three.deliverer().deliver() == 0
    assert [len(batch) for batch in three.channel.sent] == [3, 1, 1, 1]
    assert [row.delivered for row in await three.rows()] == [1, 0, 1]


async def test_retry_after_is_heeded(three: Bench) -> None:
    """When the receiver says how long to wait, it is not asked before."""
    three.channel.answer = lambda *_: Attempt(Result.FAILED, "HTTP 429", 7)
    assert await three.deliverer().deliver() == 7
    assert (await three.rows())[0].due_time == NOW + timedelta(seconds=7)


async def test_a_refused_alert_does_not_hold_up_the_others(three: Bench) -> None:
    """It is tried again later, and never given up."""
    three.channel.answer = lambda call, _: REFUSED if call == 1 else GOOD
    deliverer = three.deliverer()
    assert await deliverer.deliver() == 0
    assert len(three.channel.sent) == 3
    three.later(seconds=49)
    await deliverer.deliver()
    assert len(three.channel.sent) == 3
    three.later(seconds=52)
    await deliverer.deliver()
    assert len(three.channel.sent) == 4


async def test_pauses_survive_a_restart(three: Bench) -> None:
    """They stand in the outbox: another process doesn't try what is not due."""
    three.channel.answer = lambda *_: REFUSED
    await three.deliverer().deliver()
    assert len(three.channel.sent) == 3
    three.later(seconds=49)  # the lease of the process that is gone has run out
    await three.deliverer().deliver()
    assert len(three.channel.sent) == 3
    three.later(seconds=52)
    await three.deliverer().deliver()
    assert len(three.channel.sent) == 6


async def test_the_error_is_recorded(three: Bench) -> None:
    """As the channel tells it, which is without addresses."""
    three.channel.answer = lambda *_: FAILED
    deliverer = three.deliverer()
    await deliverer.deliver()
    assert [row.last_error for row in await three.rows()] == ["HTTP 500", None, None]
    [health] = await three.rows(tables.channel_health)
    assert (health.failing_since, health.last_error) == (NOW, "HTTP 500")
    three.channel.answer = lambda *_: GOOD
    three.later(seconds=1)
    await deliverer.deliver()
    [health] = await three.rows(tables.channel_health)
    assert (health.failing_since, health.last_success_time) == (None, three.now)


async def test_repeated_attempts_say_the_same_under_the_same_key(three: Bench) -> None:
    """So that a receiver can tell a repeat."""
    three.channel.answer = lambda call, _: FAILED if call == 1 else GOOD
    deliverer = three.deliverer()
    await deliverer.deliver()
    three.later(seconds=1)
    await deliverer.deliver()
    assert three.channel.sent[0] == three.channel.sent[1]


async def test_only_one_process_delivers_at_a_time(three: Bench) -> None:
    """The other takes over when the first is gone."""

    async def try_lease(holder: str, now: datetime) -> bool:
        async with three.database.writing() as connection:
            return await acquire_lease(connection, "hook", holder, now, timedelta(seconds=15))

    assert await try_lease("other", three.now)
    await three.deliverer().deliver()
    assert three.channel.sent == []
    three.later(seconds=16)
    await three.deliverer().deliver()
    assert len(three.channel.sent) == 3
    assert not await try_lease("other", three.now)


async def test_it_works_in_the_background_and_stops(three: Bench) -> None:
    """Started as a part of the service; the lease is given back."""
    deliverer = three.deliverer()
    await deliverer.start()
    async with asyncio.timeout(10):
        while len(three.channel.sent) < 3:
            await asyncio.sleep(0.01)
    await deliverer.stop()
    assert [row.delivered for row in await three.rows()] == [1, 1, 1]
    assert await three.rows(tables.channel_leases) == []


async def test_attempts_are_counted(three: Bench) -> None:
    """By what came of them."""
    three.channel.answer = lambda call, _: REFUSED if call == 1 else GOOD
    await three.deliverer().deliver()
    counter = three.metrics.counter(m.ALERT_DELIVERIES)
    assert counter.labels("hook", "delivered")._value.get() == 2
    assert counter.labels("hook", "refused")._value.get() == 1


async def test_an_end_is_told_after_its_beginning(bench: Bench) -> None:
    """Even when the receiver was away until it was over."""
    await bench.violate("user.a")
    await bench.advance()
    bench.later(minutes=11)
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    await deliverer.deliver()
    assert bench.channel.delivered() == [("user.a", "firing"), ("user.a", "resolved")]
    [row] = await bench.rows()
    assert row.done_time == bench.now


async def test_an_end_is_held_back_for_receivers_that_need_it(bench: Bench) -> None:
    """So long after the beginning was told, and no longer."""
    bench.channel = FakeChannel(
        resend_policy=ResendPolicy(resend=timedelta(minutes=1), hold=timedelta(minutes=6))
    )
    await bench.violate("user.a")
    await bench.advance()
    bench.later(minutes=11)
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    bench.later(minutes=5.9)
    await deliverer.deliver()
    assert bench.channel.delivered() == [("user.a", "firing")]
    bench.later(minutes=0.2)
    await deliverer.deliver()
    assert bench.channel.delivered()[-1] == ("user.a", "resolved")


async def test_what_fires_is_told_again_and_again(bench: Bench) -> None:
    """With what has come meanwhile, under a key of its own."""
    bench.channel = FakeChannel(resend_policy=ResendPolicy(resend=timedelta(minutes=1)))
    await bench.violate("user.a")
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    await bench.violate("user.a", "user.a")
    bench.later(seconds=59)
    await deliverer.deliver()
    assert len(bench.channel.sent) == 1
    bench.later(seconds=1)
    await deliverer.deliver()
    first, second = (batch[0] for batch in bench.channel.sent)
    assert (first.count, second.count) == (1, 3)
    assert first.key != second.key
    assert first.fingerprint == second.fingerprint


async def test_an_end_lingers_where_the_receiver_may_forget(bench: Bench) -> None:
    """It is told again for a while, then the row is done."""
    bench.channel = FakeChannel(
        resend_policy=ResendPolicy(resend=timedelta(minutes=1), linger=timedelta(minutes=2))
    )
    await bench.violate("user.a")
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    bench.later(minutes=11)
    await bench.advance()
    for _ in range(6):
        await deliverer.deliver()
        bench.later(minutes=1)
    states = [state for _, state in bench.channel.delivered()]
    assert states == ["firing", "resolved", "resolved", "resolved"]
    assert (await bench.rows())[0].done_time is not None


async def test_episodes_of_one_finding_are_told_in_order(bench: Bench) -> None:
    """Two came and went while the receiver was away."""
    for _ in range(2):
        await bench.violate("user.a")
        await bench.advance()
        bench.later(minutes=11)
        await bench.advance()
    deliverer = bench.deliverer()
    for _ in range(6):
        await deliverer.deliver()
    assert [(batch[0].episode, str(batch[0].state)) for batch in bench.channel.sent] == [
        (1, "firing"),
        (1, "resolved"),
        (2, "firing"),
        (2, "resolved"),
    ]
    assert len({batch[0].key for batch in bench.channel.sent}) == 4


async def test_a_receiver_of_states_is_told_the_latest_episode_only(bench: Bench) -> None:
    """To Alertmanager an earlier episode of what fires would be an untimely end."""
    bench.channel = FakeChannel(
        resend_policy=ResendPolicy(resend=timedelta(minutes=1), by_state=True)
    )
    await bench.violate("user.a")
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    bench.later(minutes=11)
    await bench.advance()
    await bench.violate("user.a")
    await bench.advance()
    for _ in range(3):
        await deliverer.deliver()
    assert [(batch[0].episode, str(batch[0].state)) for batch in bench.channel.sent] == [
        (1, "firing"),
        (2, "firing"),
    ]


async def test_an_end_in_the_middle_of_a_telling_is_not_lost(bench: Bench) -> None:
    """The episode ends while the receiver is being told of its beginning."""
    await bench.violate("user.a")
    await bench.advance()
    turned: list[bool] = []

    class Slow(FakeChannel):
        async def send(self, alerts: Sequence[Alert]) -> Attempt:
            if not turned:
                turned.append(True)
                bench.later(minutes=11)
                await bench.advance()
            return await super().send(alerts)

    slow = Slow()
    deliverer = bench.deliverer(slow)
    await deliverer.deliver()
    await deliverer.deliver()
    assert slow.delivered() == [("user.a", "firing"), ("user.a", "resolved")]


async def test_nothing_is_left_when_all_is_told(bench: Bench) -> None:
    """Neither rows that wait nor a lease that stays when the deliverer stops."""
    await bench.violate("user.a", "user.b")
    await bench.advance()
    deliverer = bench.deliverer()
    await deliverer.deliver()
    bench.later(minutes=11)
    await bench.advance()
    await deliverer.deliver()
    async with bench.database.reading() as connection:
        rows = await connection.execute(
            select(tables.outbox).where(tables.outbox.c.done_time.is_(None))
        )
        assert rows.all() == []


async def test_nothing_is_lost_while_the_receiver_is_away_for_an_hour(bench: Bench) -> None:
    """Beginnings and ends of that time are told afterwards, within minutes, each once."""
    names = [f"user.n{number:02}" for number in range(30)]
    deliverer = bench.deliverer()
    bench.channel.answer = lambda *_: FAILED
    start = bench.now
    while bench.now < start + timedelta(hours=1):
        if names:
            await bench.violate(names.pop())
        await bench.advance()
        await deliverer.deliver()
        bench.later(seconds=61)
    attempts = len(bench.channel.sent)
    assert 50 <= attempts <= 60
    bench.channel.answer = lambda *_: GOOD
    back = bench.now
    while any(row.done_time is None for row in await bench.rows()):
        assert bench.now < back + timedelta(minutes=3)
        await deliverer.deliver()
        bench.later(seconds=1)
    told = bench.channel.delivered()[attempts:]
    assert len(told) == len(set(told)) == 60
    for number in range(30):
        name = f"user.n{number:02}"
        assert told.index((name, "firing")) < told.index((name, "resolved"))
