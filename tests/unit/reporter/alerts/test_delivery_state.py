"""The delivery of an episode on a channel, without a database."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_reporter.alerts.delivery_state import (
    Accepted,
    AlertStatus,
    Delivery,
    Failed,
    Input,
    ResendPolicy,
    Resolved,
    Superseded,
    advance,
    new_delivery,
)
from tests.unit.reporter.conftest import NOW

FIRING, RESOLVED = AlertStatus.FIRING, AlertStatus.RESOLVED
PLAIN = ResendPolicy()
MINUTE = timedelta(minutes=1)


def after(*events: Input, policy: ResendPolicy = PLAIN) -> Delivery:
    """The state after events, a minute apart, the first of them at NOW."""
    delivery = new_delivery(NOW)
    for number, event in enumerate(events):
        delivery = advance(delivery, event, policy, NOW + number * MINUTE)
    return delivery


def test_an_episode_is_announced_then_resolved_then_done() -> None:
    """The receiver gets one notification of each status."""
    assert (new_delivery(NOW).next_status, new_delivery(NOW).due_time) == (FIRING, NOW)
    announced = after(Accepted(FIRING))
    assert (announced.due_time, announced.waiting_since) == (None, None)
    resolved = after(Accepted(FIRING), Resolved(3))
    assert (resolved.next_status, resolved.resolved_count) == (RESOLVED, 3)
    assert resolved.due_time == resolved.waiting_since == NOW + MINUTE
    done = after(Accepted(FIRING), Resolved(3), Accepted(RESOLVED))
    assert (done.due_time, done.done_time, done.delivered) == (None, NOW + 2 * MINUTE, 2)


def test_an_episode_that_ends_before_it_was_announced_is_still_announced() -> None:
    """The resolved notification follows as soon as the hold allows."""
    resolved = after(Resolved(1))
    assert (resolved.next_status, resolved.due_time) == (FIRING, NOW)
    policy = ResendPolicy(hold=5 * MINUTE)
    announced = after(Resolved(1), Accepted(FIRING), policy=policy)
    assert announced.next_status is RESOLVED
    assert announced.due_time == announced.waiting_since == NOW + 6 * MINUTE


def test_a_resend_does_not_move_the_hold() -> None:
    """The hold counts from the first firing notification."""
    policy = ResendPolicy(resend=MINUTE, hold=5 * MINUTE)
    again = after(Accepted(FIRING), Accepted(FIRING), policy=policy)
    assert (again.resolve_after, again.due_time) == (NOW + 5 * MINUTE, NOW + 2 * MINUTE)
    assert again.waiting_since is None


def test_a_resolved_notification_lingers() -> None:
    """It is resent until the linger time since the end is over."""
    policy = ResendPolicy(resend=MINUTE, linger=2 * MINUTE)
    start: tuple[Input, ...] = (Accepted(FIRING), Resolved(1))
    first = after(*start, Accepted(RESOLVED), policy=policy)
    assert (first.due_time, first.done_time) == (NOW + 3 * MINUTE, None)
    last = after(*start, Accepted(RESOLVED), Accepted(RESOLVED), policy=policy)
    assert (last.due_time, last.done_time) == (None, NOW + 3 * MINUTE)


def test_a_failure_is_due_again_after_its_pause() -> None:
    """The notification still waits, and success forgets the failures."""
    failed = after(Failed("HTTP 500", MINUTE))
    assert (failed.attempts, failed.failures, failed.last_error) == (1, 1, "HTTP 500")
    assert (failed.due_time, failed.waiting_since) == (NOW + MINUTE, NOW)
    healed = after(Failed("HTTP 500", MINUTE), Accepted(FIRING))
    assert (healed.attempts, healed.failures, healed.last_error) == (2, 0, None)


def test_a_superseded_delivery_is_done() -> None:
    """Nothing more is sent of it."""
    done = after(Accepted(FIRING), Superseded())
    assert (done.due_time, done.waiting_since, done.done_time) == (None, None, NOW + MINUTE)


POLICIES = st.builds(
    ResendPolicy, resend=st.sampled_from([None, MINUTE]), hold=st.sampled_from([0 * MINUTE, MINUTE])
)


@given(st.lists(st.sampled_from(["accept", "fail", "end"]), max_size=12), POLICIES)
def test_every_delivery_ends_with_the_resolution(happens: list[str], policy: ResendPolicy) -> None:
    """Whatever fails and whenever the episode ends: firing, then resolved, then it is done."""
    delivery, now, sent = new_delivery(NOW), NOW, []
    for what in [*happens, "end", *["accept"] * 5]:
        now += MINUTE
        is_due = delivery.due_time is not None and delivery.due_time <= now
        event: Input | None = None
        if what == "end" and delivery.state is FIRING:
            event = Resolved(1)
        elif what == "fail" and is_due:
            event = Failed("HTTP 500", MINUTE)
        elif what == "accept" and is_due:
            event = Accepted(delivery.next_status)
            sent.append(event.status)
        if event is not None:
            delivery = advance(delivery, event, policy, now)
    assert delivery.done_time is not None
    assert sent[-1] is RESOLVED
    assert set(sent[:-1]) == {FIRING}
