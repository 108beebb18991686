"""Choosing one statement by operations on whole sets."""

from purposewatch_policy.nearest import closest_named, first, nearest_miss


def test_first_is_the_lowest_bit() -> None:
    """The first statement in file order is the lowest bit."""
    assert first(0b1011000) == 3


def test_fewest_failures_win() -> None:
    """The candidate that fails one dimension comes before those that fail two."""
    assert nearest_miss(0b111, (0b100, 0b110, 0b001)) == 2


def test_earlier_dimension_breaks_a_tie() -> None:
    """Of candidates with as many failures, the one that covers the earlier dimension wins."""
    assert nearest_miss(0b11, (0b10, 0b01)) == 1


def test_file_order_breaks_the_last_tie() -> None:
    """Candidates that fail the same dimensions are taken in file order."""
    assert nearest_miss(0b1100, (0b0011, 0b1111)) == 2


def test_path_breaks_a_tie_before_the_file_order() -> None:
    """Of candidates that fail the same dimensions, the one with the longest common path wins."""
    covering = (0b0000, 0b1111)
    recipient, purpose = (0b0000, 0b1110), (0b1000, 0b0100)
    assert nearest_miss(0b1111, covering, (recipient, purpose)) == 3
    assert nearest_miss(0b0111, covering, (recipient, purpose)) == 2
    assert nearest_miss(0b0011, covering, (recipient, purpose)) == 1


def test_failures_outweigh_the_path() -> None:
    """A candidate that fails less is nearer, wherever its terms lie."""
    assert nearest_miss(0b11, (0b01, 0b11), ((0b10,),)) == 0


def test_only_candidates_are_considered() -> None:
    """A statement outside the candidates is never chosen, however near it is."""
    assert nearest_miss(0b01, (0b10, 0b10)) == 0


def test_failures_are_counted_beyond_ten() -> None:
    """The count holds more failures than there are dimensions."""
    assert nearest_miss(0b11, (0b10,) + (0b00,) * 13) == 1


def test_shortest_total_distance_wins() -> None:
    """Steps add up over the dimensions; the least sum is chosen."""
    levels = ((0b01, 0b10), (0b10, 0b00, 0b01))
    assert closest_named(0b11, levels) == (1, 1)


def test_single_statement_has_its_own_distance() -> None:
    """The only covering statement is chosen at whatever distance it has."""
    assert closest_named(0b10, ((0, 0b10), (0, 0, 0b10))) == (1, 3)
