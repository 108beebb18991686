"""Choosing one statement by operations on whole sets."""

from purposewatch_policy.nearest import closest_named, first, nearest_miss


def test_first_is_the_lowest_bit() -> None:
    """The first statement in file order is the lowest bit."""
    assert first(0b1011000) == 3


def test_fewest_failures_win() -> None:
    """The candidate that fails one dimension comes before those that fail two."""
    assert nearest_miss(0b111, [0b100, 0b110, 0b001]) == 2


def test_earlier_dimension_breaks_a_tie() -> None:
    """Of candidates with as many failures, the one that covers the earlier dimension wins."""
    assert nearest_miss(0b11, [0b10, 0b01]) == 1


def test_file_order_breaks_the_last_tie() -> None:
    """Candidates that fail the same dimensions are taken in file order."""
    assert nearest_miss(0b1100, [0b0011, 0b1111]) == 2


def test_only_candidates_are_considered() -> None:
    """A statement outside the candidates is never chosen, however near it is."""
    assert nearest_miss(0b01, [0b10, 0b10]) == 0


def test_failures_are_counted_beyond_ten() -> None:
    """The count holds more failures than there are dimensions."""
    assert nearest_miss(0b11, [0b10] + [0b00] * 13) == 1


def test_shortest_total_distance_wins() -> None:
    """Steps add up over the dimensions; the least sum is chosen."""
    levels = [(0b01, 0b10), (0b10, 0b00, 0b01)]
    assert closest_named(0b11, levels) == (1, 1)


def test_single_statement_has_its_own_distance() -> None:
    """The only covering statement is chosen at whatever distance it has."""
    assert closest_named(0b10, [(0, 0b10), (0, 0, 0b10)]) == (1, 3)
