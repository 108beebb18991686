"""What is remembered of texts stays within the budget, whatever is sent."""

import pytest

from purposewatch_contract.codec.cache import BoundedCache


@pytest.mark.parametrize("beside", [0, 700])
def test_ever_new_texts_never_exceed_the_budget(beside: int) -> None:
    """Neither by themselves nor with the texts that their values hold."""
    memory: BoundedCache[int] = BoundedCache(10_000)
    most = 0
    for number in range(1_000):
        text = f"{number:0100}"
        memory.keep(text, number, beside=beside)
        assert memory.get(text) == number
        most = max(most, sum(len(known) + beside for known in memory._known))

    assert 2_000 < most <= 10_000
