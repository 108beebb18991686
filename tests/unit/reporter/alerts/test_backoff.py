"""Pauses grow, are bounded, and have a random part."""

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_reporter.alerts.backoff import Backoff


def test_pauses_double_up_to_the_limit() -> None:
    """With the least chance each is half of its length."""
    backoff = Backoff(1, 10)
    assert [backoff.pause(n, 0.0) for n in range(1, 7)] == [0.5, 1, 2, 4, 5, 5]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_within_its_bounds(failures: int, chance: float) -> None:
    """Never nothing, never more than the limit."""
    assert 0.25 <= Backoff(0.5, 60).pause(failures, chance) <= 60
