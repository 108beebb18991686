"""Rates and quotas of publishers: the pure part."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purposewatch_ingest.publishers import Publisher, RateLimits
from purposewatch_ingest.rate_limits import Limited, LimitReason, PublisherUsage, Usage

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RATE = RateLimits(events_per_second=10, burst=100)
QUOTA = RateLimits(events_per_day=1_000)


def after(seconds: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(seconds=seconds)


def test_batch_larger_than_the_burst_is_let_in_and_paid_for() -> None:
    """The debt keeps further requests out until the rate has paid it."""
    usage = Usage.unused(RATE, NOON)
    assert usage.limited(RATE) is None
    usage = usage.charged(500)
    assert Limited(LimitReason.RATE, 41) == usage.limited(RATE)
    assert Limited(LimitReason.RATE, 1) == usage.advanced(RATE, after(40)).limited(RATE)
    assert usage.advanced(RATE, after(40.1)).limited(RATE) is None


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 300)), max_size=60))
def test_rate_is_exact_over_time(requests: list[tuple[float, int]]) -> None:
    """What is let in never exceeds the burst, the rate's gain and the last request."""
    usage, now, sent, last = Usage.unused(RATE, NOON), NOON, 0, 0
    for pause, events in requests:
        now += timedelta(seconds=pause)
        usage = usage.advanced(RATE, now)
        if usage.limited(RATE) is None:
            usage = usage.charged(events)
            sent, last = sent + events, events
    assert sent <= 100 + 10 * (now - NOON).total_seconds() + last


def test_quota_begins_again_at_midnight_in_utc() -> None:
    """Nobody is told to wait for more than an hour, because the register may change."""
    usage = Usage.unused(QUOTA, NOON).charged(999)
    assert usage.limited(QUOTA) is None
    usage = usage.charged(1)
    assert Limited(LimitReason.QUOTA, 3_600) == usage.limited(QUOTA)
    late = usage.advanced(QUOTA, after(12 * 3_600 - 90))
    assert Limited(LimitReason.QUOTA, 90) == late.limited(QUOTA)
    assert late.advanced(QUOTA, after(12 * 3_600)).limited(QUOTA) is None


def test_clock_that_goes_back_grants_nothing() -> None:
    """Neither tokens nor another day."""
    usage = Usage.unused(RateLimits(10, 100, 1_000), NOON).charged(200)
    earlier = usage.advanced(RateLimits(10, 100, 1_000), after(-86_400))
    assert earlier == usage


@pytest.mark.parametrize(
    ("limits", "policy", "left"),
    [
        (RATE, '"rate";q=100;qu="events";w=10', '"rate";r=70;t=3'),
        (QUOTA, '"day";q=1000;qu="events";w=86400', '"day";r=970;t=43200'),
        (
            RateLimits(10, 100, 1_000),
            '"rate";q=100;qu="events";w=10, "day";q=1000;qu="events";w=86400',
            '"rate";r=70;t=3, "day";r=970;t=43200',
        ),
    ],
)
def test_headers_state_limits_and_what_is_left(limits: RateLimits, policy: str, left: str) -> None:
    """In the form of the IETF's draft."""
    headers = Usage.unused(limits, NOON).charged(30).headers(limits)
    assert {"RateLimit-Policy": policy, "RateLimit": left} == headers


def test_publishers_are_limited_apart_and_limits_can_change() -> None:
    """One publisher's events are not charged to another; new limits hold at once."""
    usage = PublisherUsage()
    crm = Publisher("crm", frozenset(), limits=QUOTA)
    other = Publisher("other", frozenset(), limits=QUOTA)
    usage.charge(crm, 1_000, NOON)
    assert usage.limited(crm, NOON) is not None
    assert usage.limited(other, NOON) is None
    raised = Publisher("crm", frozenset(), limits=RateLimits(events_per_day=2_000))
    assert usage.limited(raised, NOON) is None
    assert usage.headers(raised, NOON)["RateLimit"] == '"day";r=1000;t=43200'
    unlimited = Publisher("crm", frozenset())
    usage.charge(unlimited, 10_000, NOON)
    assert usage.limited(unlimited, NOON) is None
    assert usage.headers(unlimited, NOON) == {}
