"""A cache that stays within its budget, whatever it is asked."""

from purposewatch_policy import BoundedCache


def test_keys_that_never_repeat_stay_within_the_budget() -> None:
    """The cost of all entries is never above the budget, and comes near to it."""
    cache: BoundedCache[str, int] = BoundedCache(100)
    most = 0
    for number in range(1_000):
        cache.put(str(number), number, cost=1 + number % 7)
        held = sum(1 + each % 7 for each in cache._entries.values())
        assert held == cache._spent <= 100
        most = max(most, held)
    assert most > 90


def test_the_newest_value_is_always_there() -> None:
    """Even when it costs more than the whole budget."""
    cache: BoundedCache[str, str] = BoundedCache(10)
    cache.put("a", "small")
    assert cache.get("a") == "small"
    cache.put("b", "large", cost=99)
    assert (cache.get("a"), cache.get("b")) == (None, "large")
