"""Which events are traced, and how many at most."""

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_runtime.traces import SpanBudget, is_sampled

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


def test_the_sender_decides() -> None:
    """The lowest bit of the flags counts, and nothing else of them."""
    sampled = [f"00-{TRACE}-{flags:02x}" for flags in range(256) if flags % 2]
    others = [f"00-{TRACE}-{flags:02x}" for flags in range(256) if not flags % 2]
    assert all(map(is_sampled, sampled))
    assert not any(map(is_sampled, others))


def test_what_is_not_a_traceparent_is_not_sampled() -> None:
    """Neither what is missing nor what is forged."""
    forged = [None, "", "01", f"00-{TRACE}-0x", f"ff-{TRACE}-01", "00-" + "0" * 32 + TRACE[32:]]
    assert not any(map(is_sampled, forged))


@given(st.lists(st.floats(0, 10), max_size=300), st.integers(1, 20))
def test_a_budget_bounds_the_spans_of_any_second(times: list[float], per_second: int) -> None:
    """At most what is saved up and what a second adds, however the events come."""
    budget = SpanBudget(per_second)
    taken = [now for now in sorted(times) if budget.take(now)]
    for start in taken:
        within = [now for now in taken if start <= now < start + 1]
        assert len(within) <= 2 * per_second


def test_a_budget_is_filled_again() -> None:
    """What was used up is there again a second later, and no more than that."""
    budget = SpanBudget(3)
    assert [budget.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.take(100.0) for _ in range(4)] == [True, True, True, False]
