"""Chooses one statement out of many by operations on whole sets of statements.

No choice iterates over statements: the cost is a few integer operations for each dimension,
whatever the length of the policy.
"""

from collections.abc import Iterator
from typing import Final

Sets = tuple[int, ...]
"""Some sets of statements."""

_PLANES: Final = 4  # counts up to 15 failed dimensions; there are 10


def first(statements: int) -> int:
    """Return the first statement of a set that is not empty."""
    return (statements ^ (statements - 1)).bit_length() - 1


def nearest_miss(candidates: int, covering: Sets, paths: tuple[Sets, ...] = ()) -> int:
    """Return the candidate that fails the fewest dimensions; the set must not be empty.

    `covering` has for each dimension the statements that cover the flow in it, in the order of
    significance. Of several, it is the one that covers the earlier dimension; then the one in the
    earliest set of the first path, of the second, and so on; then the first.
    """
    if not candidates & (candidates - 1):
        return first(candidates)
    dividing = []
    passing_all = candidates
    for covered in covering:
        passing = candidates & covered
        if passing and passing != candidates:  # else it makes no difference between them
            dividing.append(passing)
            passing_all &= passing
    return _closest(passing_all or _fewest_failures(candidates, dividing), paths)


def _fewest_failures(candidates: int, dividing: list[int]) -> int:
    """Return the candidates that are in the most sets; of them those in the earlier sets."""
    planes = [0] * _PLANES  # binary digits of the number of failures, each for all statements
    for passing in dividing:
        carry = candidates ^ passing
        for digit in range(_PLANES):
            planes[digit], carry = planes[digit] ^ carry, planes[digit] & carry
            if not carry:
                break
    remaining = candidates
    for plane in reversed(planes):
        if plane:
            remaining = remaining ^ (remaining & plane) or remaining
    for passing in dividing:
        remaining = remaining & passing or remaining
    return remaining


def _closest(statements: int, paths: tuple[Sets, ...]) -> int:
    """Return the first in the earliest set of the first path, then of the second, and so on."""
    if statements & (statements - 1):
        for path in paths:
            for near in path:
                if nearer := statements & near:
                    statements = nearer
                    break
    return first(statements)


def closest_named(covering: int, levels: tuple[Sets, ...]) -> tuple[int, int]:
    """Return the statement whose terms lie closest above the flow's, and that distance.

    `covering` must not be empty, and each of its statements must be in one level of each
    dimension. Of several, it is the first.
    """
    distance = 0
    closest = covering
    for steps in levels:
        step = 0
        while not (named := covering & steps[step]):
            step += 1
        closest &= named
        distance += step
    while not closest:  # none is closest in every dimension, so the least sum decides
        distance += 1
        for chosen in _at_distance(covering, distance, levels):
            closest |= chosen
    return first(closest), distance


def _at_distance(candidates: int, distance: int, levels: tuple[Sets, ...]) -> Iterator[int]:
    """Yield the sets of candidates whose steps add up to a distance."""
    steps, others = levels[0], levels[1:]
    for step, statements in enumerate(steps[: distance + 1]):
        chosen = candidates & statements
        if chosen and others:
            yield from _at_distance(chosen, distance - step, others)
        elif step == distance:
            yield chosen
