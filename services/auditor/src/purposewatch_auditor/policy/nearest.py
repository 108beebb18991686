"""Chooses one statement of many, by operations on whole sets of statements.

Neither choice walks the statements: the cost is a few integer operations for each dimension,
whatever the length of the policy.
"""

from collections.abc import Iterator, Sequence

_PLANES = 4  # counts up to 15 failed dimensions; there are 10


def first(statements: int) -> int:
    """Return the first statement of a set that is not empty."""
    return (statements & -statements).bit_length() - 1


def nearest_miss(candidates: int, covering: Sequence[int]) -> int:
    """Return the candidate that fails the fewest dimensions; the set must not be empty.

    `covering` has for each dimension the statements that cover the flow in it, in the order of
    significance. Of several, it is the one that covers the earlier dimension, then the first.
    """
    planes = [0] * _PLANES  # binary digits of the number of failures, each for all statements
    for covered in covering:
        carry = candidates & ~covered
        for digit in range(_PLANES):
            if not carry:
                break
            planes[digit], carry = planes[digit] ^ carry, planes[digit] & carry
    remaining = candidates
    for plane in reversed(planes):
        remaining = remaining & ~plane or remaining
    for covered in covering:
        remaining = remaining & covered or remaining
    return first(remaining)


def closest_named(covering: int, levels: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Return the statement whose terms lie closest above the flow's, and that distance.

    `covering` must not be empty, and each of its statements must be in one level of each
    dimension. Of several, it is the first.
    """
    distance = 0
    if not covering & (covering - 1):  # one statement, as nearly always
        for steps in levels:
            step = 0
            while not steps[step] & covering:
                step += 1
            distance += step
        return first(covering), distance
    while True:
        at_distance = 0
        for chosen in _at_distance(covering, distance, levels):
            at_distance |= chosen
        if at_distance:
            return first(at_distance), distance
        distance += 1


def _at_distance(
    candidates: int, distance: int, levels: Sequence[tuple[int, ...]]
) -> Iterator[int]:
    """Yield the sets of candidates whose steps add up to a distance."""
    steps, *others = levels
    for step, statements in enumerate(steps[: distance + 1]):
        chosen = candidates & statements
        if chosen and others:
            yield from _at_distance(chosen, distance - step, others)
        elif step == distance:
            yield chosen
