"""What of a flood of equal events is logged."""

from purposewatch_runtime.log_limiter import LogLimiter, LogRate

PER_SOURCE = LogRate(burst=2, per_second=0.1)
OVERALL = LogRate(burst=5, per_second=1)


def test_one_source_is_logged_at_its_rate_with_the_number_that_was_not() -> None:
    """The first few are logged, then one each ten seconds, which names the number in between."""
    limiter = LogLimiter(PER_SOURCE, OVERALL)
    admitted = [(now, limiter.admit("a", now)) for now in range(25)]
    assert [(now, found) for now, found in admitted if found is not None] == [
        (0, 0),
        (1, 0),
        (10, 8),
        (20, 9),
    ]


def test_any_number_of_sources_is_logged_at_the_rate_of_all() -> None:
    """As many lines as the bucket of all sources has tokens, whoever causes them."""
    limiter = LogLimiter(PER_SOURCE, OVERALL)
    lines = [limiter.admit(f"address-{n}", n / 10_000) is not None for n in range(100_000)]
    assert sum(lines[:5]) == 5
    assert 5 + 9 <= sum(lines) <= 5 + 10


def test_only_so_many_sources_are_remembered() -> None:
    """Memory is bounded: a source is forgotten once many others were logged after it."""
    limiter = LogLimiter(PER_SOURCE, LogRate(burst=1_000_000, per_second=1))
    assert [limiter.admit("a", 0.0) is not None for _ in range(3)] == [True, True, False]
    for number in range(2_000):
        limiter.admit(f"address-{number}", 0.0)
    assert limiter.admit("a", 0.0) is not None


def test_a_flood_from_one_source_does_not_hide_another() -> None:
    """A source that spends its own tokens leaves those of all sources to the others."""
    limiter = LogLimiter(PER_SOURCE, OVERALL)
    for _ in range(1_000):
        limiter.admit("flood", 0.0)
    assert limiter.admit("other", 0.0) == 998
