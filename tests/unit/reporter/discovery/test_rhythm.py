"""Silence and surges, with made traffic."""

import pytest

from purposewatch_reporter.discovery.rhythm import (
    HISTORY,
    WEEK,
    RhythmPolicy,
    Silence,
    Surge,
    find_silence,
    find_surge,
)

POLICY = RhythmPolicy()
MONDAY = 100 * WEEK + 96  # hour 0 was a Thursday
NOW = MONDAY + 12


def office(now: int, *, rate: int = 50, weeks: float = 5) -> dict[int, int]:
    """Events from 8 to 18 on Mondays to Fridays, up to an hour."""
    return {
        hour: rate
        for hour in range(now - int(weeks * WEEK), now)
        if (hour - MONDAY) % WEEK // 24 < 5 and 8 <= (hour - MONDAY) % 24 < 18
    }


def since(counts: dict[int, int]) -> int:
    """The first hour known."""
    return min(counts)


def silence(counts: dict[int, int], now: int, policy: RhythmPolicy = POLICY) -> Silence | None:
    """What is found at that hour."""
    return find_silence(counts, since(counts), now, policy)


def test_a_publisher_that_keeps_its_rhythm_is_never_silent() -> None:
    """At no hour of the week: nights and weekends are as usual."""
    for now in range(MONDAY, MONDAY + WEEK):
        assert silence(office(now), now) is None


def test_it_is_silent_when_events_are_usual() -> None:
    """Noticed after the first hour that usually has enough of them."""
    counts = office(MONDAY)  # nothing since Friday
    assert silence(counts, MONDAY + 8) is None
    assert silence(counts, MONDAY + 9) == Silence(MONDAY - 55, 50)
    assert silence(counts, MONDAY + 11) == Silence(MONDAY - 55, 150)


def test_few_events_take_longer() -> None:
    """What is usual is summed up over the silence: one missing event means nothing."""
    counts = office(MONDAY, rate=3)
    assert silence(counts, MONDAY + 14) is None
    assert silence(counts, MONDAY + 15) == Silence(MONDAY - 55, 21)


def test_a_holiday_is_no_rhythm() -> None:
    """Of three weeks or more, the one with the fewest events does not count."""
    counts = office(NOW)
    for hour in range(NOW - WEEK, NOW - WEEK + 24):
        counts.pop(hour, None)  # last Monday afternoon was a holiday
    for hour in range(NOW - 5, NOW):
        counts.pop(hour, None)
    assert silence(counts, NOW) == Silence(MONDAY - 55, 200)
    for hour in range(NOW - 2 * WEEK - 24, NOW - 2 * WEEK):
        counts.pop(hour, None)  # and the Monday before was one, too
    for hour in range(NOW - WEEK - 24, NOW - WEEK):
        counts.pop(hour, None)
    assert silence(counts, NOW) is None


def test_new_publishers_are_not_judged() -> None:
    """Two weeks of the same hours are needed."""
    assert silence(office(MONDAY, weeks=1.9), MONDAY + 12) is None
    assert silence(office(MONDAY, weeks=2.9), MONDAY + 12) is not None
    assert find_silence({}, NOW, NOW, POLICY) is None


def test_a_publisher_that_stays_silent_is_retired() -> None:
    """It is compared with weeks before the silence, as long as two of them are known."""
    counts = office(MONDAY)
    days = [silence(counts, MONDAY + 24 * day + 12) is not None for day in range(40)]
    assert days[0]
    assert days.index(False) >= 13
    assert not any(days[days.index(False) :])


def test_weeks_of_the_silence_are_no_rhythm() -> None:
    """After a week of silence, the same hours a week ago had no events either."""
    found = silence(office(MONDAY), MONDAY + WEEK + 12)
    assert found == Silence(MONDAY - 55, 2_700)


def test_tenfold_events_are_a_surge() -> None:
    """Of the hour of the week, as soon as they are there, unless they are few altogether."""
    counts = office(NOW, rate=150)
    assert find_surge({**counts, NOW: 1_499}, since(counts), NOW, POLICY) is None
    surge = Surge(NOW, 1_500, 150)
    assert find_surge({**counts, NOW: 1_500}, since(counts), NOW, POLICY) == surge
    assert find_surge({**counts, NOW: 1_500}, since(counts), NOW + 1, POLICY) == surge
    assert find_surge({**counts, NOW: 1_500}, since(counts), NOW + 2, POLICY) is None
    few = office(NOW, rate=50)
    assert find_surge({**few, NOW: 999}, since(few), NOW, POLICY) is None


def test_a_batch_that_runs_an_hour_off_is_no_surge() -> None:
    """The hours beside count as usual; at another time of the week, it is one."""
    nightly = {hour: 5_000 for hour in range(NOW - HISTORY, NOW - 24) if hour % 24 == NOW % 24}
    first = min(nightly)
    assert find_surge({**nightly, NOW + 1: 9_000}, first, NOW + 1, POLICY) is None
    assert find_surge({**nightly, NOW + 3: 9_000}, first, NOW + 3, POLICY) is not None


@pytest.mark.parametrize("policy", [RhythmPolicy(silent_events=0), RhythmPolicy(surge_factor=0)])
def test_both_can_be_switched_off(policy: RhythmPolicy) -> None:
    """With 0."""
    counts = office(MONDAY)
    found = find_silence(counts, since(counts), MONDAY + 12, policy)
    assert (found is None) == (policy.silent_events == 0)
    counts = {**office(NOW), NOW: 9_999}
    surge = find_surge(counts, since(counts), NOW, policy)
    assert (surge is None) == (policy.surge_factor == 0)
