"""Choosing one statement by operations on whole sets."""

from purposewatch_policy.model import Effect, Statement
from purposewatch_policy.nearest import closest_named, first, nearest_miss
from purposewatch_policy.statement_row import StatementRow


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


def row(number: int, *terms: str) -> StatementRow:
    category, purpose, recipient = terms
    statement = Statement(
        id=f"s{number}",
        clause=f"section.{number}",
        effect=Effect.PERMIT,
        data_categories=(category,),
        operations=("use",),
        purposes=(purpose,),
        recipients=(recipient,) if recipient else None,
    )
    return StatementRow(statement, number, (0, 0, 0, 0), {})


LINEAGES = (("user.name", "user"), ("service",), ("third_party.courier", "third_party"))


def test_shortest_total_distance_wins() -> None:
    """Steps add up over the dimensions; the least sum is chosen."""
    near = row(1, "user", "service", "third_party.courier")
    far = row(0, "user", "service", "third_party")
    assert closest_named([far, near], LINEAGES) == (near, 1)


def test_first_of_equally_distant_statements_wins() -> None:
    """Of statements at the same distance, it is the first in file order, however they are given."""
    first_in_file = row(0, "user", "service", "third_party.courier")
    second = row(1, "user.name", "service", "third_party")
    assert closest_named([second, first_in_file], LINEAGES) == (first_in_file, 1)


def test_statement_without_restriction_is_above_all_roots() -> None:
    """A dimension that a statement does not restrict is one step further than the root."""
    only = row(4, "user.name", "service", "")
    assert closest_named([only], LINEAGES) == (only, 2)
