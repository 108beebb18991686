"""A cache stays within its budget, whatever is sent."""

import pytest

from purposewatch_contract.codec import TextCache


@pytest.mark.parametrize("extra", [0, 700])
def test_texts_that_never_repeat_do_not_exceed_the_budget(extra: int) -> None:
    """The texts of the values count as well."""
    cache: TextCache[int] = TextCache(10_000)
    most = 0
    for number in range(1_000):
        text = f"{number:0100}"
        cache.put(text, number, cost=extra)
        assert cache.get(text) == number
        most = max(most, sum(len(known) + extra for known in cache._entries))

    assert 2_000 < most <= 10_000
